"""The columns of the recall index in one file, replaced in one step."""

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from hairem_core.memory.folder import make_private
from hairem_core.memory.recall.text import FORMAT

_NAME = "columns"
_DIGEST = 32
"""Bytes of the digest at the beginning of the file. What follows is NumPy's format npz."""


def save(folder: Path, columns: Mapping[UUID, Mapping[str, Any]], stamp: str, model: str) -> None:
    """Write every agent's columns. `stamp` says up to which commit, `model` whose vectors."""
    make_private(folder)
    temporary = folder / f".{_NAME}.new"
    with temporary.open("w+b") as file:
        file.write(bytes(_DIGEST))
        with zipfile.ZipFile(file, "w") as archive:
            about = {"format": FORMAT, "stamp": stamp, "model": model}
            _add(archive, "about", np.asarray(json.dumps(about)))
            for agent, arrays in columns.items():
                for name, array in arrays.items():
                    # One after another: all vectors at once, once more, would fill the memory.
                    halved = array.astype(np.float16) if name == "vectors" else array
                    _add(archive, f"{agent.hex}/{name}", halved)
        digest = _digest(file)
        file.seek(0)
        file.write(digest)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / _NAME)


def load(folder: Path) -> tuple[dict[UUID, dict[str, Any]], str, str]:
    """Return columns by agent, stamp and model. Raises OSError, ValueError, KeyError."""
    with (folder / _NAME).open("rb") as file:
        digest = file.read(_DIGEST)
        if digest != _digest(file):
            raise ValueError("it is damaged")
        file.seek(_DIGEST)
        with np.load(file, allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))
            if about["format"] != FORMAT:
                raise ValueError("it is of another format")
            columns: dict[UUID, dict[str, Any]] = {}
            for key in archive.files:
                agent, slash, name = key.partition("/")
                if slash:
                    columns.setdefault(UUID(hex=agent), {})[name] = archive[key]
    return columns, about["stamp"], about["model"]


def remove(folder: Path) -> None:
    """Delete what `save` wrote, if anything. Raises OSError."""
    (folder / _NAME).unlink(missing_ok=True)


def move(source: Path, target: Path) -> None:
    """Have what `save` wrote to one folder in another. Raises OSError."""
    (source / _NAME).replace(target / _NAME)


def _add(archive: zipfile.ZipFile, name: str, array: Any) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.save(member, array, allow_pickle=False)


def _digest(file: BufferedRandom | BufferedReader) -> bytes:
    """Return the digest of what follows it."""
    file.seek(_DIGEST)
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST)).digest()
