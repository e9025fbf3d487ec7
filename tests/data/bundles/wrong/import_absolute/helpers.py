"""Help."""

NAME = "x"
