"""Electra's own ways into things: Home Assistant."""
