"""What is being forgotten, written down until it is done."""

import json
from datetime import datetime
from itertools import batched
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from surrealdb import RecordID

from hairem_core.memory.database import Database
from hairem_core.memory.forget.decision import Decision
from hairem_core.memory.forget.names import Names
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.statement import Statement
from hairem_core.memory.writer import Change, Head, Writer

_AT_ONCE = 20
"""Lists of ids that are written in one commit."""


class Entry(BaseModel):
    """One forgetting that is under way."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    by: str
    kinds: list[str]
    vacuum: bool
    started_at: datetime
    selector: Selector | None
    """None once only files are left to be written anew: they must not hold it."""
    names: Names | None = None
    """What its names stand for; as long as the selector."""
    stage: Literal["erasing", "elsewhere", "files"] = "erasing"
    """`elsewhere`: all is erased from the store; what was said since is none of it any more."""
    number: int
    """Of the last event that was looked at."""
    rev: int
    """Of the last commit that was looked at."""
    digests: int = 0
    """Digests of dreams from which something was taken."""
    messages: int = 0
    """Erased from the bus."""
    counts: dict[str, int] = Field(default_factory=dict)
    events: list[tuple[int, int]] = Field(default_factory=list)
    erased_by: list[int] = Field(default_factory=list)
    fragments: list[UUID] = Field(default_factory=list)
    kept_events: int = 0
    """These five, of the receipt, once everything is erased."""


class Ledger:
    """Rows of `forgetting`: each forgetting's head, and the lists of ids."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    async def begin(self, entry: Entry, decision: Decision) -> None:
        """Write down what was decided. Raises MemoryUnavailable."""
        await self.extend(entry, decision)
        # Last: without it the lists mean nothing.
        await self.update(entry)

    async def extend(self, entry: Entry, decision: Decision) -> None:
        """Write down what was decided in addition."""
        start = len(await self._rows(entry.id)) + 1
        puts = [
            _put(entry.id, index, *part) for index, part in enumerate(decision.parts(), start=start)
        ]
        for some in batched(puts, _AT_ONCE, strict=False):
            await self._commit(list(some))

    async def update(self, entry: Entry) -> None:
        """Write down how far it is."""
        await self._commit([_put(entry.id, 0, "entry", entry.model_dump_json())])

    async def erased_here(self, entry: Entry) -> None:
        """Write down that nothing is left in the store."""
        entry.stage = "elsewhere"
        await self.update(entry)

    async def only_files_left(self, entry: Entry) -> None:
        """Write down that all is erased, and let go of what was."""
        entry.stage, entry.selector, entry.names = "files", None, None
        rows = await self._rows(entry.id)
        ids = [row["id"] for row in rows if row["part"] != "entry"]
        gone = Statement(text="DELETE $ids RETURN NONE", variables={"ids": ids})
        put = _put(entry.id, 0, "entry", entry.model_dump_json())
        await self._commit([gone, put] if ids else [put])

    async def end(self, entry: Entry) -> None:
        """Let go of it."""
        await self._drop(entry.id)

    async def unfinished(self) -> list[tuple[Entry, Decision]]:
        """Return what was not brought to its end, the oldest first."""
        rows = await self._database.query("SELECT * FROM forgetting")
        by_id: dict[UUID, list[tuple[str, str]]] = {}
        for row in rows:
            by_id.setdefault(row["id"].id[0], []).append((row["part"], row["value"]))
        found = []
        for forgetting, parts in by_id.items():
            if "entry" not in dict(parts):
                # It died before all was written down: nothing was erased.
                await self._drop(forgetting)
                continue
            entry = Entry.model_validate_json(dict(parts)["entry"])
            lists = [(part, value) for part, value in parts if part != "entry"]
            found.append((entry, Decision.of_parts(lists)))
        return sorted(found, key=lambda each: each[0].id)

    async def _drop(self, forgetting: UUID) -> None:
        ids = [row["id"] for row in await self._rows(forgetting)]
        await self._commit([Statement(text="DELETE $ids RETURN NONE", variables={"ids": ids})])

    async def _rows(self, forgetting: UUID) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = await self._database.query(
            "SELECT * FROM forgetting:[$id, NONE]..[$id, []]", {"id": forgetting}
        )
        return rows

    async def _commit(self, statements: list[Statement]) -> None:
        async def build(head: Head) -> Change:
            return Change(statements=statements)

        await self._writer.commit(build)


def _put(forgetting: UUID, index: int, part: str, value: str) -> Statement:
    json.loads(value)  # a defect must not be found at the next start
    return Statement(
        text="UPSERT $id CONTENT { part: $part, value: $value } RETURN NONE",
        variables={
            "id": RecordID("forgetting", [forgetting, index]),
            "part": part,
            "value": value,
        },
    )
