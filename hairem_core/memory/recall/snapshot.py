"""The columns of the recall index in one file, replaced in one step."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from hairem_core.memory.recall.text import FORMAT

_NAME = "columns.npz"


def save(folder: Path, columns: Mapping[UUID, Mapping[str, Any]], stamp: str, model: str) -> None:
    """Write every agent's columns. `stamp` says up to which commit, `model` whose vectors."""
    about = {"format": FORMAT, "stamp": stamp, "model": model}
    arrays: dict[str, Any] = {"about": np.asarray(json.dumps(about))}
    for agent, each in columns.items():
        arrays |= {f"{agent.hex}/{name}": array for name, array in each.items()}
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{_NAME}.{os.getpid()}"
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / _NAME)


def load(folder: Path) -> tuple[dict[UUID, dict[str, Any]], str, str]:
    """Return columns by agent, stamp and model. Raises OSError, ValueError, KeyError."""
    with np.load(folder / _NAME, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        if about["format"] != FORMAT:
            raise ValueError("it is of another format")
        columns: dict[UUID, dict[str, Any]] = {}
        for key in file.files:
            agent, slash, name = key.partition("/")
            if slash:
                columns.setdefault(UUID(hex=agent), {})[name] = file[key]
    return columns, about["stamp"], about["model"]
