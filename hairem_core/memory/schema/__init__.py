"""Numbered schema files, applied in order, each once: `0001_raw_event.surql` and so on.

A file that was released is never changed: what comes later is a new file. What SurrealQL cannot do,
such as hashing what is there, is done in `steps.py`, right before the file of that number.
"""
