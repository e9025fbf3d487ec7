"""The hash of a bundle. The agent's process takes it too, so this needs nothing but Python."""

import hashlib
import os
from pathlib import Path


def fingerprint(folder: Path) -> str:
    """Return the SHA-256 of a snapshot, of its sorted paths and their contents, as hex digits.

    Each path and content is preceded by its length, so that no two trees give the same bytes.
    """
    whole = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = os.fsencode(path.relative_to(folder).as_posix())
        content = path.read_bytes()
        whole.update(len(name).to_bytes(4) + name + len(content).to_bytes(8) + content)
    return whole.hexdigest()
