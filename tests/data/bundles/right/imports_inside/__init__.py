"""The bundle."""

VERSION = "1.0"
