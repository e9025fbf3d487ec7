"""All else of an export: agents, entities, relations, agents' own values, dreams."""

import json
from collections.abc import Sequence
from typing import Any

from surrealdb import RecordID

from hairem_core.memory.database import Statement
from hairem_core.memory.portable.lines import (
    AgentLine,
    DreamLine,
    EntityLine,
    Line,
    RelationLine,
    StateLine,
)
from hairem_core.memory.portable.reader import Problems
from hairem_core.memory.portable.report import Tally
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head

type _Row = dict[str, Any]
_MOST_DREAMS = 1_000
"""Dreams that are taken in: a store keeps some dozens."""
_PUT = "FOR $row IN $rows { UPSERT $row.id CONTENT $row RETURN NONE }"


class _Rows:
    """Takes in rows that have no history: those that are new, and what more is known of others."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def row(self, line: Any) -> _Row:
        """Return a line as a row."""
        raise NotImplementedError

    def merged(self, here: _Row, given: _Row) -> _Row:
        """Return what is known when a row is here already."""
        return here

    async def take(self, lines: Sequence[tuple[int, Line]], tally: Tally) -> None:
        """See `Part`."""
        rows: dict[str, _Row] = {}
        for _, line in lines:
            row = self.row(line)
            key = repr(row["id"].id)
            rows[key] = self.merged(rows[key], row) if key in rows else row
        outcome = (0, 0)

        async def build(head: Head) -> Change:
            nonlocal outcome
            found = await self._store.database.query(
                "SELECT * FROM $ids", {"ids": [each["id"] for each in rows.values()]}
            )
            here = {repr(each["id"].id): each for each in found if each is not None}
            puts, added = [], 0
            for key, row in rows.items():
                if key not in here:
                    puts.append(row)
                    added += 1
                elif (more := self.merged(here[key], row)) != here[key]:
                    puts.append(more)
            outcome = (added, len(lines) - added)
            put = Statement(text=_PUT, variables={"rows": puts})
            return Change(statements=[put] if puts else [])

        await self._store.writer.commit(build)
        tally.added += outcome[0]
        tally.known += outcome[1]


class EntityImport(_Rows):
    """Takes in entities; of two, the one that was named more often and last counts."""

    def row(self, line: EntityLine) -> _Row:
        """See `_Rows`."""
        return {
            "id": RecordID("entity", [line.agent, line.key]),
            **line.model_dump(include={"name", "kind", "mentions", "last_at"}),
        }

    def merged(self, here: _Row, given: _Row) -> _Row:
        """See `_Rows`."""
        newer = given if given["last_at"] > here["last_at"] else here
        return {**newer, "mentions": max(here["mentions"], given["mentions"])}


class RelationImport(_Rows):
    """Takes in relations; of two, the weightier one counts, and all that they rest on."""

    def row(self, line: RelationLine) -> _Row:
        """See `_Rows`."""
        return {
            "id": RecordID("relation", [line.agent, line.source, line.kind, line.target]),
            "weight": line.weight,
            "last_at": line.last_at,
            "derived_from": list(line.derived_from),
        }

    def merged(self, here: _Row, given: _Row) -> _Row:
        """See `_Rows`."""
        new = [each for each in given["derived_from"] if each not in here["derived_from"]]
        return {
            "id": here["id"],
            "weight": max(here["weight"], given["weight"]),
            "last_at": max(here["last_at"], given["last_at"]),
            "derived_from": [*here["derived_from"], *new],
        }


class AgentImport(_Rows):
    """Takes in agents."""

    def __init__(self, store: MemoryStore, notes: list[str]) -> None:
        super().__init__(store)
        self._notes = notes

    def row(self, line: AgentLine) -> _Row:
        """See `_Rows`."""
        others = [
            agent
            for agent, name in self._store.names.all().items()
            if name == line.name and agent != line.id
        ]
        if others:
            self._notes.append(
                f"{line.name} is {line.id} in the file and {others[0]} here: give it the former as "
                "`uuid` in its manifest, and it remembers both."
            )
        return {"id": RecordID("agent", line.id), "name": line.name}


class StateImport(_Rows):
    """Takes in what agents keep for themselves; what is here stays."""

    def __init__(self, store: MemoryStore, problems: Problems) -> None:
        super().__init__(store)
        self._problems = problems

    def row(self, line: StateLine) -> _Row:
        """See `_Rows`."""
        return {"id": RecordID("agent_state", [line.agent, line.key]), "value": line.value}

    async def take(self, lines: Sequence[tuple[int, Line]], tally: Tally) -> None:
        """See `Part`."""
        sound = [each for each in lines if self._is_sound(*each)]
        tally.refused += len(lines) - len(sound)
        if sound:
            await super().take(sound, tally)

    def _is_sound(self, number: int, line: Line) -> bool:
        assert isinstance(line, StateLine)
        try:
            json.loads(line.value)
        except ValueError, RecursionError:
            self._problems.add(number, "its value is not JSON", "It was left out.")
            return False
        return True


class DreamImport(_Rows):
    """Takes in dreams, all at once, into a store that has dreamt none of its own."""

    def __init__(self, store: MemoryStore, problems: Problems) -> None:
        super().__init__(store)
        self._problems = problems
        self._lines: list[tuple[int, Line]] = []

    def row(self, line: DreamLine) -> _Row:
        """See `_Rows`."""
        row = {
            "id": RecordID("dream", line.id),
            "state": "done",
            **line.model_dump(include={"started_at", "finished_at", "progress", "digest"}),
        }
        return {name: value for name, value in row.items() if value is not None}

    async def take(self, lines: Sequence[tuple[int, Line]], tally: Tally) -> None:
        """See `Part`."""
        room = _MOST_DREAMS - len(self._lines)
        self._lines += lines[: max(0, room)]
        for number, _ in lines[max(0, room) :]:
            tally.refused += 1
            self._problems.add(number, "is one dream too many", "It was left out.")

    async def finish(self, tally: Tally) -> None:
        """Take in all that were given."""
        here = await self._store.database.query("SELECT VALUE record::id(id) FROM dream")
        given = {line.id for _, line in self._lines if isinstance(line, DreamLine)}
        if set(here) - given:
            tally.left_out += len(self._lines)
            return
        if self._lines:
            renumbered = [(number, self._of_here(line)) for number, line in self._lines]
            await super().take(renumbered, tally)

    def _of_here(self, line: Line) -> Line:
        """Return a dream that looked at everything that is here: fragments have new numbers."""
        assert isinstance(line, DreamLine)
        seq = self._store.writer.head.seq
        progress = json.loads(line.progress)
        if isinstance(progress, dict) and {"since", "limit"} <= progress.keys():
            progress |= {"since": seq, "limit": seq}
        return line.model_copy(update={"progress": json.dumps(progress, ensure_ascii=False)})
