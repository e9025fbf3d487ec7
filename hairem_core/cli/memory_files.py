"""Files of `hairem memory export` and `import`: compressed by name, whole or not there at all."""

import asyncio
import gzip
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from hairem_core.cli.options import WrongInput

_PIECE = 256 * 1024
_GZIP = b"\x1f\x8b"
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

    The file appears when it is whole, readable for this user alone. Raises WrongInput.
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
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "is a folder")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as err:
        raise WrongInput(f"cannot be written: {err.strerror}", where=target) from err
    try:
        with os.fdopen(descriptor, "wb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", 6, raw) as file:
                    yield Sink(file)  # type: ignore[arg-type]
            else:
                yield Sink(raw)
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(path)
    except OSError as err:
        raise WrongInput(f"cannot be written: {err.strerror or err}", where=target) from err
    finally:
        part.unlink(missing_ok=True)


class Source:
    """An export to read, compressed or not."""

    def __init__(self, file: Any, where: str) -> None:
        self._file = file
        self._where = where

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await asyncio.to_thread(self._read):
            yield piece

    def _read(self) -> bytes:
        try:
            piece: bytes = self._file.read(_PIECE)
        except (OSError, EOFError) as err:
            raise WrongInput(f"cannot be read: {err}", where=self._where) from err
        return piece


@contextmanager
def opened_to_read(source: str) -> Iterator[Source]:
    """Yield an export; `-` is standard input. Whether it is compressed, it says itself.

    Raises WrongInput.
    """
    if source == "-":
        yield Source(_plain(sys.stdin.buffer), "standard input")
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115  only what opening raises is told here
    except OSError as err:
        raise WrongInput(f"cannot be read: {err.strerror}", where=source) from err
    with file:
        yield Source(_plain(file), source)


def _plain(file: Any) -> Any:
    return gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == _GZIP else file
