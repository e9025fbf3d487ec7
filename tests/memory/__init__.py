"""Tests of the memory room, against the real engine."""
