"""The recall index: words and vectors of all fragments, derived from the store.

It can be deleted at any time: what is missing is read from the store when it is opened. It knows
with which commit it is up to date, follows each one after that, and is made anew when it belongs to
another store or time zone, or cannot be read.
"""

import asyncio
import logging
from collections.abc import Collection, Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from hairem_core.errors import HairemError
from hairem_core.memory.database import Database
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.recall import snapshot
from hairem_core.memory.recall.changes import Pending, pages
from hairem_core.memory.recall.columns import FOREVER, Columns
from hairem_core.memory.recall.places import Places
from hairem_core.memory.recall.ranking import Hit, Part, Question, rank
from hairem_core.memory.recall.surroundings import Surroundings
from hairem_core.memory.recall.text import TextIndex, discard
from hairem_core.memory.rows import fragment_of
from hairem_core.memory.scope import Scope
from hairem_core.memory.writer import Change, Head
from hairem_core.memory.zone import zone_name

_LOGGER = logging.getLogger(__name__)
_GATHER = 0.05
"""Seconds that changes gather before they are committed together, unless a search wants them."""
_BATCH = 4_000
"""Fragments that go into one commit of the text index while it catches up: others wait for it."""
_SAVE_AFTER = 20_000
_SAVE_AFTER_SHARE = 10
"""Changes after which the columns are written to disk again: so many, and one in so many of all."""


class RecallIndex:
    """Finds fragments by words and meaning. Made by `open`, told of commits by `observe`."""

    def __init__(
        self, folder: Path | None, database: Database, store_id: str, zone: tzinfo | None
    ) -> None:
        self._folder = folder
        self._database = database
        self._zone = zone
        self._origin = f"{store_id} {zone_name(zone)}"
        self._columns: dict[UUID, Columns] = {}
        self._places = Places()
        self._surroundings = Surroundings(database, self._place)
        self._pending = Pending()
        self._committing: Pending | None = None
        self._committed = asyncio.Event()
        self._rev = 0
        self._text_rev = 0
        """Number of the last commit that the text index knows."""
        self._dimensions = 0
        """Of the vectors; 0 while there are none."""
        self._held: list[tuple[Change, Head]] | None = None
        """While it is made anew: what was committed meanwhile, and follows what is read."""
        self._unsaved = 0
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering: asyncio.Task[None] | None = None
        self.model: str | None = None
        """Of the embeddings; vectors of other models are not taken in."""
        self.rebuilt = False
        """Whether it had to be made anew when it was opened."""

    @classmethod
    async def open(
        cls,
        folder: Path | None,
        database: Database,
        *,
        store_id: str,
        head: Head,
        model: str | None,
        zone: tzinfo | None = None,
    ) -> RecallIndex:
        """Return the index of a store, caught up. `folder` None keeps it in memory.

        `model` is that of the embeddings, None without; `zone` that of the days under which
        fragments are found, None the system's. Raises MemoryUnavailable.
        """
        self = cls(folder, database, store_id, zone)
        self.model = model
        await asyncio.to_thread(self._load, head.rev)
        await self._catch_up(head.rev)
        return self

    @property
    def rev(self) -> int:
        """Number of the last commit that it knows."""
        return self._rev

    @property
    def dimensions(self) -> int:
        """How many dimensions vectors have; 0 while there are none."""
        return self._dimensions

    def observe(self, change: Change, head: Head) -> None:
        """Take in what was committed."""
        if self._held is not None:
            self._held.append((change, head))
            return
        for fragment in (*change.added, *change.changed):
            self._put(fragment)
        for fragment, embedding in change.embeddings:
            if embedding.model == self.model:
                self._put_vector(fragment.seq, embedding.vector)
        for fragment in change.removed:
            self._remove(fragment.seq)
            if (columns := self._columns.get(fragment.agent)) is not None:
                self._pending.neighbours |= columns.numbers_of(fragment.replaced_by)
        self._rev = self._pending.rev = head.rev
        if self._pending and (self._gathering is None or self._gathering.done()):
            self._gathering = self._spawn(self._gather())

    async def search(
        self, scope: Scope, question: Question, *, now: datetime, exclude: Collection[UUID] = ()
    ) -> list[Hit]:
        """Return what fits, best first. `exclude`: `msg_id`s of events."""
        await self._settle(scope, question, exclude)
        parts = [
            Part(agent, columns)
            for agent, columns in self._columns.items()
            if scope.agent in (None, agent) or (scope.with_shared and columns.shared.any())
        ]
        if not parts:
            return []
        return await asyncio.to_thread(
            rank, self._text, parts, scope, question, now, frozenset(exclude)
        )

    def _place(self, seq: int) -> tuple[Columns, int] | None:
        """Return which columns tell of a fragment, and in which row."""
        place = self._places.get(seq)
        return (place.columns, place.row) if place else None

    def speakers(self, scope: Scope) -> list[tuple[str, str]]:
        """Return address and name of those who said what may be seen."""
        return [
            each
            for agent, columns in self._columns.items()
            if scope.agent in (None, agent) or scope.with_shared
            for each in columns.speakers
        ]

    def columns(self) -> dict[UUID, Columns]:
        """Return every agent's columns."""
        return self._columns

    def without_vector(self) -> Iterator[UUID]:
        """Yield the ids of fragments that have no vector of the model, the newest first."""
        for columns in self._columns.values():
            for row in np.flatnonzero(columns.live & ~columns.embedded)[::-1]:
                yield columns.uuid(int(row))

    def statistics(self) -> dict[str, Any]:
        """Return how much it holds."""
        live = sum(int(each.live.sum()) for each in self._columns.values())
        embedded = sum(int(each.embedded.sum()) for each in self._columns.values())
        closed = sum(
            int((each.live & (each.valid_to != FOREVER)).sum()) for each in self._columns.values()
        )
        return {
            "fragments": live,
            "replaced": closed,
            "embedded": embedded,
            "rev": self._rev,
            "rebuilt": self.rebuilt,
        }

    async def flush(self) -> None:
        """Have everything that was observed so far found by searches."""
        # Shielded: the thread goes on when its caller is cancelled, and must keep the lock.
        await asyncio.shield(self._spawn(self._commit()))

    async def save(self) -> None:
        """Write to disk what saves reading the store at the next start."""
        # Shielded: as in `flush`.
        await asyncio.shield(self._spawn(self._save()))

    async def _save(self) -> None:
        async with self._lock:
            if self._folder is None:
                return
            # The columns must not know of anything that the text does not: see `_load`.
            while self._pending or self._text_rev != self._rev:
                await self._commit_pending()
            stamp, places = self._stamp(self._rev), len(self._places)
            dumped = {agent: each.dump() for agent, each in self._columns.items()}
            model = self.model or ""
            await asyncio.to_thread(snapshot.save, self._folder, dumped, stamp, model)
            self._unsaved = 0
            _LOGGER.debug("The recall index was saved: %d fragments", places)

    async def start_anew(self) -> None:
        """Make the files anew from the store, so that nothing of what went is left in them."""
        await self.flush()
        try:
            async with self._lock:
                self._held = []
                await asyncio.to_thread(self._text.close)
                await asyncio.to_thread(self._start_anew)
                self._places, self._pending = Places(), Pending()
                self._surroundings.clear()
                rev, self._rev = self._rev, 0
            await self._catch_up(rev)
        finally:
            held, self._held = self._held, None
            for change, head in held or []:
                self.observe(change, head)

    async def close(self) -> None:
        """Save, and end what is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        try:
            if self._unsaved:
                await self.save()
        except (HairemError, OSError) as err:
            _LOGGER.warning("The recall index was not saved, and will be caught up: %s", err)
        finally:
            await asyncio.to_thread(self._text.close)

    def _put(self, fragment: Fragment) -> None:
        columns = self._columns.get(fragment.agent)
        if columns is None:
            columns = self._columns[fragment.agent] = Columns()
        place = self._places.get(fragment.seq)
        self._unsaved += 1
        if place is not None:
            before = bool(columns.shared[place.row]), bool(columns.replaces[place.row])
            columns.put(fragment, place.row)
            # Its words are the same as ever: it was of use, or was replaced.
            if before != (fragment.visibility == "shared", fragment.replaces_id is not None):
                self._pending.put[fragment.seq] = fragment
                self._pending.neighbours |= self._surroundings.numbers(columns, place.row)
                self._pending.neighbours |= columns.numbers_of(fragment.replaced_by)
            return
        row = columns.put(fragment, None)
        self._places.put(fragment.seq, columns, row)
        self._pending.put[fragment.seq] = fragment
        self._surroundings.note(fragment)
        self._pending.neighbours |= self._surroundings.numbers(columns, row)

    def _put_vector(self, seq: int, vector: bytes) -> None:
        place = self._places.get(seq)
        if place is None:
            return
        if self._dimensions not in (0, len(vector) // 2):
            _LOGGER.warning("Another model answers as %s: vectors are made anew", self.model)
            for each in self._columns.values():
                each.forget_vectors()
        self._dimensions = len(vector) // 2
        place.columns.put_vector(place.row, vector)
        self._unsaved += 1

    def _remove(self, seq: int) -> None:
        if place := self._places.pop(seq):
            columns = place.columns
            self._surroundings.forget(columns.uuid(place.row))
            self._pending.neighbours |= self._surroundings.numbers(columns, place.row)
            columns.remove(place.row)
        self._pending.put.pop(seq, None)
        self._pending.neighbours.discard(seq)
        self._pending.remove.add(seq)
        self._unsaved += 1

    async def _settle(self, scope: Scope, question: Question, exclude: Collection[UUID]) -> None:
        """Wait until what was observed can be found, where it may concern this question.

        A turn recalls right after its own words were recorded, and leaves those out: it need not
        wait for their commit.
        """
        if self._concerns(self._pending, scope, exclude):
            await self.flush()
        elif self._committing is not None and self._concerns(self._committing, scope, exclude):
            await self._committed.wait()

    @staticmethod
    def _concerns(pending: Pending, scope: Scope, exclude: Collection[UUID]) -> bool:
        if pending.remove:
            return True  # what was forgotten a moment ago must not be found
        return any(
            scope.admits(each) and not set(each.derived_from) & set(exclude)
            for each in pending.put.values()
        )

    async def _gather(self) -> None:
        await asyncio.sleep(_GATHER)
        try:
            await self.flush()
            if self._unsaved > max(_SAVE_AFTER, len(self._places) // _SAVE_AFTER_SHARE):
                await self.save()
        except (HairemError, OSError) as err:
            # It is tried again with the next change, and by whoever searches.
            _LOGGER.warning("The recall index lags behind: %s", err)

    async def _commit(self) -> None:
        async with self._lock:
            if self._pending:
                await self._commit_pending()

    async def _commit_pending(self) -> None:
        """Have the text index take in what is pending, if anything, and where it stands."""
        taken, self._pending = self._pending, Pending(rev=self._rev)
        rev = taken.rev if taken else self._rev
        self._committing = taken
        self._committed.clear()
        try:
            put = await self._surroundings.of(taken)
            await asyncio.to_thread(
                self._text.commit, put=put, remove=taken.remove, stamp=self._stamp(rev)
            )
        except BaseException as err:
            self._pending.follow(taken)
            if isinstance(err, (OSError, ValueError)):
                raise MemoryUnavailable(
                    f"the recall index cannot be written: {err}",
                    where=str(self._folder),
                    hint="Look at the disk. The index can be deleted while H-Core is stopped.",
                ) from err
            raise
        else:
            self._text_rev = rev
        finally:
            self._committing = None
            self._committed.set()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _stamp(self, rev: int) -> str:
        return f"{self._origin} {rev}"

    def _load(self, rev: int) -> None:
        """Read what is on disk; set `_rev` to the commit up to which all of it is right."""
        known = 0
        try:
            self._text = TextIndex(self._folder and self._folder / "text", self._zone)
            if self._folder is not None:
                dumped, stamp, model = snapshot.load(self._folder)
                known = self._known(stamp, rev)
                self._text_rev = self._known(self._text.stamp(), rev)
                if self._text_rev < known:
                    raise ValueError("its words are older than its columns")
                if known:
                    self._columns = {a: Columns.load(each) for a, each in dumped.items()}
                    if model != (self.model or ""):
                        for each in self._columns.values():
                            each.forget_vectors()
        except (OSError, ValueError, KeyError) as err:
            _LOGGER.info("The recall index is made anew: %s", err)
            known = 0
        if not known:
            self._start_anew()
            self.rebuilt = rev > 0
        self._rev = known
        for columns in self._columns.values():
            self._dimensions = self._dimensions or columns.dimensions
            for row in np.flatnonzero(columns.live):
                self._places.put(int(columns.seq[row]), columns, int(row))

    def _start_anew(self) -> None:
        self._columns = {}
        self._dimensions = self._text_rev = 0
        if self._folder is not None:
            discard(self._folder)
        self._text = TextIndex(self._folder and self._folder / "text", self._zone)

    def _known(self, stamp: str, rev: int) -> int:
        origin, _, number = stamp.rpartition(" ")
        if origin != self._origin or not number.isdigit() or int(number) > rev:
            raise ValueError("it is of another store or time zone, or of a later state of this one")
        return int(number)

    async def _catch_up(self, rev: int) -> None:
        """Read from the store what was committed after `_rev`."""
        start = self._rev
        if start >= rev:
            return
        await self._catch_up_fragments(start)
        async for rows in pages(self._database, "embedding", "rev", start):
            for row in rows:
                if row["model"] == self.model:
                    self._put_vector(row["seq"], row["vector"])
        async for rows in pages(self._database, "gone", "rev", start):
            for row in rows:
                self._remove(row["id"].id)
        self._rev = self._pending.rev = rev
        await self.flush()
        await self.save()

    async def _catch_up_fragments(self, start: int) -> None:
        seqs = [int(each.seq.max()) for each in self._columns.values() if each.size]
        newest = max(seqs, default=0)
        # What is new comes in the order in which it was first stored, since it stands beside what
        # was said before; also what was changed since, as by being of use.
        async for rows in pages(self._database, "fragment", "seq", newest):
            for row in rows:
                self._put(fragment_of(row))
            if len(self._pending.put) >= _BATCH:
                self._pending.rev = start
                await self.flush()
        if newest:
            async for rows in pages(self._database, "fragment", "rev", start):
                for row in rows:
                    if row["seq"] <= newest:
                        self._put(fragment_of(row))
