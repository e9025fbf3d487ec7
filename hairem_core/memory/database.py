"""One SurrealDB: opened, locked against a second process, its schema brought up to date.

Embedded (`surrealkv://<path>`) or a server (`ws://`, `wss://`); the same SDK serves both. Traps of
SDK 2.0.0 that are handled here: `query` with several statements returns only the first result and
hides the errors of the others, and the embedded engine lets two processes open one folder.
"""

import asyncio
import logging
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from hairem_core.memory.address import EMBEDDED, without_credentials
from hairem_core.memory.connecting import ERRORS, connect, drop, is_lost, says
from hairem_core.memory.errors import ConnectionLost, MemoryUnavailable, TransactionFailed
from hairem_core.memory.folder import (
    FRESH,
    OLD,
    Gate,
    beside,
    exchange,
    lock_folder,
    unlock_folder,
)
from hairem_core.memory.logguard import LogGuard
from hairem_core.memory.schema.applying import applied_steps, bring_up_to_date
from hairem_core.memory.schema.steps import Step, schema_steps
from hairem_core.memory.statement import Statement, script

_LOGGER = logging.getLogger(__name__)

RECONNECT_SECONDS = 10.0
"""How long a question waits for a server that went away."""
_PATIENCE = 30.0
"""Seconds after which a server that says nothing counts as gone: the SDK would wait for ever."""
_CLOSING_SECONDS = 10.0
"""How long a server gets to say goodbye."""
_PAUSE = 2.0
"""Seconds, at least, in which nothing is written after the embedded engine could not write."""
_RETRIES = 8
"""Attempts at a write that another one got in the way of."""
_BROKEN = re.compile(r"\b(?:Log|IO) error\b")
"""What the engine says once it could not write: it writes nothing more until it is opened anew."""
_BYSTANDER = re.compile(r"due to a (?:failed|cancelled) transaction")


class Database:
    """An open SurrealDB. Every method raises MemoryUnavailable when it does not answer.

    A server that went away is connected to again: what is asked meanwhile waits, for
    `RECONNECT_SECONDS` at most.
    """

    def __init__(
        self,
        url: str,
        connection: Any,
        *,
        where: str,
        lock: int | None,
        guard: LogGuard | None = None,
    ) -> None:
        self._url = url
        self._connection = connection
        self._where = where
        self._lock = lock
        self._guard = guard
        self._is_open = True
        """Whether the embedded engine is; it is not once it could not write."""
        self._again_at = 0.0
        """When it may be opened or written again, once it could not."""
        self.problem: str | None = None
        """Why the last write failed; None once one has worked again."""
        self._is_remote = not url.startswith(EMBEDDED)
        # The embedded engine is in this process: it cannot be away, only busy.
        self._patience = _PATIENCE if self._is_remote else None
        self._reconnecting = asyncio.Lock()
        self._dropping: set[asyncio.Task[None]] = set()
        self._gate = Gate()
        self.schema_version = 0
        self.reconnects = 0
        """How often the server was connected to again."""

    @property
    def url(self) -> str:
        """The address that it was opened at."""
        return self._url

    @classmethod
    async def open(cls, url: str, *, steps: Sequence[Step] | None = None) -> Self:
        """Return the database at `url`, its schema up to date.

        `steps` stand in for the schema that ships. Raises MemoryUnavailable: not a known address,
        folder in use or not writable, damaged, server away, written by a newer version, or
        UpgradeFailed: it could not be brought up to date.
        """
        self = await cls._connected(url)
        try:
            self.schema_version = await bring_up_to_date(
                self, schema_steps() if steps is None else steps, cls._at
            )
        except BaseException:
            await self.close()
            raise
        return self

    @classmethod
    async def look(cls, url: str) -> None:
        """Open the database at `url` as it is, and close it. Raises MemoryUnavailable."""
        self = await cls._connected(url, only_looks=True)
        try:
            await applied_steps(self)
        finally:
            await self.close()

    @classmethod
    async def _at(cls, url: str, where: str) -> Self:
        """Return an embedded store that nobody else knows of; errors show `where` for it."""
        return cls(url, await connect(url, where), where=where, lock=None)

    @classmethod
    async def _connected(cls, url: str, *, only_looks: bool = False) -> Self:
        scheme = url.partition("://")[0]
        if scheme not in ("surrealkv", "ws", "wss"):
            raise MemoryUnavailable(
                f"{without_credentials(url)!r} is not an address of a memory",
                where="memory.url",
                hint="Use surrealkv://<folder>, ws://<host>:<port> or wss://<host>:<port>.",
            )
        where = without_credentials(url)
        lock, guard = None, None
        if scheme == "surrealkv":
            folder = Path(url.removeprefix(EMBEDDED))
            lock, guard = lock_folder(folder), LogGuard(folder, keeps_all=only_looks)
        try:
            connection = await connect(url, where, guard)
            return cls(url, connection, where=where, lock=lock, guard=guard)
        except BaseException:
            unlock_folder(lock)
            raise

    @property
    def where(self) -> str:
        """The address as errors show it: without name and password."""
        return self._where

    @property
    def folder(self) -> Path | None:
        """Where the embedded engine keeps it; None for a server."""
        return None if self._is_remote else Path(self._url.removeprefix(EMBEDDED))

    @property
    def has_lost(self) -> bool:
        """Whether a part of its log was cut off when it was opened, that others may have known."""
        return self._guard is not None and self._guard.has_lost

    async def query(self, statement: str, variables: dict[str, Any] | None = None) -> Any:
        """Return the result of one reading statement."""
        if not self._is_open:
            await self._open_anew()
        async with self._gate.passing():
            return await self._query(statement, variables)

    async def count(self, table: str) -> int:
        """Return how many rows a table has."""
        rows = await self.query(f"SELECT count() AS n FROM {table} GROUP ALL")  # noqa: S608
        return int(rows[0]["n"]) if rows else 0

    async def _query(self, statement: str, variables: dict[str, Any] | None) -> Any:
        until = time.monotonic() + RECONNECT_SECONDS
        while True:
            connection = self._connection
            try:
                return await self._ask(connection.query(statement, variables or {}))
            except ERRORS as err:
                await self._reconnect(connection, err, until)

    async def transact(self, statements: Sequence[Statement]) -> None:
        """Carry out statements as one: all of them, or none.

        Raises TransactionFailed where one of them threw or failed, ConnectionLost where a server
        went away before it told how it ended, and MemoryUnavailable.
        """
        text, variables = script(statements)
        for attempt in range(_RETRIES):
            if self.problem is not None and time.monotonic() < self._again_at:
                raise self._cannot_write()
            if not self._is_open:
                await self._open_anew()
            async with self._gate.passing():
                failure = await self._attempt(text, variables)
            if failure is None:
                self.problem = None
                if self._guard is not None:
                    self._guard.note()
                return
            if not self._is_remote and _BROKEN.search(failure):
                self.problem, self._is_open, self._again_at = failure, False, 0.0
                await self._open_anew()
                raise self._cannot_write()
            if "conflict" not in failure or attempt == _RETRIES - 1:
                raise TransactionFailed(failure, where=self._where)
            await asyncio.sleep(0.001 * 2**attempt)

    async def probed(self) -> str | None:
        """Return why nothing can be written, if the last write failed and one does not work now."""
        if self.problem is not None:
            with suppress(MemoryUnavailable, TransactionFailed):
                await self.transact(
                    [Statement(text="UPDATE head:current SET rev = rev RETURN NONE")]
                )
        return self.problem

    async def _open_anew(self) -> None:
        """Open the embedded engine anew, which can neither write nor read once it could not write.

        Then it can be read; and written once there is room. Raises MemoryUnavailable.
        """
        async with self._reconnecting:
            if self._is_open:
                return  # somebody else did
            started = time.monotonic()
            if started < self._again_at:
                raise self._cannot_write()
            try:
                async with self._gate.closed():
                    with suppress(*ERRORS):
                        await self._connection.close()
                    if self._guard is not None:
                        self._guard.cut_back()
                    self._connection = await connect(self._url, self._where, self._guard)
                    self._is_open = True
            finally:
                now = time.monotonic()
                self._again_at = now + max(_PAUSE, 10 * (now - started))
        _LOGGER.warning("%s: opened anew, after: %s", self._where, self.problem)

    async def _attempt(self, script: str, variables: dict[str, Any]) -> str | None:
        """Return what went wrong in a transaction, in the engine's words."""
        connection = self._connection
        try:
            response = await self._ask(connection.query_raw(script, variables))
        except ERRORS as err:
            if not self._is_remote or not is_lost(err):
                raise self._unavailable(err) from err
            await self._reconnect(connection, err, time.monotonic() + RECONNECT_SECONDS)
            raise ConnectionLost(says(err), where=self._where) from err
        if response.get("error"):
            return says(response["error"])
        failed = [str(each["result"]) for each in response["result"] if each.get("status") != "OK"]
        # All statements but the guilty one say only that another one failed.
        told = [each for each in failed if not _BYSTANDER.search(each)] or failed
        return told[0] if told else None

    async def _ask[T](self, call: Coroutine[Any, Any, T]) -> T:
        """Return the answer to a call of the SDK. Raises what it raises, and TimeoutError.

        It is not cancelled together with its caller: an answer that comes right then makes the SDK
        stop listening to all others.
        """
        asked = asyncio.ensure_future(call)
        asked.add_done_callback(_retrieved)
        await asyncio.wait([asked], timeout=self._patience)
        if not asked.done():
            asked.cancel()
            raise TimeoutError(f"no answer within {self._patience:g} s")
        return asked.result()

    async def replace(self, make: Callable[[Path], Awaitable[None]]) -> None:
        """Put another store in the place of this embedded one: the one that `make` fills.

        `make` is given a folder that does not exist yet, beside this store's, and may ask this
        database. Killed at any moment, one of the two is there in whole. What is written after
        `make` has read it would be lost, so nothing may be written meanwhile; who reads waits for a
        moment. Raises ValueError on a server, MemoryUnavailable, and what `make` raises.
        """
        folder = self.folder
        if folder is None:
            raise ValueError("a server's store is not ours to replace")
        fresh, old = beside(folder, FRESH), beside(folder, OLD)
        for leftover in (fresh, old):
            await asyncio.to_thread(shutil.rmtree, leftover, ignore_errors=True)
        await make(fresh)
        async with self._gate.closed():
            await self._connection.close()
            if self._guard is not None:
                self._guard.forget()
            try:
                await asyncio.to_thread(exchange, folder, fresh, old)
            except OSError:
                self._connection = await connect(self._url, self._where)
                raise
            try:
                self._connection = await connect(self._url, self._where)
            except MemoryUnavailable:
                await asyncio.to_thread(exchange, folder, old, fresh)
                self._connection = await connect(self._url, self._where)
                raise
        await asyncio.to_thread(shutil.rmtree, old, ignore_errors=True)

    async def close(self) -> None:
        """Close the database and let others open it."""
        for each in self._dropping:
            each.cancel()
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._connection.close()
            if self._guard is not None and self.problem is None:
                self._guard.note(is_last=True)
        except ERRORS as err:
            _LOGGER.warning("%s: closing failed: %s", self._where, says(err))
        finally:
            unlock_folder(self._lock)
            self._lock = None

    async def _reconnect(self, connection: Any, err: Exception, until: float) -> None:
        """Connect again if `err` says that `connection` is lost; else raise it."""
        if not self._is_remote or not is_lost(err):
            raise self._unavailable(err) from err
        async with self._reconnecting:
            if self._connection is not connection:
                return  # somebody else did
            _LOGGER.warning("%s: %s; connecting again", self._where, says(err))
            pause = 0.05
            while True:
                try:
                    async with asyncio.timeout(max(0.1, until - time.monotonic())):
                        self._connection = await connect(self._url, self._where)
                except (MemoryUnavailable, TimeoutError) as again:
                    if time.monotonic() + pause > until:
                        raise self._unavailable(err) from again
                    await asyncio.sleep(pause)
                    pause = min(1.0, pause * 2)
                else:
                    self.reconnects += 1
                    dropping = asyncio.create_task(drop(connection), name="memory connection")
                    self._dropping.add(dropping)
                    dropping.add_done_callback(self._dropping.discard)
                    return

    def _cannot_write(self) -> MemoryUnavailable:
        hint = "Make room on the disk, or look at its health: it is tried again by itself."
        return MemoryUnavailable(self.problem or "cannot write", where=self._where, hint=hint)

    def _unavailable(self, err: Exception) -> MemoryUnavailable:
        return MemoryUnavailable(
            says(err),
            where=self._where,
            hint="Look at the disk, or at the SurrealDB server's log.",
        )


def _retrieved(asked: asyncio.Future[Any]) -> None:
    if not asked.cancelled():
        asked.exception()
