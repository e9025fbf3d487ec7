"""All else of an export: agents, entities, relations, agents' own values, dreams."""

import json
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.forget.erasure import weight_without, without
from hairem_core.memory.forget.tombstones import Key, Tombstones
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
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head

type _Row = dict[str, Any]
_MOST_DREAMS = 1_000
"""Dreams that are taken in: a store keeps some dozens."""
_PUT = "FOR $row IN $rows { UPSERT $row.id CONTENT $row RETURN NONE }"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TOLD = frozenset({"progress", "digest"})
"""Texts in which a dream says what it did."""


class _Rows:
    """Takes in rows that have no history: those that are new, and what more is known of others."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._tombstones = Tombstones(store.database)

    def row(self, line: Any) -> _Row:
        """Return a line as a row."""
        raise NotImplementedError

    def merged(self, here: _Row, given: _Row) -> _Row:
        """Return what is known when a row is here already."""
        return here

    async def kept(self, rows: dict[str, _Row]) -> dict[str, _Row]:
        """Return them without what was forgotten here, whether or not it is here again."""
        keys = {text: _key(row) for text, row in rows.items()}
        tables = {row["id"].table_name for row in rows.values()}
        gone = {
            each for table in tables for each in await self._tombstones.of(table, keys.values())
        }
        return {text: row for text, row in rows.items() if keys[text] not in gone}

    async def take(self, lines: Sequence[tuple[int, Line]], tally: Tally) -> None:
        """See `Part`."""
        rows: dict[str, _Row] = {}
        keys: list[str] = []
        for _, line in lines:
            row = self.row(line)
            key = repr(row["id"].id)
            keys.append(key)
            rows[key] = self.merged(rows[key], row) if key in rows else row
        outcome = (0, 0, 0)

        async def build(head: Head) -> Change:
            nonlocal outcome
            kept = await self.kept(rows)
            found = await self._store.database.query(
                "SELECT * FROM $ids", {"ids": [each["id"] for each in kept.values()]}
            )
            here = {repr(each["id"].id): each for each in found if each is not None}
            puts, added = [], 0
            for key, row in kept.items():
                if key not in here:
                    puts.append(row)
                    added += 1
                elif (more := self.merged(here[key], row)) != here[key]:
                    puts.append(more)
            left_out = sum(key not in kept for key in keys)
            outcome = (added, len(lines) - added - left_out, left_out)
            put = Statement(text=_PUT, variables={"rows": puts})
            return Change(statements=[put] if puts else [])

        await self._store.writer.commit(build)
        added, were_known, left_out = outcome
        tally.added += added
        tally.known += were_known
        tally.left_out += left_out


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

    async def kept(self, rows: dict[str, _Row]) -> dict[str, _Row]:
        """See `_Rows`; neither those that rest on what was forgotten alone, or lead to it."""
        rows = await super().kept(rows)
        ends = {text: _ends(row) for text, row in rows.items()}
        ended = await self._tombstones.of("entity", set[Key]().union(*ends.values()))
        said_by = {each for row in rows.values() for each in row["derived_from"]}
        gone = await self._tombstones.of("fragment", said_by)
        kept = {}
        for text, row in rows.items():
            left = [each for each in row["derived_from"] if each not in gone]
            lost = len(row["derived_from"]) - len(left)
            if ended.isdisjoint(ends[text]) and (left or not lost):
                weight = weight_without(row["weight"], lost)
                kept[text] = {**row, "derived_from": left, "weight": weight}
        return kept


class AgentImport(_Rows):
    """Takes in agents."""

    def __init__(self, store: MemoryStore, notes: list[str]) -> None:
        super().__init__(store)
        self._notes = notes

    def row(self, line: AgentLine) -> _Row:
        """See `_Rows`."""
        if others := self._store.names.called(line.name) - {line.id}:
            note = (
                f"{line.name} is {line.id} in the file and {min(others)} here. It remembers as the "
                "one that its manifest gives as `uuid`; search, export and forget take both."
            )
            # Lines that are refused together are given again one by one.
            if note not in self._notes:
                self._notes.append(note)
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
        sound = [each for each in lines if _has_json(each[1])]
        if sound:
            await super().take(sound, tally)
        tally.refused += len(lines) - len(sound)
        for number, line in lines:
            if not _has_json(line):
                self._problems.add(number, "its value is not JSON", "It was left out.")


class DreamRows(_Rows):
    """Takes in dreams."""

    def row(self, line: DreamLine) -> _Row:
        """See `_Rows`."""
        row = {
            "id": RecordID("dream", line.id),
            "state": "done",
            **line.model_dump(include={"started_at", "finished_at", "progress", "digest"}),
        }
        return {name: value for name, value in row.items() if value is not None}

    async def kept(self, rows: dict[str, _Row]) -> dict[str, _Row]:
        """See `_Rows`; all dreams, without what they say of fragments that were forgotten."""
        texts = {
            text: {name: row[name] for name in _TOLD & row.keys()} for text, row in rows.items()
        }
        named = {
            each: UUID(each)
            for told in texts.values()
            for value in told.values()
            for each in _UUID.findall(value)
        }
        gone = await self._tombstones.of("fragment", named.values())

        def mentions(word: str) -> bool:
            return named.get(word) in gone

        return {
            text: {**row, **{name: without(value, mentions) for name, value in texts[text].items()}}
            for text, row in rows.items()
        }


class DreamImport:
    """Keeps dreams until all are known: a store that has dreamt of its own takes in none."""

    def __init__(self, store: MemoryStore, problems: Problems) -> None:
        self._store = store
        self._problems = problems
        self._lines: list[tuple[int, Line]] = []

    async def take(self, lines: Sequence[tuple[int, Line]], tally: Tally) -> None:
        """See `Part`; nothing is committed."""
        for number, line in lines:
            if not _has_json(line):
                what = "what it did is not JSON"
            elif len(self._lines) == _MOST_DREAMS:
                what = "is one dream too many"
            else:
                self._lines.append((number, line))
                continue
            tally.refused += 1
            self._problems.add(number, what, "It was left out.")

    async def collected(self, tally: Tally) -> list[tuple[int, Line]]:
        """Return what `DreamRows` are to take in."""
        here = await self._store.database.query("SELECT VALUE record::id(id) FROM dream")
        given = {line.id for _, line in self._lines if isinstance(line, DreamLine)}
        if set(here) - given:
            self.leave_out(tally)
            return []
        return [(number, self._of_here(line)) for number, line in self._lines]

    def leave_out(self, tally: Tally) -> None:
        """Take in none."""
        tally.left_out += len(self._lines)

    def _of_here(self, line: Line) -> Line:
        """Return a dream that looked at everything that is here: fragments have new numbers."""
        assert isinstance(line, DreamLine)
        seq = self._store.writer.head.seq
        progress = json.loads(line.progress)
        if isinstance(progress, dict) and {"since", "limit"} <= progress.keys():
            progress |= {"since": seq, "limit": seq}
        return line.model_copy(update={"progress": json.dumps(progress, ensure_ascii=False)})


def _has_json(line: Line) -> bool:
    """Return whether all is JSON that a line says is."""
    if isinstance(line, DreamLine):
        return _is_json(line.progress) and (line.digest is None or _is_json(line.digest))
    assert isinstance(line, StateLine)
    return _is_json(line.value)


def _is_json(text: str) -> bool:
    """Return whether a text is JSON that can be written again: half a character cannot."""
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except ValueError, RecursionError:
        return False
    return True


def _key(row: _Row) -> Key:
    key = row["id"].id
    return tuple(key) if isinstance(key, list) else key


def _ends(row: _Row) -> set[Key]:
    agent, source, _, target = row["id"].id
    return {(agent, source), (agent, target)}
