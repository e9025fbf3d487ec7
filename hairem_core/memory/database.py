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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import surrealdb

from hairem_core import __version__
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
from hairem_core.memory.schema.definitions import Definitions, define
from hairem_core.memory.schema.steps import Step, schema_steps
from hairem_core.memory.upgrade import make_changed_copy, newer, step_failed

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


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of a transaction, with variables of its own."""

    text: str
    variables: dict[str, Any] = field(default_factory=dict)


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
            lock, guard = lock_folder(folder), LogGuard(folder)
        try:
            connection = await connect(url, where, guard)
            self = cls(url, connection, where=where, lock=lock, guard=guard)
        except BaseException:
            unlock_folder(lock)
            raise
        try:
            await self._bring_up_to_date(schema_steps() if steps is None else steps)
        except BaseException:
            await self.close()
            raise
        return self

    @property
    def where(self) -> str:
        """The address as errors show it: without name and password."""
        return self._where

    @property
    def folder(self) -> Path | None:
        """Where the embedded engine keeps it; None for a server."""
        return None if self._is_remote else Path(self._url.removeprefix(EMBEDDED))

    async def query(self, statement: str, variables: dict[str, Any] | None = None) -> Any:
        """Return the result of one reading statement."""
        if not self._is_open:
            await self._open_anew()
        async with self._gate.passing():
            return await self._query(statement, variables)

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
        script, variables = _script(statements)
        for attempt in range(_RETRIES):
            if self.problem is not None and time.monotonic() < self._again_at:
                raise self._cannot_write()
            if not self._is_open:
                await self._open_anew()
            async with self._gate.passing():
                failure = await self._attempt(script, variables)
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

    async def _bring_up_to_date(self, steps: Sequence[Step]) -> None:
        applied = await self._applied()
        newest = max((each.number for each in steps), default=0)
        self.schema_version = max(applied, default=0)
        if self.schema_version > newest:
            by = applied[self.schema_version]
            raise newer(self._where, version=self.schema_version, by=by, newest=newest)
        pending = [step for step in steps if step.number not in applied]
        folder = self.folder
        if folder is None or not applied or not pending:
            await self._apply(pending)
            if not pending:
                await self._complete(steps)
            return

        async def change(copy: Path) -> None:
            url = f"{EMBEDDED}{copy}"
            database = Database(url, await connect(url, self._where), where=self._where, lock=None)
            try:
                await database._apply(pending)
            finally:
                await database.close()

        # As it is here until all of it has worked there.
        await self.replace(lambda fresh: make_changed_copy(folder, fresh, change))
        self.schema_version = newest

    async def _applied(self) -> dict[int, str | None]:
        """Return the numbers of the steps that were applied, and by which hAIrem."""
        tables = (await self.query("INFO FOR DB"))["tables"]
        rows = []
        if "schema_version" in tables:
            rows = await self.query("SELECT * FROM schema_version")
        # Each step and its row are one commit: tables without rows are what damage has left.
        if not rows and set(tables) - {"schema_version"}:
            raise MemoryUnavailable(
                "too much of it is missing for it to be read",
                where=self._where,
                hint="Restore a backup, or move it away to begin anew.",
            )
        return {int(row["id"].id): row.get("by") for row in rows}

    async def _apply(self, steps: Sequence[Step]) -> None:
        await self.query("DEFINE TABLE IF NOT EXISTS schema_version SCHEMALESS")
        for step in steps:
            await self._apply_one(step)
            self.schema_version = step.number

    async def _complete(self, steps: Sequence[Step]) -> None:
        """Define what a damaged log has lost. What makes events append-only is written last."""
        if not steps or (await self.query("INFO FOR TABLE raw_event"))["events"]:
            return
        _LOGGER.warning("%s: some of its definitions are missing, and made again", self._where)
        url = "mem://"
        model = type(self)(url, await connect(url, url), where=url, lock=None)
        try:
            await model._apply(steps)
            missing = (await Definitions.of(model)).missing_in(await Definitions.of(self))
        finally:
            await model.close()
        await define(self, missing)

    async def _apply_one(self, step: Step) -> None:
        _LOGGER.info("%s: applying %s", self._where, step.name)
        version = Statement(
            text="CREATE $version CONTENT { name: $name, applied_at: time::now(), by: $by }",
            variables={
                "version": surrealdb.RecordID("schema_version", step.number),
                "name": step.name,
                "by": __version__,
            },
        )
        try:
            if step.prepare is not None:
                await step.prepare(self)
            await self.transact([Statement(text=step.text.strip().rstrip(";")), version])
        except Exception as err:  # whatever is wrong with a step, it must be told which
            raise step_failed(step.name, err, self._where, is_copy=not self._is_remote) from err

    def _cannot_write(self) -> MemoryUnavailable:
        hint = "Make room on the disk, or look at its health: it is tried again by itself."
        return MemoryUnavailable(self.problem or "cannot write", where=self._where, hint=hint)

    def _unavailable(self, err: Exception) -> MemoryUnavailable:
        return MemoryUnavailable(
            says(err),
            where=self._where,
            hint="Look at the disk, or at the SurrealDB server's log.",
        )


def _script(statements: Sequence[Statement]) -> tuple[str, dict[str, Any]]:
    """Return a transaction of statements, whose variables may have the same names."""
    texts = ["BEGIN"]
    variables: dict[str, Any] = {}
    for number, each in enumerate(statements):
        text = each.text
        for name, value in each.variables.items():
            text = re.sub(rf"\${name}\b", f"${name}_{number}", text)
            variables[f"{name}_{number}"] = value
        texts.append(text)
    return ";\n".join([*texts, "COMMIT;"]), variables


def _retrieved(asked: asyncio.Future[Any]) -> None:
    if not asked.cancelled():
        asked.exception()
