"""The recall index: words and vectors of all fragments, derived from the store.

It can be deleted at any time: what is missing is read from the store when it is opened. It knows
with which commit it is up to date, follows each one after that, and is made anew when it belongs to
another store or time zone, cannot be read, or failed to take something in.
"""

import asyncio
import logging
import shutil
from collections.abc import Collection, Coroutine, Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from hairem_core.errors import HairemError
from hairem_core.memory.database import Database
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.recall.columns import FOREVER, Columns
from hairem_core.memory.recall.contents import Contents
from hairem_core.memory.recall.ranking import Hit, Part, Question, rank
from hairem_core.memory.scope import Scope
from hairem_core.memory.writer import Change, Head
from hairem_core.memory.zone import zone_name

_LOGGER = logging.getLogger(__name__)
_GATHER = 0.05
"""Seconds that changes gather before they are committed together, unless a search wants them."""
_SAVE_AFTER = 20_000
_SAVE_AFTER_SHARE = 10
"""Changes after which the columns are written to disk again: so many, and one in so many of all."""
_ANEW = "anew"
"""Folder within the index's own in which another one is made, to take its place."""
_LONGEST_PAUSE = 60.0
"""Seconds between two attempts to make it anew."""


class RecallIndex:
    """Finds fragments by words and meaning. Made by `open`, told of commits by `observe`."""

    def __init__(
        self,
        folder: Path | None,
        database: Database,
        *,
        store_id: str,
        model: str | None,
        zone: tzinfo | None,
    ) -> None:
        self._folder = folder
        self._database = database
        self._origin = f"{store_id} {zone_name(zone)}"
        self.zone = zone
        """Of the days under which fragments are found; None is the system's."""
        self.model = model
        """Of the embeddings; vectors of other models are not taken in."""
        self._contents = self._made(folder)
        self._fresh: Contents | None = None
        """What is to take their place, while it is made."""
        self._lock = asyncio.Lock()
        self._renewing = asyncio.Lock()
        self._healing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering: asyncio.Task[None] | None = None
        self._is_behind = False
        """Whether the last attempt to write it failed."""
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
        self = cls(folder, database, store_id=store_id, model=model, zone=zone)
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder / _ANEW, ignore_errors=True)
        is_there = await asyncio.to_thread(self._contents.load, head.rev)
        self.rebuilt = not is_there and head.rev > 0
        try:
            await self._contents.catch_up(head.rev)
        except BaseException:
            await asyncio.to_thread(self._contents.text.close)
            raise
        return self

    @property
    def rev(self) -> int:
        """Number of the last commit that it knows."""
        return self._contents.rev

    @property
    def dimensions(self) -> int:
        """How many dimensions vectors have; 0 while there are none."""
        return self._contents.dimensions

    @property
    def is_whole(self) -> bool:
        """Whether it has all that it was told of; else it is being made anew."""
        return self._contents.is_whole

    def observe(self, change: Change, head: Head) -> None:
        """Take in what was committed. Raises what went wrong with it, and sees to it."""
        contents = self._contents
        try:
            contents.take_in(change, head)
        finally:
            if self._fresh is not None:
                self._fresh.take_in(change, head)
            if not contents.is_whole:
                self._heal()
            self._gather_soon()

    async def search(
        self, scope: Scope, question: Question, *, now: datetime, exclude: Collection[UUID] = ()
    ) -> list[Hit]:
        """Return what fits, best first. `exclude`: `msg_id`s of events."""
        await self._settle(scope, exclude)
        contents = self._contents
        parts = [
            Part(agent, columns)
            for agent, columns in contents.columns.items()
            if scope.admitted(agent, columns.shared).any()
        ]
        if not parts:
            return []
        return await asyncio.to_thread(
            rank, contents.text, parts, scope, question, now, frozenset(exclude)
        )

    def speakers(self, scope: Scope) -> list[tuple[str, str]]:
        """Return address and name of those who said what may be seen."""
        return [
            each
            for agent, columns in self._contents.columns.items()
            if scope.admitted(agent, columns.shared).any()
            for each in columns.codes.speakers
        ]

    def columns(self) -> dict[UUID, Columns]:
        """Return every agent's columns."""
        return self._contents.columns

    def without_vector(self) -> Iterator[UUID]:
        """Yield the ids of fragments that have no vector of the model, the newest first."""
        for columns in self._contents.columns.values():
            for row in np.flatnonzero(columns.live & ~columns.embedded)[::-1]:
                yield columns.uuid(int(row))

    def statistics(self) -> dict[str, Any]:
        """Return how much it holds."""
        held = self._contents.columns.values()
        live = sum(int(each.live.sum()) for each in held)
        embedded = sum(int(each.embedded.sum()) for each in held)
        closed = sum(int((each.live & (each.valid_to != FOREVER)).sum()) for each in held)
        return {
            "fragments": live,
            "replaced": closed,
            "embedded": embedded,
            "rev": self.rev,
            "rebuilt": self.rebuilt,
        }

    async def flush(self) -> None:
        """Have everything that was observed so far found by searches. Raises MemoryUnavailable."""
        # Shielded: the thread goes on when its caller is cancelled, and must keep the lock.
        await asyncio.shield(self._spawn(self._commit()))

    async def save(self) -> None:
        """Write to disk what saves reading the store at the next start. Raises MemoryUnavailable,
        OSError.
        """
        # Shielded: as in `flush`.
        await asyncio.shield(self._spawn(self._save()))

    async def start_anew(self) -> None:
        """Make the files anew from the store, so that nothing of what went is left in them.

        What is there is searched meanwhile. Raises MemoryUnavailable, OSError, ValueError; then it
        is as it was.
        """
        await asyncio.shield(self._spawn(self._start_anew()))

    async def close(self) -> None:
        """Save, and end what is under way."""
        if self._healing is not None:
            self._healing.cancel()
            await asyncio.gather(self._healing, return_exceptions=True)
        while self._tasks:
            await asyncio.wait(self._tasks)
        try:
            if self._contents.unsaved:
                await self.save()
        except (HairemError, OSError) as err:
            _LOGGER.warning("The recall index was not saved, and will be caught up: %s", err)
        finally:
            await asyncio.to_thread(self._contents.text.close)

    def _made(self, folder: Path | None) -> Contents:
        return Contents(
            folder, self._database, origin=self._origin, zone=self.zone, model=self.model
        )

    async def _commit(self) -> None:
        async with self._lock:
            if self._contents.pending:
                await self._contents.commit()

    async def _save(self) -> None:
        async with self._lock:
            await self._contents.save()

    async def _start_anew(self) -> None:
        async with self._renewing:
            old, fresh = self._contents, self._made(self._folder and self._folder / _ANEW)
            fresh.hold()
            self._fresh, rev = fresh, old.rev
            try:
                await asyncio.to_thread(fresh.empty)
                await fresh.catch_up(rev)
                fresh.release()
                async with self._lock:
                    await fresh.save()
                    await asyncio.to_thread(old.text.close)
                    if self._folder is not None:
                        old.is_whole = False  # its files go now, whether the others come or not
                        await asyncio.to_thread(fresh.move, self._folder)
                    if not fresh.is_whole:
                        raise MemoryUnavailable(
                            "the recall index could not take in what was committed meanwhile",
                            where=str(self._folder),
                            hint="See the log. It is made anew once more.",
                        )
                    self._contents = fresh
            except BaseException:
                if not old.is_whole:
                    self._heal()
                await asyncio.to_thread(fresh.text.close)
                raise
            finally:
                self._fresh = None
        self._gather_soon()

    def _heal(self) -> None:
        if self._healing is None or self._healing.done():
            self._healing = asyncio.create_task(self._make_whole(), name="recall index")

    async def _make_whole(self) -> None:
        pause = 1.0
        while not self.is_whole:
            try:
                await self.start_anew()
            except (HairemError, OSError, ValueError) as err:
                _LOGGER.warning("The recall index lacks something, and is not made anew: %s", err)
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)

    async def _settle(self, scope: Scope, exclude: Collection[UUID]) -> None:
        """Wait until what was observed can be found, where it may concern this question.

        A turn recalls right after its own words were recorded, and leaves those out: it need not
        wait for their commit.
        """
        if await self._contents.committed(scope, exclude):
            return
        try:
            await self.flush()
        except MemoryUnavailable as err:
            # What was found until now is better than nothing; what was forgotten, the store leaves
            # out in any case.
            self._note_failure(err)

    def _gather_soon(self) -> None:
        if self._contents.pending and (self._gathering is None or self._gathering.done()):
            self._gathering = self._spawn(self._gather())

    async def _gather(self) -> None:
        await asyncio.sleep(_GATHER)
        try:
            await self.flush()
            contents = self._contents
            if contents.unsaved > max(_SAVE_AFTER, len(contents.places) // _SAVE_AFTER_SHARE):
                await self.save()
        except (HairemError, OSError) as err:
            # It is tried again with the next change, and by whoever searches.
            self._note_failure(err)
        else:
            self._is_behind = False

    def _note_failure(self, err: Exception) -> None:
        if not self._is_behind:
            _LOGGER.warning("The recall index lags behind: %s", err)
        self._is_behind = True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
