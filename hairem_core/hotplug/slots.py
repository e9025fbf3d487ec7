"""The folders that hold bundles."""

import asyncio
import re
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from hairem_core.errors import HairemError
from hairem_core.hotplug.bundle import MANIFEST_NAMES, Bundle, Manifest, read_manifest
from hairem_core.hotplug.host import AgentHost
from hairem_core.hotplug.report import Finding, Step
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
        self.named = asyncio.Event()
        """Not set while it is being looked at, and nobody knows yet which agent it is."""
        self.named.set()
        self.providing: asyncio.Task[Bundle] | None = None
        """What is being got for it, which may take minutes."""


class Ending:
    """An agent that is being stopped. Make it in the event loop."""

    def __init__(self, host: AgentHost | None) -> None:
        self.host = host
        """Its files are in use until it is over."""
        stop = host.stop() if host else asyncio.sleep(0)
        self.stopping: asyncio.Task[None] = asyncio.create_task(stop, name="stop of an agent")
        self.over = asyncio.Event()
        """Set when nothing is left of it."""


class Claims:
    """Which folder has which id, and which UUID: the first that wants it, for as long as it does.

    What counts is what a folder's manifest says now: of two that exchange their ids, neither has to
    wait for the other.
    """

    def __init__(self) -> None:
        self.ids: dict[str, Path] = {}
        self.uuids: dict[UUID, Path] = {}

    def reserve(self, folder: Path, manifest: Manifest) -> None:
        """Give a folder what its manifest asks for, if nobody has it."""
        if self.ids.setdefault(manifest.id, folder) == folder:
            self.uuids.setdefault(manifest.effective_uuid, folder)

    def release(self, folder: Path, agent_id: str) -> None:
        """Take an id back from a folder."""
        if self.ids.get(agent_id) == folder:
            del self.ids[agent_id]

    def is_of_another(self, folder: Path, agent_id: str) -> bool:
        """Return whether another folder has this id."""
        return self.ids.get(agent_id, folder) != folder

    def id_of(self, folder: Path) -> str | None:
        """Return the id that a folder has."""
        return next((key for key, each in self.ids.items() if each == folder), None)

    async def claim_id(self, folder: Path, agent_id: str) -> Finding | None:
        """Give an id to a folder; return why it cannot be had."""
        owner = await _claim(self.ids, agent_id, folder, lambda manifest: manifest.id)
        if owner is None:
            return None
        return Finding(
            step=Step.MANIFEST,
            rule="duplicate-id",
            file=manifest_name(folder),
            what=f"the id {agent_id!r} belongs to {owner}",
            hint="Give this bundle another id, or remove one of the two.",
        )

    async def claim_uuid(self, folder: Path, uuid: UUID) -> Finding | None:
        """Give a UUID to a folder, by which Home Assistant knows its agent; return why not."""
        owner = await _claim(self.uuids, uuid, folder, lambda manifest: manifest.effective_uuid)
        if owner is None:
            former = [key for key, each in self.uuids.items() if each == folder and key != uuid]
            for key in former:
                del self.uuids[key]
            return None
        its_id = self.id_of(owner) or "another bundle"
        return Finding(
            step=Step.MANIFEST,
            rule="duplicate-uuid",
            file=manifest_name(folder),
            what=f"the uuid {uuid} belongs to {its_id}, in {owner}",
            hint="Remove the line, or give this agent a uuid of its own.",
        )


async def _claim[Key: Hashable](
    owners: dict[Key, Path], key: Key, folder: Path, wish: Callable[[Manifest], Key]
) -> Path | None:
    """Return the folder that has `key` and keeps it, None when it is `folder`'s from now on."""
    while True:
        owner = owners.get(key, folder)
        if owner != folder and await asyncio.to_thread(_wants, owner, key, wish):
            return owner
        if owners.get(key, folder) == owner:  # nobody was quicker meanwhile
            owners[key] = folder
            return None


def _wants[Key: Hashable](folder: Path, key: Key, wish: Callable[[Manifest], Key]) -> bool:
    if not is_bundle(folder):
        return False
    try:
        return wish(read_manifest(folder)) == key
    except HairemError:
        return True  # being edited: a mistake must not cost it its name


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
