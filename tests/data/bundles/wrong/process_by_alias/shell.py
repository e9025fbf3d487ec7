"""A shell."""

from os import system as run
