"""What the recall index holds of the store, up to one commit: columns by agent, and words."""

import asyncio
import logging
import shutil
from collections.abc import Collection
from datetime import tzinfo
from pathlib import Path
from uuid import UUID

import numpy as np

from hairem_core.memory.database import Database
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.recall import snapshot
from hairem_core.memory.recall.changes import Pending, pages
from hairem_core.memory.recall.columns import Columns
from hairem_core.memory.recall.places import Places
from hairem_core.memory.recall.surroundings import Surroundings
from hairem_core.memory.recall.text import TextIndex, discard
from hairem_core.memory.rows import fragment_of
from hairem_core.memory.scope import Scope
from hairem_core.memory.writer import Change, Head

_LOGGER = logging.getLogger(__name__)
_BATCH = 4_000
"""Fragments that go into one commit of the text index while it catches up: others wait for it."""


class Contents:
    """Columns and text of one store. Made by `load` or `empty`, told of commits by `take_in`.

    What is a coroutine is for one caller at a time; `take_in` may be called meanwhile.
    """

    def __init__(
        self,
        folder: Path | None,
        database: Database,
        *,
        origin: str,
        zone: tzinfo | None,
        model: str | None,
    ) -> None:
        """Make them empty. `origin` tells the store and the time zone from others; see `load`."""
        self.folder = folder
        self.columns: dict[UUID, Columns] = {}
        self.places = Places()
        self.pending = Pending()
        self.rev = 0
        """Number of the last commit that it knows."""
        self.dimensions = 0
        """Of the vectors; 0 while there are none."""
        self.unsaved = 0
        """Changes since the columns were written to disk."""
        self.is_whole = True
        """Whether it took in all that it was told. Else its files say that they are worth nothing,
        and it is to be made anew.
        """
        self._database = database
        self._origin = origin
        self._zone = zone
        self._model = model
        self._surroundings = Surroundings(database, self.places)
        self._committing: Pending | None = None
        self._committed = asyncio.Event()
        self._text_rev = 0
        """Number of the last commit that the text index knows."""
        self._vectors_rev = 0
        """Number of the last commit of which it has the vectors, when it was loaded."""
        self._held: list[tuple[Change, Head]] | None = None
        self.text: TextIndex

    def load(self, rev: int) -> bool:
        """Read what is on disk of a store that stands at `rev`; return whether it was of use.

        It blocks: call it in a thread. What is missing is had by `catch_up`. Raises
        MemoryUnavailable.
        """
        try:
            known = self._read(rev)
        except (OSError, ValueError, KeyError) as err:
            _LOGGER.info("The recall index is made anew: %s", err)
            known = 0
        if not known:
            self.empty()
        self.rev = known
        for columns in self.columns.values():
            self.dimensions = self.dimensions or columns.dimensions
            for row in np.flatnonzero(columns.live):
                self.places.put(int(columns.seq[row]), columns, int(row))
        return known > 0

    def empty(self) -> None:
        """Begin with nothing, and delete what is on disk. It blocks: call it in a thread.

        Raises MemoryUnavailable.
        """
        self.columns.clear()
        self._text_rev = self._vectors_rev = 0
        if self.folder is not None:
            discard(self.folder)
        try:
            self.text = TextIndex(self.folder and self.folder / "text", self._zone)
        except (OSError, ValueError) as err:
            raise self._unwritable(err) from err

    def hold(self) -> None:
        """Have what is taken in from now on wait for `release`."""
        self._held = []

    def release(self) -> None:
        """Take in what waited."""
        held, self._held = self._held, None
        for change, head in held or []:
            self.take_in(change, head)

    def take_in(self, change: Change, head: Head) -> None:
        """Take in what was committed; the text index has it after the next `commit`."""
        if self._held is not None:
            self._held.append((change, head))
            return
        try:
            for fragment in (*change.added, *change.changed):
                self._put(fragment)
            for fragment, embedding in change.embeddings:
                if embedding.model == self._model:
                    self._put_vector(fragment.seq, embedding.vector)
            for fragment in change.removed:
                self._remove(fragment.seq)
                if (columns := self.columns.get(fragment.agent)) is not None:
                    self.pending.neighbours |= columns.numbers_of(fragment.replaced_by)
        except Exception:
            self.is_whole = False
            raise
        finally:
            self.rev = self.pending.rev = head.rev

    async def catch_up(self, rev: int) -> None:
        """Read from the store what was committed after it was saved. Raises MemoryUnavailable."""
        start, vectors = self.rev, self._vectors_rev
        if start >= rev and vectors >= rev:
            return
        await self._catch_up_fragments(start)
        if self._model is not None:
            async for rows in pages(self._database, "embedding", "rev", vectors):
                for row in rows:
                    if row["model"] == self._model:
                        self._put_vector(row["seq"], row["vector"])
        async for rows in pages(self._database, "gone", "rev", start):
            for row in rows:
                self._remove(row["id"].id)
        self.rev = self.pending.rev = rev
        await self.commit()
        await self.save()

    async def commit(self) -> None:
        """Have the text index take in what is pending, if anything, and where it stands.

        What could not be written is pending again. Raises MemoryUnavailable.
        """
        taken, self.pending = self.pending, Pending(rev=self.rev)
        rev = taken.rev if taken else self.rev
        self._committing = taken
        self._committed.clear()
        try:
            put = await self._surroundings.of(taken)
            await asyncio.to_thread(
                self.text.commit, put=put, remove=taken.remove, stamp=self._stamp(rev)
            )
        except BaseException as err:
            self.pending.follow(taken)
            if isinstance(err, (OSError, ValueError, RuntimeError)):
                raise self._unwritable(err) from err
            raise
        else:
            self._text_rev = rev
        finally:
            self._committing = None
            self._committed.set()

    async def committed(self, scope: Scope, exclude: Collection[UUID]) -> bool:
        """Wait for the commit under way, if it may concern a question. Return whether what is
        pending may.
        """
        if _concerns(self.pending, scope, exclude):
            return False
        if self._committing is not None and _concerns(self._committing, scope, exclude):
            await self._committed.wait()
        return True

    async def save(self) -> None:
        """Write to disk what saves reading the store at the next start. Raises MemoryUnavailable,
        OSError.
        """
        if self.folder is None or not self.is_whole:
            return
        # The columns must not know of anything that the text does not: see `_read`.
        while self.pending or self._text_rev != self.rev:
            await self.commit()
        dumped = {agent: each.dump() for agent, each in self.columns.items()}
        stamp, count = self._stamp(self.rev), len(self.places)
        await asyncio.to_thread(snapshot.save, self.folder, dumped, stamp, self._model or "")
        self.unsaved = 0
        _LOGGER.debug("The recall index was saved: %d fragments", count)

    def move(self, folder: Path) -> None:
        """Have the files in another folder, in the place of those there. It blocks.

        Killed in the middle, the folder holds nothing that passes for an index. Raises OSError,
        ValueError.
        """
        self.text.close()
        if self.folder is None:
            return
        snapshot.remove(folder)
        shutil.rmtree(folder / "text", ignore_errors=True)
        (self.folder / "text").rename(folder / "text")
        snapshot.move(self.folder, folder)
        self.folder = folder
        self.text = TextIndex(folder / "text", self._zone)

    def _read(self, rev: int) -> int:
        """Read what is on disk; return the commit up to which all of it is right."""
        self.text = TextIndex(self.folder and self.folder / "text", self._zone)
        if self.folder is None:
            return 0
        dumped, stamp, model = snapshot.load(self.folder)
        known = self._known(stamp, rev)
        self._text_rev = self._known(self.text.stamp(), rev)
        if self._text_rev < known:
            raise ValueError("its words are older than its columns")
        if known:
            self.columns = {agent: Columns.load(each) for agent, each in dumped.items()}
            self._vectors_rev = known
            if model != (self._model or ""):
                # The store may have those of the model that is asked now.
                self._vectors_rev = 0
                for each in self.columns.values():
                    each.forget_vectors()
        return known

    def _known(self, stamp: str, rev: int) -> int:
        origin, _, number = stamp.rpartition(" ")
        if origin != self._origin or not number.isdigit() or int(number) > rev:
            raise ValueError("it is of another store or time zone, or of a later state of this one")
        return int(number)

    def _unwritable(self, err: Exception) -> MemoryUnavailable:
        return MemoryUnavailable(
            f"the recall index cannot be written: {err}",
            where=str(self.folder),
            hint="Look at the disk. The index can be deleted while H-Core is stopped.",
        )

    def _stamp(self, rev: int) -> str:
        return f"{self._origin} {rev if self.is_whole else 0}"

    async def _catch_up_fragments(self, start: int) -> None:
        seqs = [int(each.seq.max()) for each in self.columns.values() if each.size]
        newest = max(seqs, default=0)
        # What is new comes in the order in which it was first stored, since it stands beside what
        # was said before; also what was changed since, as by being of use.
        async for rows in pages(self._database, "fragment", "seq", newest):
            for row in rows:
                self._put(fragment_of(row))
            if len(self.pending.put) >= _BATCH:
                self.pending.rev = start
                await self.commit()
        if newest:
            async for rows in pages(self._database, "fragment", "rev", start):
                for row in rows:
                    if row["seq"] <= newest:
                        self._put(fragment_of(row))

    def _put(self, fragment: Fragment) -> None:
        columns = self.columns.get(fragment.agent)
        if columns is None:
            columns = self.columns[fragment.agent] = Columns()
        self.unsaved += 1
        place = self.places.get(fragment.seq)
        if place is not None:
            before = int(columns.indexed[place.row])
            columns.put(fragment, place.row)
            # Most often it was of use, or was replaced: of that the text index knows nothing.
            if before != columns.indexed[place.row]:
                self.pending.put[fragment.seq] = fragment
                self.pending.neighbours |= self._surroundings.numbers(columns, place.row)
                self.pending.neighbours |= columns.numbers_of(fragment.replaced_by)
            return
        row = columns.put(fragment, None)
        self.places.put(fragment.seq, columns, row)
        self.pending.put[fragment.seq] = fragment
        self._surroundings.note(fragment)
        self.pending.neighbours |= self._surroundings.numbers(columns, row)

    def _put_vector(self, seq: int, vector: bytes) -> None:
        place = self.places.get(seq)
        if place is None:
            return
        if self.dimensions not in (0, len(vector) // 2):
            _LOGGER.warning("Another model answers as %s: vectors are made anew", self._model)
            for each in self.columns.values():
                each.forget_vectors()
        self.dimensions = len(vector) // 2
        place.columns.put_vector(place.row, vector)
        self.unsaved += 1

    def _remove(self, seq: int) -> None:
        if place := self.places.pop(seq):
            columns = place.columns
            self._surroundings.forget(columns.uuid(place.row))
            self.pending.neighbours |= self._surroundings.numbers(columns, place.row)
            columns.remove(place.row)
        self.pending.put.pop(seq, None)
        self.pending.neighbours.discard(seq)
        self.pending.remove.add(seq)
        self.unsaved += 1


def _concerns(pending: Pending, scope: Scope, exclude: Collection[UUID]) -> bool:
    if pending.remove:
        return True  # what was forgotten a moment ago must not be found
    return any(
        scope.admits(each) and not set(each.derived_from) & set(exclude)
        for each in pending.put.values()
    )
