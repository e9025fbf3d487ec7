"""Dream: the nightly upkeep of memory, which loses nothing, doubles nothing and can be killed."""
