"""Fragments of an export, and those that were archived."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.portable.lines import FragmentLine, Line
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
        given = {
            line.id: (number, line) for number, line in lines if isinstance(line, FragmentLine)
        }
        doubled = len(lines) - len(given)
        archived = await self._archive.ids(given) if self._archive is not None else set()
        outcome = (0, 0, 0)
        unlinked: list[int] = []

        async def build(head: Head) -> Change:
            nonlocal outcome
            unlinked.clear()
            known = archived | await self._store.fragments.existing(list(given))
            fresh = [each for each in given.values() if each[1].id not in known]
            kept = await not_forgotten(self._store, fresh)
            outcome = (len(kept), doubled + len(known), len(fresh) - len(kept))
            taken = await self._taken(each.replaces_id for _, each in kept)
            change = Change()
            for number, line in kept:
                fragment = line.fragment()
                if (replaced := fragment.replaces_id) is not None:
                    if replaced in taken:
                        unlinked.append(number)
                        fragment = replace(fragment, replaces_id=None)
                    taken.add(replaced)
                change.added.append(fragment)
                if (vector := line.vector()) is not None:
                    change.embeddings.append((fragment, vector))
            return change

        await self._store.writer.commit(build)
        added, were_known, left_out = outcome
        tally.added += added
        tally.known += were_known
        tally.left_out += left_out
        for number in unlinked:
            self._problems.add(
                number,
                "what it replaces was replaced by something else here",
                "It was taken in without that link: both hold now; replace one of them.",
            )

    async def _taken(self, replaced: Iterable[UUID | None]) -> set[UUID]:
        """Return which fragments have a successor already."""
        wanted = [each for each in replaced if each is not None]
        if not wanted:
            return set()
        found: list[UUID] = await self._store.database.query(
            "SELECT VALUE replaces_id FROM fragment WHERE replaces_id IN $wanted",
            {"wanted": wanted},
        )
        return set(found)


class ArchiveImport:
    """Takes archived fragments into the archive."""

    def __init__(self, store: MemoryStore, archive: ColdArchive | None, problems: Problems) -> None:
        self._store = store
        self._archive = archive
        self._problems = problems
        self._is_told = False

    async def take(self, lines: Sequence[tuple[int, Line]], tally: Tally) -> None:
        """See `Part`."""
        given = [(number, line) for number, line in lines if isinstance(line, FragmentLine)]
        if self._archive is None:
            tally.refused += len(given)
            if not self._is_told:
                self._is_told = True
                self._problems.add(
                    given[0][0],
                    "it and what follows were archived, and there is no archive here",
                    "Set memory.archive_url, and import the file again.",
                )
            return
        ids = [line.id for _, line in given]
        known = await self._archive.ids(ids) | await self._store.fragments.existing(ids)
        fresh = [(number, line) for number, line in given if line.id not in known]
        kept = await not_forgotten(self._store, fresh)
        await self._archive.put([(line.fragment(), line.vector()) for _, line in kept])
        tally.added += len(kept)
        tally.known += len(given) - len(fresh)
        tally.left_out += len(fresh) - len(kept)


async def not_forgotten(
    store: MemoryStore, lines: Sequence[tuple[int, FragmentLine]]
) -> list[tuple[int, FragmentLine]]:
    """Return those that do not come from an event that was erased here."""
    events = {event for _, line in lines for event in line.derived_from}
    rows: list[dict[str, Any]] = await store.database.query(
        "SELECT * FROM $ids", {"ids": [RecordID("raw_event", each) for each in events]}
    )
    erased = {row["id"].id for row in rows if row and row.get("erased_by") is not None}
    return [each for each in lines if erased.isdisjoint(each[1].derived_from)]
