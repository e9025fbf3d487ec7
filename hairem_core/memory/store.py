"""What happened, kept in SurrealDB, and given back: the last turns, and what a question recalls."""

import asyncio
import json
from collections.abc import AsyncGenerator, Collection
from typing import Any, Self
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.database import Database
from hairem_core.memory.errors import StateFull
from hairem_core.memory.index import Entry, RecallIndex
from hairem_core.memory.recent import RecentTurns
from hairem_core.memory.rows import FIELDS, recollection, storable, to_row
from hairem_core.sdk.message import Message, MessageType
from hairem_core.sdk.recollection import Recollection

_PAGE = 500
"""Rows read at once while opening: decoding more would hold up the event loop noticeably."""


class MemoryStore:
    """The memory of every agent. Open it with `open`, close it with `close`.

    One process at a time: what is derived from the store (recall index, last turns) follows only
    what this process records.
    """

    def __init__(self, database: Database, url: str) -> None:
        self._database = database
        self._engine = url.partition("://")[0]
        self._index = RecallIndex()
        self._recent = RecentTurns()
        self._events = 0
        self._recollections = 0
        # SurrealDB lets concurrent writes conflict rather than wait: here they queue.
        self._writing = asyncio.Lock()
        self._under_way: set[asyncio.Task[bool]] = set()
        self._state_keys: dict[str, set[str]] = {}
        """By agent, of those that set a value since the store was opened."""

    @classmethod
    async def open(cls, url: str) -> Self:
        """Return the store at `surrealkv://<path>`, `ws://…` or `wss://…`, ready to recall.

        Raises MemoryUnavailable: folder in use, not writable or damaged, or server away.
        """
        self = cls(await Database.open(url), url)
        try:
            await self._load()
        except BaseException:
            await self.close()
            raise
        return self

    async def record(self, message: Message) -> bool:
        """Keep a message for ever; return False if it was there already, by its `msg_id`.

        When this returns, the event survives the death of the process. Raises ValueError for a
        STREAM message, which is a piece of something and no event, and MemoryUnavailable.
        """
        if message.header.type is MessageType.STREAM:
            raise ValueError("a STREAM message is a piece of an output, not an event")
        # Shielded: cancelled between the write and what is derived from it, the event would be
        # stored and yet not be recalled.
        task = asyncio.create_task(self._insert(message))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def recent(
        self, agent_id: str, *, conversation_id: str | None, limit: int
    ) -> list[Recollection]:
        """Return the last `limit` things said to or by an agent, oldest first.

        Of one conversation, or with None of all of them. Raises MemoryUnavailable.
        """
        if limit <= 0:
            return []
        conversation_id = storable(conversation_id)
        kept = self._recent.last(agent_id, limit, conversation_id=conversation_id)
        if kept is not None:
            return [recollection(row, agent_id) for row in kept]
        # A function in WHERE, such as string::trim, would make the engine read the whole table.
        where = "agents CONTAINS $agent AND speech = true"
        if conversation_id is not None:
            where = f"conversation_id = $conversation AND {where}"
        rows = await self._database.query(
            f"SELECT {FIELDS} FROM raw_event WHERE {where} "  # noqa: S608  constants only
            "ORDER BY at DESC, id DESC LIMIT $limit",
            {"agent": agent_id, "conversation": conversation_id, "limit": limit},
        )
        return [recollection(row, agent_id) for row in reversed(rows)]

    async def recall(
        self,
        agent_id: str,
        query: str,
        *,
        limit: int,
        exclude: Collection[UUID] = (),
        shared: bool = False,
    ) -> list[Recollection]:
        """Return what an agent heard or said that shares words with `query`, best first.

        Only its own events, or with `shared` those of every agent, as `agent_id` sees them: what
        another agent said is not its own word. `score` is BM25's. What was said in the same words
        counts once, the latest time. Raises MemoryUnavailable.
        """
        hits = await self._index.search(
            None if shared else agent_id, query, limit=limit, exclude=exclude
        )
        if not hits:
            return []
        rows = await self._database.query(
            f"SELECT {FIELDS} FROM $ids",  # noqa: S608  a constant
            {"ids": [RecordID("raw_event", event_id) for event_id, _ in hits]},
        )
        # The index says what was found; whose it is, the store says once more.
        by_id = {row["id"].id: row for row in rows if shared or agent_id in row["agents"]}
        return [
            recollection(by_id[event_id], agent_id, score=score)
            for event_id, score in hits
            if event_id in by_id
        ]

    async def get_state(self, agent_id: str, key: str) -> Any:
        """Return what an agent keeps under a key, or None. Raises MemoryUnavailable."""
        rows = await self._database.query(
            "SELECT VALUE value FROM $id", {"id": RecordID("agent_state", [agent_id, key])}
        )
        return json.loads(rows[0]) if rows else None

    async def set_state(
        self, agent_id: str, key: str, value: Any, *, max_keys: int | None = None
    ) -> None:
        """Keep a JSON value under a key of an agent's; None deletes it.

        Raises ValueError or TypeError for a value that is not JSON, StateFull when the agent has
        `max_keys` others already, and MemoryUnavailable.
        """
        record = RecordID("agent_state", [agent_id, key])
        async with self._writing:
            keys = await self._keys_of(agent_id)
            if value is None:
                await self._database.write("DELETE $id RETURN NONE", {"id": record})
                keys.discard(key)
                return
            if max_keys is not None and key not in keys and len(keys) >= max_keys:
                raise StateFull(
                    f"{agent_id} keeps {len(keys):,} values already, as many as it may",
                    hint="Keep several in one value, or remove some by setting them to None.",
                )
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
            await self._database.write(
                "UPSERT $id CONTENT { value: $value } RETURN NONE", {"id": record, "value": text}
            )
            keys.add(key)

    async def statistics(self) -> dict[str, Any]:
        """Return how many events there are, which engine keeps them, and how recall works."""
        return {
            "events": self._events,
            "recollections": self._recollections,
            "engine": self._engine,
            "schema": self._database.schema_version,
            "recall": "lexical",
        }

    async def close(self) -> None:
        """Close the store. What was recorded is on disk already."""
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self._index.close()
        await self._database.close()

    async def _keys_of(self, agent_id: str) -> set[str]:
        """Return the keys under which an agent keeps values; only this process changes them."""
        if agent_id not in self._state_keys:
            # A range over ids is a seek: between NONE and an array lies every text.
            keys = await self._database.query(
                "SELECT VALUE record::id(id)[1] FROM agent_state:[$agent, NONE]..[$agent, []]",
                {"agent": agent_id},
            )
            self._state_keys[agent_id] = set(keys)
        return self._state_keys[agent_id]

    async def _insert(self, message: Message) -> bool:
        row = to_row(message)
        async with self._writing:
            new = await self._database.write("INSERT IGNORE INTO raw_event $row", {"row": row})
        if not new:
            return False
        self._events += 1
        if row["speech"]:
            self._derive({**row, "id": RecordID("raw_event", row["id"])})
        return True

    async def _load(self) -> None:
        """Derive the recall index and the last turns from what is in the store."""
        counted = await self._database.query("SELECT count() FROM raw_event GROUP ALL")
        self._events = counted[0]["count"] if counted else 0
        async for rows in self._pages():
            for row in rows:
                if row["speech"]:
                    self._derive(row, later=True)
            await self._index.catch_up()

    async def _pages(self) -> AsyncGenerator[list[dict[str, Any]]]:
        """Yield all events in the order of their ids."""
        after: UUID | None = None
        while True:
            # A range over ids is a seek; WHERE id > … would scan, and START counts from the top.
            scope = f":u'{after}'>.." if after else ""
            rows = await self._database.query(
                f"SELECT {FIELDS} FROM raw_event{scope} LIMIT {_PAGE}"  # noqa: S608
            )
            if not rows:
                return
            yield rows
            after = rows[-1]["id"].id

    def _derive(self, row: dict[str, Any], *, later: bool = False) -> None:
        self._recollections += 1
        entry = Entry(row["id"].id, tuple(row["agents"]), row["sender"], row["content"])
        if later:
            self._index.extend([entry])
        else:
            self._index.add(entry)
        for agent_id in row["agents"]:
            self._recent.add(agent_id, row)
