"""The columns of the recall index in one file, replaced in one step."""

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from hairem_core.memory.recall.text import FORMAT

_NAME = "columns"
_DIGEST = 32
"""Bytes of the digest at the beginning of the file. What follows is NumPy's format npz."""


def save(folder: Path, columns: Mapping[UUID, Mapping[str, Any]], stamp: str, model: str) -> None:
    """Write every agent's columns. `stamp` says up to which commit, `model` whose vectors."""
    about = {"format": FORMAT, "stamp": stamp, "model": model}
    arrays: dict[str, Any] = {"about": np.asarray(json.dumps(about))}
    for agent, each in columns.items():
        arrays |= {f"{agent.hex}/{name}": array for name, array in each.items()}
    folder.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    content = packed.getbuffer()
    temporary = folder / f".{_NAME}.new"
    with temporary.open("wb") as file:
        file.write(_digest(content))
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / _NAME)


def load(folder: Path) -> tuple[dict[UUID, dict[str, Any]], str, str]:
    """Return columns by agent, stamp and model. Raises OSError, ValueError, KeyError."""
    content = memoryview((folder / _NAME).read_bytes())
    if content[:_DIGEST] != _digest(content[_DIGEST:]):
        raise ValueError("it is damaged")
    with np.load(io.BytesIO(content[_DIGEST:]), allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        if about["format"] != FORMAT:
            raise ValueError("it is of another format")
        columns: dict[UUID, dict[str, Any]] = {}
        for key in file.files:
            agent, slash, name = key.partition("/")
            if slash:
                columns.setdefault(UUID(hex=agent), {})[name] = file[key]
    return columns, about["stamp"], about["model"]


def _digest(content: memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()
