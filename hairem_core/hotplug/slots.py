"""The folders that hold bundles."""

import asyncio
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from hairem_core.hotplug.bundle import MANIFEST_NAMES
from hairem_core.hotplug.watcher import is_ignored


class Slot:
    """One bundle folder, and the task that follows its changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.agent_id: str | None = None
        """The record in the registry that is this bundle's."""
        self.hash: str | None = None
        """Of the last snapshot that was dealt with."""
        self.is_dirty = True
        self.is_forced = False
        self.task: asyncio.Task[None] | None = None


def find_bundles(roots: Sequence[Path]) -> list[Path]:
    """Return the bundle folders under `roots`, those of the first root first, by name."""
    found: list[Path] = []
    for root in roots:
        with suppress(OSError):
            found += [
                folder
                for folder in sorted(root.iterdir())
                if not folder.name.startswith("_")
                and not is_ignored(folder.name)
                and is_bundle(folder)
            ]
    return found


def is_bundle(folder: Path) -> bool:
    """Return whether a folder holds a manifest."""
    return any((folder / name).is_file() for name in MANIFEST_NAMES)


def manifest_name(folder: Path) -> str:
    """Return the name of a bundle's manifest, empty where there is none."""
    return next((name for name in MANIFEST_NAMES if (folder / name).exists()), "")


def free_id(folder: Path, taken: Collection[str]) -> str:
    """Return an id, of none that is taken, under which a bundle that has none can be shown."""
    base = re.sub(r"[^a-z0-9_]", "_", folder.name.lower()).lstrip("0123456789_") or "bundle"
    base = base[:28]
    names = [base, *(f"{base}_{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)
