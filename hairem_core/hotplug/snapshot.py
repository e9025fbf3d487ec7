"""Copying a bundle to where no editor touches it."""

import asyncio
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from hairem_core.hotplug.bundle import MANIFEST_NAMES
from hairem_core.hotplug.fingerprint import fingerprint
from hairem_core.hotplug.report import Finding, Step
from hairem_core.hotplug.watcher import is_ignored

LARGEST_FILE = 20 * 2**20
"""Bytes of one file."""
LARGEST_BUNDLE = 64 * 2**20
"""Bytes of all files."""
MOST_FILES = 2_000


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A copy of a bundle."""

    folder: Path
    hash: str
    """SHA-256 of its content, as hex digits."""
    findings: tuple[Finding, ...] = ()
    """What of the bundle could not be copied."""


class SnapshotStore:
    """The snapshots that agents run from, and those that are being vetted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taking = 0
        self._cleaning = asyncio.Lock()

    def __getitem__(self, hash: str) -> Path:  # noqa: A002 - the word
        return self._folder / hash

    async def take(self, source: Path) -> Snapshot:
        """Copy the bundle in `source`; see take_snapshot."""
        async with self._cleaning:
            self._taking += 1
        try:
            return await asyncio.to_thread(take_snapshot, source, self._folder)
        finally:
            self._taking -= 1

    async def clean(self, kept: Callable[[], Collection[Path]]) -> None:
        """Remove all snapshots but those that `kept` names, unless one is just being taken.

        That one would be nobody's yet, and what is not removed now is so the next time.
        """
        async with self._cleaning:
            if not self._taking:
                await asyncio.to_thread(self._remove_others, set(kept()))

    def _remove_others(self, kept: set[Path]) -> None:
        if not self._folder.is_dir():
            return
        for folder in self._folder.iterdir():
            if folder not in kept:
                shutil.rmtree(folder, ignore_errors=True)


def take_snapshot(source: Path, into: Path) -> Snapshot:
    """Copy the bundle in `source` into a folder under `into` that is named by its hash.

    Names that editors and Python make are left out, and links are followed within the bundle only.
    What may not or cannot be copied becomes a finding. Raises OSError when `into` cannot be
    written, or `source` is not there.
    """
    into.mkdir(parents=True, exist_ok=True)
    copy = Path(tempfile.mkdtemp(dir=into, prefix=".new-"))
    try:
        copy.chmod(0o755)
        findings = tuple(_Copier(source.resolve(strict=True), copy).copy())
        folder = into / fingerprint(copy)
        # One that a power cut emptied, or that was half removed, must not pass for the bundle.
        if folder.exists() and fingerprint(folder) != folder.name:
            shutil.rmtree(folder)
        if not folder.exists():
            copy.rename(folder)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    return Snapshot(folder=folder, hash=folder.name, findings=findings)


def give_to_group(folder: Path, gid: int) -> None:
    """Let one group read a snapshot, and others no more. Needs root."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, -1, gid)
        path.chmod(0o750 if path.is_dir() else 0o640)


class _Copier:
    def __init__(self, source: Path, copy: Path) -> None:
        self._source = source
        self._copy = copy
        self._bytes = 0
        self._files = 0

    def copy(self) -> Iterator[Finding]:
        """Copy everything; yield what was left out, and why."""
        for folder, folders, files in os.walk(self._source):
            here = Path(folder)
            folders[:] = sorted(name for name in folders if not is_ignored(name))
            for name in list(folders):
                if (here / name).is_symlink():
                    folders.remove(name)
                    yield self._link(
                        here / name, "a link to a folder", "Put the folder itself there."
                    )
                else:
                    (self._copy / here.relative_to(self._source) / name).mkdir()
            wanted = [name for name in files if not is_ignored(name)]
            # The manifest first: of a bundle that is too large, it still says whose it is.
            for name in sorted(wanted, key=lambda name: (name not in MANIFEST_NAMES, name)):
                if self._files >= MOST_FILES or self._bytes > LARGEST_BUNDLE:
                    yield self._too_much()
                    return
                yield from self._copy_file(here / name)

    def _copy_file(self, path: Path) -> Iterator[Finding]:
        try:
            if path.is_symlink() and not path.resolve().is_relative_to(self._source):
                yield self._link(path, "a link that leads out of the bundle", "Put the file there.")
                return
            if not _is_text(path.name):
                yield self._find(path, "unreadable", "its name is not UTF-8 text", "Rename it.")
                return
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                yield self._find(path, "not-a-file", "neither a file nor a folder", "Remove it.")
                return
            if status.st_size > LARGEST_FILE:
                what = f"{status.st_size / 2**20:.1f} MiB, more than {LARGEST_FILE // 2**20}"
                yield self._find(path, "file-too-large", what, "Make it smaller.")
                return
            self._files += 1
            self._bytes += status.st_size
            target = self._copy / path.relative_to(self._source)
            shutil.copyfile(path, target)
            target.chmod(0o644)
        except FileNotFoundError:
            if path.is_symlink():
                yield self._find(path, "broken-link", "a link to nothing", "Remove or mend it.")
            # Else it went while we looked: the watcher tells of that.
        except OSError as err:
            what = f"cannot be read: {err.strerror}"
            yield self._find(path, "unreadable", what, "Give H-Core's user the right to read it.")

    def _link(self, path: Path, what: str, hint: str) -> Finding:
        return self._find(path, "link-outside", what, hint)

    def _too_much(self) -> Finding:
        what = f"more than {MOST_FILES:,} files or {LARGEST_BUNDLE // 2**20} MiB"
        return self._find(self._source, "bundle-too-large", what, "Keep only what the agent needs.")

    def _find(self, path: Path, rule: str, what: str, hint: str) -> Finding:
        file = path.relative_to(self._source).as_posix()
        return Finding(
            step=Step.ASSETS, rule=rule, file="" if file == "." else file, what=what, hint=hint
        )


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
