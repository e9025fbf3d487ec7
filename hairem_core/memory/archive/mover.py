"""Between the store and the archive: fragments are in one of them, never in none.

A fragment is handed over in two steps, each durable: it is put where it goes, and then removed from
where it was. Killed in between it is in both; the store's word counts, also when it has forgotten
it by then, and `reconcile` clears up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import batched
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.archive.errors import ArchiveUnavailable
from hairem_core.memory.archive.store import ColdArchive, Item
from hairem_core.memory.database import Database
from hairem_core.memory.fragment import Embedding, Fragment
from hairem_core.memory.fragments import FragmentStore
from hairem_core.memory.scope import Scope
from hairem_core.memory.writer import Change, Head, Writer
from hairem_core.sdk.message import now

_AT_ONCE = 500
"""Fragments of one hand-over."""
_EVERYTHING = Scope(agent=None)


class ArchiveMover:
    """Moves fragments between the store and the archive, one hand-over at a time."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        fragments: FragmentStore,
        archive: ColdArchive,
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._database = database
        self._writer = writer
        self._fragments = fragments
        self._archive = archive
        self._clock = clock
        self._lock = asyncio.Lock()

    @property
    def problem(self) -> str | None:
        """Why the archive was away the last time it was asked; None where it was not."""
        return self._archive.problem

    async def exclusively[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, during which nothing is handed over.

        Whoever forgets fragments does it so: one that is under way could outlive it in the archive.
        """
        async with self._lock:
            return await work()

    async def archive(self, fragments: Sequence[Fragment]) -> int:
        """Move fragments to the archive, and return how many went.

        Those stay that are pinned, changed or gone meanwhile. An archive that cannot be reached is
        told in the log, once, and in `problem`; what it did not take stays in the store. Raises
        MemoryUnavailable.
        """
        moved = 0
        with suppress(ArchiveUnavailable):
            for some in batched(fragments, _AT_ONCE, strict=False):
                async with self._lock:
                    moved += await self._hand_over([each for each in some if not each.pinned])
        return moved

    async def restore(self, ids: Collection[UUID]) -> list[Fragment]:
        """Move fragments back from the archive, and return them as they are stored.

        Their ids stay, their numbers are new; they count as used now, so that they do not fade at
        once. Raises ArchiveUnavailable, MemoryUnavailable.
        """
        restored: list[Fragment] = []
        for some in batched(ids, _AT_ONCE, strict=False):
            async with self._lock:
                restored += await self._take_back(some)
        return restored

    async def reconcile(self) -> int:
        """Remove from the archive what is in the store as well, and return how much that was.

        So goes what was forgotten while it was handed over, and has been archived since. An archive
        that cannot be reached is told as in `archive`. Raises MemoryUnavailable.
        """
        removed = 0
        with suppress(ArchiveUnavailable):
            async for page in self._archive.all_ids():
                async with self._lock:
                    doubles = await self._fragments.existing(page)
                    forgotten = await self._fragments.forgotten(set(page) - doubles)
                    if doubles:
                        removed += await self._archive.remove(doubles, scrub=False)
                    if forgotten:
                        removed += await self._archive.remove(forgotten)
        return removed

    async def _hand_over(self, wanted: Sequence[Fragment]) -> int:
        items = await self._read([each.id for each in wanted])
        await self._archive.put(list(items.values()))
        gone: list[Fragment] = []
        now: dict[UUID, Fragment] = {}

        async def build(head: Head) -> Change:
            # What changed since it was read stays: it is the older one that was archived.
            now.update(await self._fragments.fetch(items, _EVERYTHING))
            gone.extend(each for each, _ in items.values() if now.get(each.id) == each)
            return Change(removed=gone)

        if items:
            await self._writer.commit(build)
        if stayed := items.keys() - {each.id for each in gone}:
            is_forgotten = not stayed <= now.keys()
            await self._archive.remove(stayed, scrub=is_forgotten)
        return len(gone)

    async def _take_back(self, wanted: Sequence[UUID]) -> list[Fragment]:
        items = await self._archive.fetch(wanted, _EVERYTHING)
        used = self._clock()
        change = Change()
        forgotten: set[UUID] = set()

        async def build(head: Head) -> Change:
            # Until the archive could be reached again, what was forgotten was still there.
            forgotten.update(await self._fragments.forgotten(items))
            passed = forgotten | await self._fragments.existing(list(items))
            for each in wanted:
                if each in items and each not in passed:
                    fragment, embedding = items[each]
                    back = replace(fragment, last_used=max(used, fragment.last_used))
                    change.added.append(back)
                    if embedding is not None:
                        change.embeddings.append((back, embedding))
            return change

        if items:
            await self._writer.commit(build)
            await self._archive.remove(items, scrub=bool(forgotten))
        return change.added

    async def _read(self, ids: Sequence[UUID]) -> dict[UUID, Item]:
        """Return fragments with their embeddings, as they are in the store."""
        fragments = await self._fragments.fetch(ids, _EVERYTHING)
        rows = await self._database.query(
            # Of some fields instead of all, engine 3 says it knows no database.
            "SELECT * FROM $ids",
            {"ids": [RecordID("embedding", each) for each in fragments]},
        )
        vectors = {
            row["id"].id: Embedding(
                fragment_id=row["id"].id, model=row["model"], vector=bytes(row["vector"])
            )
            for row in rows
        }
        return {
            each: (fragment, vectors.get(each))
            for each, fragment in fragments.items()
            if not fragment.pinned
        }
