"""Numbered schema files, applied in order, each once: `0001_raw_event.surql` and so on.

A file that was released is never changed: what comes later is a new file.
"""
