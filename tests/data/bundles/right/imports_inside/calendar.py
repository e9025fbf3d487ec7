"""Has the name of a module of Python."""

DAYS = 7
