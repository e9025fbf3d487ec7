"""What is around a fragment: the words of its neighbours find it, and of what it replaced."""

from collections.abc import Iterable
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.database import Database
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.recall.changes import Pending
from hairem_core.memory.recall.columns import Columns
from hairem_core.memory.recall.places import Places
from hairem_core.memory.rows import fragment_of

_REACH = 2
"""How many things said before and after one find it too."""
_REPLACED = 8
"""How many of those that it replaced, one after another, find a fragment too."""
_RECENT = 2_000
"""Contents that are kept in memory, since the next ones stand beside them."""


class Surroundings:
    """Knows the texts around fragments: the last ones by heart, others from the store."""

    def __init__(self, database: Database, places: Places) -> None:
        """`places` tells in which columns, and in which row, each fragment is."""
        self._database = database
        self._places = places
        self._recent: dict[UUID, str] = {}

    def note(self, fragment: Fragment) -> None:
        """Keep a text in mind, since the next ones will stand beside it."""
        self._recent[fragment.id] = fragment.content
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]

    def forget(self, fragment_id: UUID) -> None:
        """Keep a text in mind no longer."""
        self._recent.pop(fragment_id, None)

    @staticmethod
    def numbers(columns: Columns, row: int) -> set[int]:
        """Return the numbers of those whose surroundings a row is part of."""
        return {int(columns.seq[each]) for each in columns.around(row, _REACH)}

    async def of(self, taken: Pending) -> list[tuple[Fragment, list[str]]]:
        """Return what is to be indexed, each with the texts around it.

        Raises MemoryUnavailable.
        """
        wanted = dict(taken.put)
        others = [self._id(seq) for seq in taken.neighbours if seq not in wanted]
        fetched = await self._fetch([each for each in others if each is not None])
        fetched += await self._replacing(fetched)
        wanted |= {each.seq: each for each in fetched}
        ids = {seq: self._ids(seq) for seq in wanted}
        texts = {each.id: each.content for each in wanted.values()}
        unknown = {
            each
            for around in ids.values()
            for each in around
            if each not in texts and each not in self._recent
        }
        texts |= {each.id: each.content for each in await self._fetch(list(unknown))}
        before = await self._replaced(wanted.values())
        return [
            (
                fragment,
                [text for each in ids[seq] if (text := texts.get(each) or self._recent.get(each))]
                + before.get(fragment.id, []),
            )
            for seq, fragment in wanted.items()
        ]

    async def _replaced(self, fragments: Iterable[Fragment]) -> dict[UUID, list[str]]:
        """Return by id the texts of what fragments replaced, as far as it is in the store.

        "I moved to Lyon" has no word in common with "Where do I live?": what it replaced has.
        """
        texts: dict[UUID, list[str]] = {}
        chains = [(each, each) for each in fragments]
        for _ in range(_REPLACED):
            ids = [last.replaces_id for _, last in chains if last.replaces_id is not None]
            older = {each.id: each for each in await self._fetch(ids)}
            chains = [
                (fragment, older[last.replaces_id])
                for fragment, last in chains
                if last.replaces_id in older
            ]
            for fragment, last in chains:
                # Whoever may find it must not find it by what is not shared.
                if fragment.visibility == "private" or last.visibility == "shared":
                    texts.setdefault(fragment.id, []).append(last.content)
        return texts

    async def _replacing(self, fragments: Iterable[Fragment]) -> list[Fragment]:
        """Return what replaced fragments, and what replaced that."""
        found: list[Fragment] = []
        newer = list(fragments)
        for _ in range(_REPLACED):
            newer = await self._fetch([each.replaced_by for each in newer if each.replaced_by])
            found += newer
        return found

    def _id(self, seq: int) -> UUID | None:
        place = self._places.get(seq)
        return place.columns.uuid(place.row) if place else None

    def _ids(self, seq: int) -> list[UUID]:
        place = self._places.get(seq)
        if place is None:
            return []
        columns, row = place.columns, place.row
        around = columns.around(row, _REACH)
        if columns.shared[row]:
            # Whoever may find it must not find it by what is not shared.
            around = [each for each in around if columns.shared[each]]
        return [columns.uuid(each) for each in around]

    async def _fetch(self, ids: list[UUID]) -> list[Fragment]:
        if not ids:
            return []
        rows = await self._database.query(
            "SELECT * FROM $ids", {"ids": [RecordID("fragment", each) for each in ids]}
        )
        # Of what is not there, engine 3 gives a row of nothing.
        return [fragment_of(row) for row in rows if row]
