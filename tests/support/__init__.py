"""Doubles for what cannot be had in a test, each saying what it stands for."""
