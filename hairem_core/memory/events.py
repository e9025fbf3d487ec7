"""The log of what happened: append-only, hash-chained, and what it gives rise to at once."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from surrealdb import RecordID

from hairem_core.errors import HairemError
from hairem_core.memory.chain import GENESIS, Break, ChainCheck, seal
from hairem_core.memory.database import Database
from hairem_core.memory.errors import CarriedOutLate, TransactionFailed
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.rows import to_row
from hairem_core.memory.writer import Change, Head, Writer
from hairem_core.sdk.message import Message, MessageType

PAGE = 500
"""Events read at once. Of a range over a unique index that begins with `>`, the embedded engine
loses the 501st row: not with `>=`.
"""

type Episodes = Callable[[dict[str, Any]], list[Fragment]]
"""What agents hold of an event at once, given its row."""

type _Waiting = tuple[dict[str, Any], list[asyncio.Future[bool]]]
"""An event's row, and those who wait for it to be kept."""


class EventLog:
    """Records messages, each once, and makes episodes of them in the same commit."""

    def __init__(self, database: Database, writer: Writer, episodes: Episodes) -> None:
        self._database = database
        self._writer = writer
        self._episodes = episodes
        self._pending: dict[UUID, _Waiting] = {}

    async def record(self, message: Message) -> bool:
        """Keep a message for ever; return False if it was there already, by its `msg_id`.

        When this returns, the event survives the death of the process. What is recorded while a
        commit is under way shares the next one. Raises ValueError for a STREAM message, which is a
        piece of something and no event, and MemoryUnavailable.
        """
        if message.header.type is MessageType.STREAM:
            raise ValueError("a STREAM message is a piece of an output, not an event")
        row = to_row(message)
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        _, waiting = self._pending.setdefault(row["id"], (row, []))
        waiting.append(told)
        if len(self._pending) == 1 and len(waiting) == 1:
            task = asyncio.ensure_future(self._flush())
            task.add_done_callback(_retrieved)
        return await asyncio.shield(told)

    async def _flush(self) -> None:
        taken: dict[UUID, _Waiting] = {}
        new: set[UUID] = set()

        async def build(head: Head) -> Change | None:
            taken.update(self._pending)
            self._pending.clear()
            rows = {msg_id: row for msg_id, (row, _) in taken.items()}
            for known in await self.known(list(rows)):
                del rows[known]
            new.clear()
            new.update(rows)
            return self.appended(head, list(rows.values()))

        try:
            try:
                await self._writer.commit(build)
            except CarriedOutLate:
                await self._writer.commit(build)
            except TransactionFailed:
                if len(taken) < 2:
                    raise
                # The engine refuses one of them: the others are not to be lost with it.
                for each in taken.values():
                    await self._keep_alone(each)
                return
        except Exception as err:  # told to each who waits
            if not taken:  # it failed before they were
                taken.update(self._pending)
                self._pending.clear()
            for each in taken.values():
                _fail(each, err)
            raise
        for msg_id, each in taken.items():
            _answer(each, is_new=msg_id in new)

    async def _keep_alone(self, waiting: _Waiting) -> None:
        row, is_new = waiting[0], False

        async def build(head: Head) -> Change | None:
            nonlocal is_new
            is_new = not await self.known([row["id"]])
            return self.appended(head, [row] if is_new else [])

        try:
            await self._writer.commit(build)
        except HairemError as err:
            _fail(waiting, err)
        else:
            _answer(waiting, is_new=is_new)

    async def known(self, msg_ids: Sequence[UUID]) -> list[UUID]:
        """Return those that are recorded already. Raises MemoryUnavailable."""
        found = await self._database.query(
            "SELECT VALUE id FROM $ids",
            {"ids": [RecordID("raw_event", each) for each in msg_ids]},
        )
        # Engine 3 answers None for what is not there.
        return [each.id for each in found if each is not None]

    def appended(self, head: Head, rows: Sequence[dict[str, Any]]) -> Change | None:
        """Return the change that appends rows that are new, with their episodes."""
        if not rows:
            return None
        number, previous = head.number, head.hash or GENESIS
        change = Change()
        for row in rows:
            number += 1
            sealed = seal(row, number, previous)
            previous = sealed["hash"]
            change.events.append({**sealed, "id": RecordID("raw_event", row["id"])})
            change.added += self._episodes(sealed)
        change.episodes = number
        return change

    async def pages(self, *, after: int = 0) -> AsyncGenerator[list[dict[str, Any]]]:
        """Yield all events behind a number, in order, in pages; `id` is the `msg_id`."""
        while True:
            rows = await self._database.query(
                "SELECT * FROM raw_event WHERE number >= $first AND number <= $last",
                {"first": after + 1, "last": after + PAGE},
            )
            if rows:
                rows.sort(key=lambda row: row["number"])
                yield [{**row, "id": row["id"].id} for row in rows]
                after = rows[-1]["number"]
                continue
            # The end, unless somebody made a gap.
            behind = await self._database.query(
                "SELECT VALUE number FROM raw_event WHERE number >= $first", {"first": after + 1}
            )
            if not behind:
                return
            after = min(behind) - 1

    async def verify(
        self, progress: Callable[[int, int], None] | None = None
    ) -> ChainCheck | Break:
        """Return the first place where the chain does not hold, else what was checked.

        `progress` is told how many of how many events were checked. Raises MemoryUnavailable.
        """
        check = ChainCheck()
        async for rows in self.pages():
            if found := check.feed(rows):
                return self._told(found)
            if progress is not None:
                progress(check.checked, self._writer.head.number)

        async def finish() -> ChainCheck | Break:
            async for rows in self.pages(after=check.checked):
                if found := check.feed(rows):
                    return self._told(found)
            head = self._writer.head
            found = check.finish(number=head.number, last_hash=head.hash)
            return found or await self._outside(head.number) or check

        # What is recorded meanwhile is checked too; only the rest of it makes writers wait.
        return await self._writer.exclusively(finish)

    def _told(self, found: Break) -> Break:
        if found.number <= self._writer.head.number:
            return found
        return replace(found, what="was put in behind the last one")

    async def _outside(self, count: int) -> Break | None:
        """Return an event that has no place in a chain of so many."""
        if await self._database.count("raw_event") in (0, count):
            return None
        # Not by the index, which does not have what has no number.
        rows = await self._database.query("SELECT id, number FROM raw_event WITH NOINDEX")
        for row in rows:
            number = row.get("number")
            if not isinstance(number, int) or not 0 < number <= count:
                where = number if isinstance(number, int) else 0
                return Break(
                    number=where, msg_id=row["id"].id, what="was put in, outside the chain"
                )
        return None


def _answer(waiting: _Waiting, *, is_new: bool) -> None:
    for index, told in enumerate(waiting[1]):
        if not told.done():
            told.set_result(index == 0 and is_new)


def _fail(waiting: _Waiting, err: Exception) -> None:
    for told in waiting[1]:
        if not told.done():
            told.set_exception(err)


def _retrieved(task: asyncio.Future[None]) -> None:
    if not task.cancelled():
        task.exception()
