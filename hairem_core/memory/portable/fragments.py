"""Fragments of an export, and those that were archived."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.archive.store import ColdArchive, Item
from hairem_core.memory.forget.tombstones import Tombstones
from hairem_core.memory.fragment import Embedding
from hairem_core.memory.portable.lines import FragmentLine, Line
from hairem_core.memory.portable.links import link
from hairem_core.memory.portable.reader import Problems
from hairem_core.memory.portable.report import Tally
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head


class FragmentImport:
    """Takes in fragments, each once by its id."""

    def __init__(self, store: MemoryStore, archive: ColdArchive | None, problems: Problems) -> None:
        self._store = store
        self._archive = archive
        self._problems = problems

    async def take(self, lines: Sequence[tuple[int, Line]], tally: Tally) -> None:
        """See `Part`."""
        given = _by_id(lines)
        doubled = len(lines) - len(given)
        archived = await self._archive.ids(given) if self._archive is not None else set()
        outcome = (0, 0, 0)
        unlinked: list[int] = []
        cold: list[Item] = []

        async def build(head: Head) -> Change:
            nonlocal outcome
            unlinked.clear()
            cold.clear()
            known = archived | await self._store.fragments.existing(list(given))
            fresh = [each for each in given.values() if each[1].id not in known]
            kept = await not_forgotten(self._store, fresh)
            outcome = (len(kept), doubled + len(known), len(fresh) - len(kept))
            here = [line for _, line in given.values() if line.id in known]
            linked = await link(self._store, self._archive, kept, here)
            unlinked.extend(linked.unlinked)
            cold.extend(linked.closed_archived)
            change = Change(changed=linked.closed)
            for line, fragment in linked.fragments:
                change.added.append(fragment)
                if (vector := self._vector(line)) is not None:
                    change.embeddings.append((fragment, vector))
            return change

        await self._store.writer.commit(build)
        added, were_known, left_out = outcome
        tally.added += added
        tally.known += were_known
        tally.left_out += left_out
        if cold and self._archive is not None:
            await self._archive.put(cold)
        tell_unlinked(self._problems, unlinked)

    def _vector(self, line: FragmentLine) -> Embedding | None:
        """Return the embedding of a line, unless it is none of its model's."""
        vector = line.vector()
        known = self._store.index.dimensions
        if vector is not None and vector.model == self._store.embedder.model and known:
            # It would have all others taken for those of another model.
            return vector if len(vector.vector) == 2 * known else None
        return vector


class ArchiveImport:
    """Takes archived fragments into the archive."""

    def __init__(self, store: MemoryStore, archive: ColdArchive | None, problems: Problems) -> None:
        self._store = store
        self._archive = archive
        self._problems = problems
        self._is_told = False

    async def take(self, lines: Sequence[tuple[int, Line]], tally: Tally) -> None:
        """See `Part`."""
        if self._archive is None:
            tally.refused += len(lines)
            if not self._is_told:
                self._is_told = True
                self._problems.add(
                    lines[0][0],
                    "it and what follows were archived, and there is no archive here",
                    "Set memory.archive_url, and import the file again.",
                )
            return
        given = _by_id(lines)
        known = await self._archive.ids(given) | await self._store.fragments.existing(list(given))
        fresh = [each for each in given.values() if each[1].id not in known]
        kept = await not_forgotten(self._store, fresh)
        here = [line for _, line in given.values() if line.id in known]
        linked = await link(self._store, self._archive, kept, here)
        made = [(fragment, line.vector()) for line, fragment in linked.fragments]
        await self._archive.put([*made, *linked.closed_archived])

        async def build(head: Head) -> Change:
            return Change(changed=linked.closed)

        await self._store.writer.commit(build)
        tell_unlinked(self._problems, linked.unlinked)
        tally.added += len(kept)
        tally.known += len(lines) - len(fresh)
        tally.left_out += len(fresh) - len(kept)


def _by_id(lines: Iterable[tuple[int, Line]]) -> dict[UUID, tuple[int, FragmentLine]]:
    """Return lines with their numbers, of doubles the last."""
    return {line.id: (number, line) for number, line in lines if isinstance(line, FragmentLine)}


def tell_unlinked(problems: Problems, numbers: Iterable[int]) -> None:
    """Tell of lines that were taken in without what they replace."""
    for number in numbers:
        problems.add(
            number,
            "what it replaces was replaced by something else here, or cannot be",
            "It was taken in without that link: both hold now; replace one of them.",
        )


async def not_forgotten(
    store: MemoryStore, lines: Sequence[tuple[int, FragmentLine]]
) -> list[tuple[int, FragmentLine]]:
    """Return those that were not forgotten here, nor the events and fragments they come from."""
    events = {event for _, line in lines for event in line.derived_from}
    rows: list[dict[str, Any]] = await store.database.query(
        "SELECT * FROM $ids", {"ids": [RecordID("raw_event", each) for each in events]}
    )
    erased = {row["id"].id for row in rows if row and row.get("erased_by") is not None}
    made_of = {line.id: {line.id, *line.sources} for _, line in lines}
    gone = await Tombstones(store.database).of("fragment", set().union(*made_of.values()))
    return [
        each
        for each in lines
        if erased.isdisjoint(each[1].derived_from) and gone.isdisjoint(made_of[each[1].id])
    ]
