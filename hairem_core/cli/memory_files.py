"""Files of `hairem memory export` and `import`: compressed by name, whole or not there at all."""

import asyncio
import errno
import gzip
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hairem_core.cli.gunzip import GZIP, Gunzip
from hairem_core.cli.options import WrongInput

_PIECE = 256 * 1024
_TAIL = 65_536


class Sink:
    """Takes an export; knows how long it is, and its last line."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._tail = b""
        self.size = 0
        """Bytes, before they are compressed."""

    def write(self, piece: bytes) -> None:
        """Write a piece."""
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
        yield Sink(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    path = Path(target)
    try:
        if _is_no_file(path):
            with path.open("wb") as pipe, _compressed(path, pipe) as file:
                yield Sink(file)
            return
        # Where a link leads to: the link itself must not be replaced.
        path = path.resolve()
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as raw:
                with _compressed(Path(target), raw) as file:
                    yield Sink(file)
                raw.flush()
                os.fsync(raw.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as err:
        raise WrongInput(f"cannot be written: {err.strerror or err}", where=target) from err


def _is_no_file(path: Path) -> bool:
    """Return whether this is a pipe, a device or the like. Raises OSError for a folder."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder")
    return not stat.S_ISREG(mode)


@contextmanager
def _compressed(path: Path, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    if path.suffix != ".gz":
        yield raw
        return
    with gzip.GzipFile("", "wb", 6, raw) as file:
        yield file  # type: ignore[misc]


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
    try:
        file = Path(source).open("rb")  # noqa: SIM115  only what opening raises is told here
    except OSError as err:
        raise WrongInput(f"cannot be read: {err.strerror}", where=source) from err
    with file:
        yield Source(file, source)
