"""The files of a snapshot, and reading them without being led astray."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class BundleFile:
    """One regular file of a bundle."""

    path: Path
    name: str
    """Relative to the bundle, with `/`."""
    size: int
    """Bytes."""


def list_files(folder: Path) -> list[BundleFile]:
    """Return the regular files of a snapshot, sorted by name. Links are not followed."""
    return sorted(_walk(folder), key=lambda each: each.name)


def _walk(folder: Path) -> Iterator[BundleFile]:
    for here, folders, names in folder.walk():
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = here / name
            if path.is_symlink() or not path.is_file():
                continue
            yield BundleFile(
                path=path, name=path.relative_to(folder).as_posix(), size=path.stat().st_size
            )
