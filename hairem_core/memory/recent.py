"""The last things said to or by each agent, in memory: a prompt needs them at every turn.

In the store the same question reads everything the agent ever heard (200 ms of 20,000 events).
"""

from bisect import insort
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

KEPT = 64
"""Rows kept for each agent. More than any prompt takes."""


class RecentTurns:
    """Rows by agent, in order of time."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._dropped: set[str] = set()
        self.has_older = False
        """Whether there is more in the store than was ever added here."""

    def add(self, agent_id: str, row: dict[str, Any]) -> None:
        """Keep a row of an agent's, and let go of the oldest where there are too many."""
        rows = self._rows.setdefault(agent_id, [])
        insort(rows, row, key=_order)
        if len(rows) > self._kept:
            del rows[0]
            self._dropped.add(agent_id)

    def drop(self, msg_ids: Collection[UUID]) -> None:
        """Let go of rows, whosever they are."""
        for rows in self._rows.values():
            rows[:] = [row for row in rows if row["id"] not in msg_ids]

    def last(
        self, agent_id: str, limit: int, *, conversation_id: str | None = None
    ) -> list[dict[str, Any]] | None:
        """Return the last rows, oldest first, of one conversation or with None of all.

        None when there may be more of them than are kept here.
        """
        rows = self._rows.get(agent_id, [])
        if conversation_id is not None:
            rows = [row for row in rows if row.get("conversation_id") == conversation_id]
        if len(rows) < limit and (self.has_older or agent_id in self._dropped):
            return None
        return rows[-limit:]


def _order(row: dict[str, Any]) -> tuple[datetime, UUID]:
    return row["at"], row["id"]
