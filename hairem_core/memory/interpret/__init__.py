"""What is made of what was said: how much it matters, what it says of whom, what it replaces."""
