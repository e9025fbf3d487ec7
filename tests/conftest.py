"""What holds for all tests."""

import os

# Each commit waits for the disk, which is for power cuts; a killed process loses nothing that the
# system has. `tests/memory/test_database.py` looks whether it is so without this.
os.environ.setdefault("SURREAL_SYNC_DATA", "false")
