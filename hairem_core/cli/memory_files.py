"""Files of `hairem memory export` and `import`: compressed by name, whole or not there at all."""

import asyncio
import errno
import gzip
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from hairem_core.cli.gunzip import GZIP, Gunzip
from hairem_core.cli.options import WrongInput

_PIECE = 256 * 1024
_TAIL = 65_536


class Sink:
    """Takes an export; knows how long it is, and its last line."""

    def __init__(self, file: IO[bytes], where: str) -> None:
        self._file = file
        self._where = where
        self._tail = b""
        self.size = 0
        """Bytes, before they are compressed."""

    def write(self, piece: bytes) -> None:
        """Write a piece. Raises WrongInput."""
        with _told(self._where):
            self._file.write(piece)
        self.size += len(piece)
        self._tail = (self._tail + piece)[-_TAIL:]

    @property
    def counts(self) -> dict[str, int]:
        """How many lines of each kind there are, as the export itself says at its end."""
        try:
            counts: dict[str, int] = json.loads(self._tail.splitlines()[-1])["counts"]
        except ValueError, KeyError, TypeError, IndexError:
            return {}
        return counts


@contextmanager
def opened_to_write(target: str) -> Iterator[Sink]:
    """Yield where an export goes; `-` is standard output, `.gz` is compressed.

    The file appears when it is whole, readable for this user alone; a symbolic link leads to it.
    A pipe or a device gets it as it comes. Raises WrongInput.
    """
    if target == "-":
        if sys.stdout.isatty():
            raise WrongInput(
                "an export is no reading for a terminal",
                hint="Name a file, such as memory.ndjson.gz, or send it on with `|` or `>`.",
            )
        yield Sink(sys.stdout.buffer, "standard output")
        sys.stdout.buffer.flush()
        return
    _check_named(target)
    if not _is_file(target):
        with _told(target):
            pipe = Path(target).open("wb")  # noqa: SIM115  what the body raises is not told here
        with _written(pipe, target) as sink:
            yield sink
        return
    # Where a link leads to: the link itself must not be replaced.
    path = Path(target).resolve()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _told(target):
        raw = os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    try:
        with _written(raw, target) as sink:
            yield sink
        with _told(target):
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _told(target: str) -> Iterator[None]:
    """Turn errors of the target into ours. Raises WrongInput."""
    try:
        yield
    except OSError as err:
        raise WrongInput(f"cannot be written: {err.strerror or err}", where=target) from err


@contextmanager
def _written(raw: IO[bytes], target: str) -> Iterator[Sink]:
    """Yield what takes an export; all of it is on disk once it is left. Raises WrongInput."""
    file = gzip.GzipFile("", "wb", 6, raw) if Path(target).suffix == ".gz" else raw
    try:
        yield Sink(file, target)  # type: ignore[arg-type]
        with _told(target):
            if file is not raw:
                file.close()
            raw.flush()
            if stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
                os.fsync(raw.fileno())
            raw.close()
    finally:
        for each in (file, raw):
            with suppress(OSError):  # a second one, of what was given up
                each.close()


def _check_named(file: str) -> None:
    """Raise WrongInput for no name, which would mean the folder this runs in."""
    if not file:
        raise WrongInput("is empty", where="FILE", hint="Name a file, or `-`.")


def _is_file(target: str) -> bool:
    """Return whether this is no pipe, device or the like. Raises WrongInput for a folder."""
    with _told(target):
        try:
            mode = Path(target).stat().st_mode
        except FileNotFoundError:
            return True
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        return stat.S_ISREG(mode)


class Source:
    """An export to read. Whether it is compressed, it says itself."""

    def __init__(self, file: IO[bytes], where: str) -> None:
        self._file = file
        self._where = where
        self.damage: str | None = None
        """Why nothing more could be decompressed, once it was read."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        piece = await asyncio.to_thread(self._read)
        if not piece.startswith(GZIP):
            while piece:
                yield piece
                piece = await asyncio.to_thread(self._read)
            return
        gunzip = Gunzip()
        while piece and gunzip.damage is None:
            for each in gunzip.feed(piece):
                yield each
            piece = await asyncio.to_thread(self._read)
        gunzip.end()
        self.damage = gunzip.damage

    def _read(self) -> bytes:
        try:
            return self._file.read(_PIECE)
        except OSError as err:
            raise WrongInput(f"cannot be read: {err}", where=self._where) from err


@contextmanager
def opened_to_read(source: str) -> Iterator[Source]:
    """Yield an export; `-` is standard input. Raises WrongInput."""
    if source == "-":
        yield Source(sys.stdin.buffer, "standard input")
        return
    _check_named(source)
    try:
        file = Path(source).open("rb")  # noqa: SIM115  only what opening raises is told here
    except OSError as err:
        raise WrongInput(f"cannot be read: {err.strerror}", where=source) from err
    with file:
        yield Source(file, source)
