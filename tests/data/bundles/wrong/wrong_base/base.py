"""A base."""

from threading import Thread


class Base(Thread):
    """Nothing of the SDK."""
