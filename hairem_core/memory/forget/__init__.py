"""Forgetting for good: what is meant, where all of it is, and erasing it there, crash or not."""
