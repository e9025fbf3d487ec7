"""The last things said to or by each agent, in memory: a prompt needs them at every turn.

In the store the same question reads everything the agent ever heard (200 ms of 20,000 events).
"""

from bisect import insort
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.database import Database
from hairem_core.memory.events import EventLog
from hairem_core.memory.writer import Change, Head

_KEPT = 64
"""Rows kept for each agent. More than any prompt takes."""
_LATEST = 2_000
"""Events read by `load`."""


class RecentTurns:
    """Rows by agent, in order of time. What is not in memory is read from the store."""

    def __init__(self, database: Database, events: EventLog) -> None:
        self._database = database
        self._events = events
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._dropped: set[str] = set()
        self._has_older = False
        """Whether there is more in the store than was ever added here."""

    async def load(self, head: Head) -> None:
        """Read the last events of a store that stands at `head`. Raises MemoryUnavailable."""
        start = max(0, head.number - _LATEST)
        self._has_older = start > 0
        async for rows in self._events.pages(after=start):
            for row in rows:
                self._take_in(row)

    def observe(self, change: Change, head: Head) -> None:
        """Take in what a commit has added."""
        for row in change.events:
            self._take_in(row)

    def drop(self, msg_ids: Collection[UUID]) -> None:
        """Let go of rows, whosever they are."""
        for rows in self._rows.values():
            rows[:] = [row for row in rows if row["id"] not in msg_ids]

    async def last(
        self, agent_id: str, limit: int, *, conversation_id: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the last rows, oldest first, of one conversation or with None of all.

        Raises MemoryUnavailable.
        """
        rows = self._rows.get(agent_id, [])
        if conversation_id is not None:
            rows = [row for row in rows if row.get("conversation_id") == conversation_id]
        if len(rows) < limit and (self._has_older or agent_id in self._dropped):
            rows = await self._read(agent_id, conversation_id)
        return rows[-limit:]

    def _take_in(self, row: dict[str, Any]) -> None:
        if not row["speech"] or row.get("erased_by") is not None:
            return
        record = row["id"]
        known = {**row, "id": record.id if isinstance(record, RecordID) else record}
        for agent_id in row["agents"]:
            self._add(agent_id, known)

    def _add(self, agent_id: str, row: dict[str, Any]) -> None:
        """Keep a row of an agent's, and let go of the oldest where there are too many."""
        rows = self._rows.setdefault(agent_id, [])
        insort(rows, row, key=_order)
        if len(rows) > _KEPT:
            del rows[0]
            self._dropped.add(agent_id)

    async def _read(self, agent_id: str, conversation_id: str | None) -> list[dict[str, Any]]:
        # A function in WHERE, such as string::trim, would make the engine read the whole table.
        where = "agents CONTAINS $agent AND speech = true"
        if conversation_id is not None:
            where = f"conversation_id = $conversation AND {where}"
        rows = await self._database.query(
            f"SELECT * FROM raw_event WHERE {where}",  # noqa: S608  constants only
            {"agent": agent_id, "conversation": conversation_id},
        )
        kept = [{**row, "id": row["id"].id} for row in rows if row.get("erased_by") is None]
        return sorted(kept, key=_order)


def _order(row: dict[str, Any]) -> tuple[datetime, UUID]:
    return row["at"], row["id"]
