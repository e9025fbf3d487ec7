"""Where the command finds agents' bundles, and where it may put one."""

import os
from collections.abc import Iterator
from pathlib import Path

from hairem_core.cli.places import Places
from hairem_core.errors import HairemError


def agents_folders(places: Places) -> list[Path]:
    """Return the folders that H-Core looks for bundles in. Raises ConfigError."""
    return [places.root / folder for folder in places.load_config().agents.folders]


def writable_folder(places: Places, into: Path | None) -> Path:
    """Return `into`, or the first of the agents' folders that this user may write to.

    Raises HairemError.
    """
    candidates = [into] if into is not None else agents_folders(places)
    for folder in candidates:
        if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder.resolve()
    named = ", ".join(str(folder) for folder in candidates)
    raise HairemError(
        "there is no folder for agents that this user may write to",
        where=named,
        hint="Make one, and name it with --into, or under agents.folders in system.yaml.",
    )


def looked_at(places: Places, folder: Path) -> bool:
    """Return whether H-Core looks for bundles in `folder`."""
    return folder.resolve() in [each.resolve() for each in agents_folders(places)]


def bundles(folder: Path) -> Iterator[Path]:
    """Yield the bundles directly in `folder`."""
    from hairem_core.hotplug.bundle import MANIFEST_NAMES

    if not folder.is_dir():
        return
    for each in sorted(folder.iterdir()):
        if each.name.startswith(("_", ".")):
            continue
        if any((each / name).is_file() for name in MANIFEST_NAMES):
            yield each


def find_agent(places: Places, agent_id: str, *extra: Path) -> Path | None:
    """Return the bundle of this id in the agents' folders and in `extra`, None without one."""
    from hairem_core.hotplug.bundle import read_manifest

    for folder in dict.fromkeys([*agents_folders(places), *extra]):
        for bundle in bundles(folder):
            try:
                if read_manifest(bundle).id == agent_id:
                    return bundle
            except HairemError:
                # A broken bundle is the one of this name, as far as anyone can tell.
                if bundle.name == agent_id:
                    return bundle
    return None


def bundle_at(path: Path) -> Path:
    """Return the folder `path` names a bundle by. Raises HairemError when it is nothing."""
    if path.is_file():
        path = path.parent
    if not path.is_dir():
        raise HairemError("there is no such folder", where=str(path), hint="Name a bundle's.")
    return path
