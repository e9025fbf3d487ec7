"""What is made of what was said."""
