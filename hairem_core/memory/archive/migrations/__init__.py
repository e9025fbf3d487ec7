"""The archive's schema, brought up to date by Alembic when the archive is opened.

A revision that was released is never changed: what comes later is a new one. MariaDB carries out
each statement about a table for good, by itself. So `upgrade` can be repeated (`if_not_exists`),
and `downgrade` takes back whatever part of it was done (`if_exists`).
"""
