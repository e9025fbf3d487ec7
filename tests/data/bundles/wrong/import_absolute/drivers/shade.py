"""A shade."""
