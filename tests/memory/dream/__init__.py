"""Tests of the nightly upkeep."""
