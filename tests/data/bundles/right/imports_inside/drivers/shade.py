"""A shade."""

__version__ = "2"
