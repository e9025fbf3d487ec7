"""One SurrealDB: opened, locked against a second process, its schema brought up to date.

Embedded (`surrealkv://<path>`) or a server (`ws://`, `wss://`); the same SDK serves both. Traps of
SDK 2.0.0 that are handled here: `query` with several statements returns only the first result and
hides the errors of the others, and the embedded engine lets two processes open one folder.
"""

import asyncio
import fcntl
import importlib.resources
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import surrealdb
from websockets.exceptions import WebSocketException

from hairem_core.memory.errors import MemoryUnavailable

_LOGGER = logging.getLogger(__name__)

NAMESPACE = "hairem"
DATABASE = "memory"
EMBEDDED = "surrealkv://"
_SCHEMA_FILE = re.compile(r"(?P<number>\d{4})_\w+\.surql")
_RETRIES = 8
"""Attempts at a write that another one got in the way of."""
# The embedded engine raises RuntimeError for what a server would send as an error.
_ERRORS = (surrealdb.SurrealError, RuntimeError, OSError, WebSocketException)


@dataclass(frozen=True, kw_only=True)
class SchemaFile:
    """One step of the schema."""

    number: int
    name: str
    text: str


def schema_files() -> list[SchemaFile]:
    """Return the schema's steps, in order."""
    folder = importlib.resources.files("hairem_core.memory.schema")
    found = []
    for entry in folder.iterdir():
        if match := _SCHEMA_FILE.fullmatch(entry.name):
            text = entry.read_text(encoding="utf-8")
            found.append(SchemaFile(number=int(match["number"]), name=entry.name, text=text))
    return sorted(found, key=lambda each: each.number)


class Database:
    """An open SurrealDB. Every method raises MemoryUnavailable when it does not answer."""

    def __init__(self, connection: Any, *, where: str, lock: int | None) -> None:
        self._connection = connection
        self._where = where
        self._lock = lock
        self.schema_version = 0

    @classmethod
    async def open(cls, url: str, *, files: Sequence[SchemaFile] | None = None) -> Self:
        """Return the database at `url`, its schema up to date.

        `files` stands in for the schema that ships. Raises MemoryUnavailable: not a known address,
        folder in use or not writable, damaged, server away, written by a newer version.
        """
        scheme = url.partition("://")[0]
        if scheme not in ("surrealkv", "ws", "wss"):
            raise MemoryUnavailable(
                f"{url!r} is not an address of a memory",
                where="memory.url",
                hint="Use surrealkv://<folder>, ws://<host>:<port> or wss://<host>:<port>.",
            )
        where = _shown(url)
        lock = _lock(Path(url.removeprefix(EMBEDDED))) if scheme == "surrealkv" else None
        try:
            self = cls(await _connect(url, where), where=where, lock=lock)
        except BaseException:
            _unlock(lock)
            raise
        try:
            await self._apply(schema_files() if files is None else files)
        except BaseException:
            await self.close()
            raise
        return self

    async def query(self, statement: str, variables: dict[str, Any] | None = None) -> Any:
        """Return the result of one statement."""
        try:
            return await self._connection.query(statement, variables or {})
        except _ERRORS as err:
            raise self._unavailable(err) from err

    async def write(self, statement: str, variables: dict[str, Any]) -> Any:
        """Return the result of one writing statement, tried again when another got in its way."""
        for attempt in range(_RETRIES):
            try:
                return await self._connection.query(statement, variables)
            except _ERRORS as err:
                if "conflict" not in str(err) or attempt == _RETRIES - 1:
                    raise self._unavailable(err) from err
                await asyncio.sleep(0.001 * 2**attempt)
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Close the database and let others open it."""
        try:
            await self._connection.close()
        except _ERRORS as err:
            _LOGGER.warning("%s: closing failed: %s", self._where, err)
        finally:
            _unlock(self._lock)
            self._lock = None

    async def _apply(self, files: Sequence[SchemaFile]) -> None:
        await self.query("DEFINE TABLE IF NOT EXISTS schema_version SCHEMALESS")
        applied = await self.query("SELECT VALUE record::id(id) FROM schema_version")
        newest = max((each.number for each in files), default=0)
        self.schema_version = max(applied, default=0)
        if self.schema_version > newest:
            raise MemoryUnavailable(
                f"its schema is number {self.schema_version}, this hAIrem knows {newest} at most",
                where=self._where,
                hint="Run the newer hAIrem that wrote it, or restore an older backup.",
            )
        for file in files:
            if file.number not in applied:
                await self._apply_one(file)
                self.schema_version = file.number

    async def _apply_one(self, file: SchemaFile) -> None:
        _LOGGER.info("%s: applying %s", self._where, file.name)
        step = (
            f"BEGIN;\n{file.text}\n"
            "CREATE $version CONTENT { name: $name, applied_at: time::now() };\nCOMMIT;"
        )
        variables = {
            "version": surrealdb.RecordID("schema_version", file.number),
            "name": file.name,
        }
        try:
            response = await self._connection.query_raw(step, variables)
        except _ERRORS as err:
            raise self._unavailable(err, doing=f"applying {file.name}") from err
        results = response.get("result") or []
        failed = [each["result"] for each in results if each.get("status") != "OK"]
        if failed or not results:
            # Of a failed transaction, all statements but the guilty one say only that it failed.
            told = [each for each in failed if "failed transaction" not in str(each)] or failed
            detail = told[0] if told else response.get("error")
            raise MemoryUnavailable(
                f"{file.name} could not be applied: {detail}",
                where=self._where,
                hint="Nothing was changed. This is a defect of hAIrem: report it.",
            )

    def _unavailable(self, err: Exception, *, doing: str = "") -> MemoryUnavailable:
        what = _says(err)
        return MemoryUnavailable(
            f"{doing} failed: {what}" if doing else what,
            where=self._where,
            hint="Look at the disk, or at the SurrealDB server's log.",
        )


async def _connect(url: str, where: str) -> Any:
    parts = urlsplit(url)
    address = url
    if parts.username is not None and not url.startswith(EMBEDDED):
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        connection: Any = surrealdb.AsyncSurreal(address)
        await connection.connect()
        if address != url:
            credentials: dict[str, Any] = {
                "username": unquote(parts.username or ""),
                "password": unquote(parts.password or ""),
            }
            await connection.signin(credentials)
        await connection.use(NAMESPACE, DATABASE)
    except _ERRORS as err:
        embedded = url.startswith(EMBEDDED)
        raise MemoryUnavailable(
            f"cannot be opened: {_says(err)}",
            where=where,
            hint="The files may be damaged: restore them from a backup, or move them away to begin "
            "anew."
            if embedded
            else "Check that the SurrealDB server runs, and the name and password in memory.url.",
        ) from err
    return connection


def _says(err: Exception) -> str:
    return " ".join(str(err).split()) or type(err).__name__


def _shown(url: str) -> str:
    """Return the address as errors show it: without name and password."""
    if url.startswith(EMBEDDED):
        return url.removeprefix(EMBEDDED)
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _lock(folder: Path) -> int:
    """Return an open descriptor that holds the folder's lock, until it is closed.

    The lock file lies beside the folder, whose inside is the engine's own.
    """
    path = folder.with_name(f"{folder.name}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise MemoryUnavailable(
            f"cannot be written: {err.strerror or err}",
            where=str(folder),
            hint="Choose a folder that this user may write, or change its owner.",
        ) from err
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except BlockingIOError as err:
        os.close(descriptor)
        raise MemoryUnavailable(
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


def _unlock(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
