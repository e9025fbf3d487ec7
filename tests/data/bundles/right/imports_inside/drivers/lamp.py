"""A folder without __init__.py is a package too."""

from . import shade


def __getattr__(name):
    return shade
