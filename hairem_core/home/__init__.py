"""H-Core's end of the link to Home Assistant."""
