"""The folder of an embedded store: locked against a second process, and exchanged for another."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from errno import ENOTDIR
from pathlib import Path

from hairem_core.memory.errors import MemoryInUse, MemoryUnavailable

FRESH, OLD = ".~fresh", ".~old"
"""Endings of the folders beside a store's while another one takes its place. Nobody names a backup
of their own so: these folders are deleted.
"""
COPY = ".~copy"
"""Ending of the folder in which another one is made; what is in it is never needed."""


class Gate:
    """Lets many pass at once, or shuts them out for a while."""

    def __init__(self) -> None:
        self._inside = 0
        self._open = asyncio.Event()
        self._open.set()
        self._empty = asyncio.Event()
        self._empty.set()

    @asynccontextmanager
    async def passing(self) -> AsyncGenerator[None]:
        """Wait until it is open, and be inside."""
        while not self._open.is_set():
            await self._open.wait()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def closed(self) -> AsyncGenerator[None]:
        """Let nobody in, and wait until everybody is out."""
        self._open.clear()
        try:
            await self._empty.wait()
            yield
        finally:
            self._open.set()


def make_private(folder: Path) -> None:
    """Make a folder that is not there, and those it lies in, its owner's alone. Raises OSError."""
    if not folder.is_dir():
        make_private(folder.parent)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError as err:
            raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(folder)) from err


def beside(folder: Path, ending: str) -> Path:
    """Return the folder beside a store's whose name has this ending."""
    return folder.with_name(f"{folder.name}{ending}")


def size_of(folder: Path | None) -> int:
    """Return how many bytes the files in a folder hold; 0 without one."""
    total = 0
    for path in folder.rglob("*") if folder else ():
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def exchange(folder: Path, fresh: Path, old: Path) -> None:
    """Put `fresh` in the place of `folder`, which becomes `old`. Raises OSError; one of the two is
    in its place then.
    """
    folder.rename(old)
    try:
        fresh.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    descriptor = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _recover(folder: Path) -> None:
    """Finish what a process that died left of `replace`, or undo it."""
    fresh, old = beside(folder, FRESH), beside(folder, OLD)
    if old.is_dir() and not (folder.is_dir() and any(folder.iterdir())):
        # It died in the middle of the exchange, before which the fresh one was complete.
        with suppress(FileNotFoundError):
            folder.rmdir()
        (fresh if fresh.is_dir() else old).rename(folder)
    for leftover in (fresh, old, beside(folder, COPY)):
        shutil.rmtree(leftover, ignore_errors=True)


def lock_folder(folder: Path) -> int:
    """Return an open descriptor that holds the folder's lock, until it is closed.

    The lock file lies beside the folder, whose inside is the engine's own.
    """
    path = folder.with_name(f"{folder.name}.lock")
    try:
        make_private(folder.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise MemoryUnavailable(
            f"cannot be written: {err.strerror or err}",
            where=str(folder),
            hint="Choose a folder that this user may write, or change its owner.",
        ) from err
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _recover(folder)
        make_private(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except BlockingIOError as err:
        os.close(descriptor)
        raise MemoryInUse(
            "is in use by another process",
            where=str(folder),
            hint="Stop the other H-Core, or give this one another data folder.",
        ) from err
    except OSError as err:
        os.close(descriptor)
        raise MemoryUnavailable(
            f"cannot be used: {err.strerror or err}",
            where=str(folder),
            hint="Choose a folder on a local disk that this user may write.",
        ) from err
    return descriptor


def unlock_folder(descriptor: int | None) -> None:
    """Let others open it."""
    if descriptor is not None:
        os.close(descriptor)
