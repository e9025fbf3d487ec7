"""Writing an embedded store anew: what was erased or deleted is then in none of its files.

The engine appends to its log and never cleans it up, so every row is copied into a fresh folder
that takes the place of the old one. Who writes is held up only at the end, for what was written
while the copy was made.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Any

from surrealdb import RecordID

from hairem_core.memory.address import EMBEDDED
from hairem_core.memory.database import Database
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.folder import COPY, beside, size_of
from hairem_core.memory.logguard import LogGuard
from hairem_core.memory.paging import PAGE
from hairem_core.memory.schema.definitions import Definitions, define
from hairem_core.memory.statement import Statement
from hairem_core.memory.writer import Change, Head, Writer

_ROUNDS = 20
"""Times that what was written meanwhile is copied before writers are held up for the rest."""
_FEW = 200
_NUMBERED = ("raw_event", "fragment", "embedding", "gone")
"""Tables that are read by ranges of numbers; the others are small."""
_LAST_TO_LOSE = ("tombstone", "forgetting", "head", "schema_version", "raw_event")
"""Tables that come before the others: of a log that is damaged later, what comes before the damage
can be gone on with, the chain tells what is missing, and what was forgotten does not come back."""


@dataclass(frozen=True, kw_only=True)
class VacuumReport:
    """What writing a store anew did."""

    rows: int
    bytes_before: int
    bytes_after: int


async def vacuum(database: Database, writer: Writer) -> VacuumReport | None:
    """Write an embedded store anew; return None for a server, whose files are its own business.

    Numbers, revisions, hashes and the head are the same afterwards. It takes room for a second
    copy, and about 20 seconds for each 100,000 events. Killed at any moment, the old or the new
    store is there in whole. Raises MemoryUnavailable.
    """
    if database.folder is None:
        return None
    return await asyncio.shield(asyncio.ensure_future(_Vacuum(database, writer).run()))


class _Vacuum:
    def __init__(self, database: Database, writer: Writer) -> None:
        assert database.folder is not None
        self._source = database
        self._writer = writer
        self._folder = beside(database.folder, COPY)
        self._lock_file = self._folder.with_name(f"{self._folder.name}.lock")
        self._dirty: dict[str, RecordID] = {}
        """Records that were written since the copy was begun."""
        self._dirty_tables: set[str] = set()
        """Tables of which nobody can tell which records were."""
        self._definitions: Definitions
        self._tables: list[str] = []
        self._rows = 0
        self._missed: Exception | None = None
        """Why something that was written meanwhile is not in the copy."""
        self._copy: Database
        self._is_open = False

    async def run(self) -> VacuumReport:
        before = await asyncio.to_thread(size_of, self._source.folder)
        await self._clear()
        self._copy = await Database.open(f"{EMBEDDED}{self._folder}", steps=())
        self._is_open = True
        self._writer.observe(self._note)
        try:
            await self._copy_live()
            await self._writer.exclusively(self._finish)
        finally:
            self._writer.unobserve(self._note)
            await self._close_copy()
            await self._clear()
        after = await asyncio.to_thread(size_of, self._source.folder)
        return VacuumReport(rows=self._rows, bytes_before=before, bytes_after=after)

    async def _copy_live(self) -> None:
        await self._define_tables()
        for table in self._tables:
            async for rows in self._pages(table):
                await self._insert(table, rows)
        # Later than the rows: each would be looked up in every index as it comes.
        for table in self._tables:
            await define(self._copy, self._definitions.indexes(table))
            if table not in _NUMBERED:
                await define(self._copy, self._definitions.events(table))
        for _ in range(_ROUNDS):
            if len(self._dirty) <= _FEW and not self._dirty_tables:
                return
            await self._catch_up()

    async def _finish(self) -> None:
        await self._catch_up()
        head = await self._source.query("SELECT * FROM ONLY head:current")
        gone = Statement(text="DELETE $id RETURN NONE", variables={"id": head["id"]})
        await self._copy.transact([gone, _insertion("head", [head])])
        for table in _NUMBERED:
            await define(self._copy, self._definitions.events(table))
        told = [await self._told(each) for each in (self._source, self._copy)]
        if told[0] != told[1] or self._missed is not None:
            raise MemoryUnavailable(
                "its copy is not the same",
                where=str(self._source.folder),
                hint="Nothing was changed. This is a defect of hAIrem: report it.",
            ) from self._missed
        await self._close_copy()

        async def make(fresh: Path) -> None:
            await asyncio.to_thread(self._folder.rename, fresh)

        await self._source.replace(make)

    async def _told(self, database: Database) -> list[Any]:
        """Return where a store stands, and how many rows each table has."""
        head = await database.query("SELECT * FROM ONLY head:current")
        return [head, *[(table, await database.count(table)) for table in self._tables]]

    async def _define_tables(self) -> None:
        self._definitions = await Definitions.of(self._source)
        await define(self._copy, self._definitions.shared)
        for table, statement in self._definitions.tables.items():
            await define(self._copy, {table: statement})
            await define(self._copy, self._definitions.fields(table))
        others = self._definitions.tables.keys() - {*_LAST_TO_LOSE}
        self._tables = [*_LAST_TO_LOSE, *sorted(others)]

    async def _pages(self, table: str) -> AsyncGenerator[list[dict[str, Any]]]:
        match table:
            case "raw_event":
                key, last = "number", self._writer.head.number
                # First, as what else tells what was forgotten.
                async for rows in self._by_ids("raw_event WHERE erased_by != NONE"):
                    yield rows
            case "fragment":
                key, last = "seq", self._writer.head.seq
            case "embedding":
                return  # read with its fragments
            case "gone":
                last = self._writer.head.seq
                for start in range(1, last + 1, PAGE):
                    end = start + PAGE - 1
                    yield await self._source.query(f"SELECT * FROM gone:{start}..={end}")  # noqa: S608
                return
            case _:
                async for rows in self._by_ids(table):
                    yield rows
                return
        # What is newer than `last` is noted as written meanwhile.
        for start in range(0, last, PAGE):
            rows = await self._source.query(
                f"SELECT * FROM {table} WHERE {key} > $after AND {key} <= $until",  # noqa: S608
                {"after": start, "until": start + PAGE},
            )
            yield [row for row in rows if row.get("erased_by") is None]

    async def _by_ids(self, which: str) -> AsyncGenerator[list[dict[str, Any]]]:
        ids = await self._source.query(f"SELECT VALUE id FROM {which}")  # noqa: S608
        for some in batched(ids, PAGE, strict=False):
            yield await self._source.query("SELECT * FROM $ids", {"ids": list(some)})

    async def _insert(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        if not rows:
            return
        self._rows += len(rows)
        await self._copy.transact([_insertion(table, rows)])
        if table == "fragment":
            ids = [RecordID("embedding", row["id"].id) for row in rows]
            vectors = await self._source.query("SELECT * FROM $ids", {"ids": ids})
            await self._insert("embedding", [row for row in vectors if row is not None])

    async def _catch_up(self) -> None:
        """Copy what was written meanwhile."""
        dirty, self._dirty = list(self._dirty.values()), {}
        tables, self._dirty_tables = self._dirty_tables - {"head"}, set()
        # All go before one comes: what is unique may have passed from one to another.
        for table in tables:
            await self._copy.transact([Statement(text=f"DELETE {table} RETURN NONE")])
        for some in batched(dirty, PAGE, strict=False):
            gone = Statement(text="DELETE $ids RETURN NONE", variables={"ids": list(some)})
            await self._copy.transact([gone])
        for table in tables:
            async for rows in self._pages(table):
                await self._insert(table, rows)
        left = [each for each in dirty if each.table_name not in tables]
        for some in batched(left, PAGE, strict=False):
            rows = await self._source.query("SELECT * FROM $ids", {"ids": list(some)})
            by_table: dict[str, list[dict[str, Any]]] = {}
            for row in rows:
                if row is not None:
                    by_table.setdefault(row["id"].table_name, []).append(row)
            for table, found in by_table.items():
                await self._copy.transact([_insertion(table, found)])

    def _note(self, change: Change, head: Head) -> None:
        """Note what was written. Raises what goes wrong, with which the copy is worth nothing."""
        try:
            self._note_change(change)
        except Exception as err:
            self._missed = err
            raise

    def _note_change(self, change: Change) -> None:
        self._note_records(row["id"] for row in change.events)
        changed = (*change.added, *change.changed, *change.removed)
        self._note_records(RecordID("fragment", each.id) for each in changed)
        embedded = (*change.removed, *(each for each, _ in change.embeddings))
        self._note_records(RecordID("embedding", each.id) for each in embedded)
        self._note_records(RecordID("gone", each.seq) for each in change.removed)
        self._note_records(RecordID("entity", [each.agent, each.key]) for each in change.entities)
        self._note_records(
            RecordID("relation", [each.agent, each.source, each.kind, each.target])
            for each in change.relations
        )
        for statement in change.statements:
            self._note_records(_records(statement.variables))
            words = set(re.findall(r"\w+", statement.text))
            self._dirty_tables |= words & {*self._tables}
            if words & {"fragment", "embedding"}:
                self._dirty_tables |= {"fragment", "embedding"}  # which are copied together

    def _note_records(self, records: Iterable[RecordID]) -> None:
        self._dirty |= {repr((each.table_name, each.id)): each for each in records}

    async def _close_copy(self) -> None:
        if self._is_open:
            self._is_open = False
            await self._copy.close()

    async def _clear(self) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        self._lock_file.unlink(missing_ok=True)
        LogGuard(self._folder).forget()


def _insertion(table: str, rows: Iterable[dict[str, Any]]) -> Statement:
    # None would be NULL, which is no NONE.
    kept = [{key: value for key, value in row.items() if value is not None} for row in rows]
    return Statement(text=f"INSERT INTO {table} $rows RETURN NONE", variables={"rows": kept})


def _records(value: object) -> Iterable[RecordID]:
    """Yield all records that are named in the variables of a statement."""
    match value:
        case RecordID():
            yield value
        case dict():
            for each in value.values():
                yield from _records(each)
        case list() | tuple():
            for each in value:
                yield from _records(each)
