"""What the steps of a dream share: the store, where the dream stands, and a way to be stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any
from uuid import UUID

import numpy as np
from surrealdb import RecordID

from hairem_core.config.system import DreamConfig
from hairem_core.memory.arrays import Bools, Floats, Ints
from hairem_core.memory.decay import strengths
from hairem_core.memory.dream.journal import Dream, Journal, Progress, Work
from hairem_core.memory.dream.parts import DreamStopped, Step
from hairem_core.memory.fragment import KINDS, Kind
from hairem_core.memory.recall.columns import FOREVER, Columns
from hairem_core.memory.scope import Scope
from hairem_core.memory.store import MemoryStore

EVERYTHING = Scope(agent=None)
FADING = 0.5
"""Strength below which a fragment is fading."""
_PAGE = 250
"""Fragments read at once: decoding more would hold up the event loop noticeably."""


class Run:
    """One dream while it is dreamt."""

    def __init__(
        self,
        *,
        store: MemoryStore,
        journal: Journal,
        dream: Dream,
        config: DreamConfig,
        tell: Callable[[Step, int, int], None],
    ) -> None:
        self.store = store
        self.journal = journal
        self.dream = dream
        self.config = config
        self._tell = tell
        self._stopping = asyncio.Event()

    @property
    def progress(self) -> Progress:
        """Where the dream stands."""
        return self.dream.progress

    async def batch(self, work: Work) -> None:
        """Commit a batch, then let others have their turn.

        Raises DreamStopped when the dream is to end, what `work` raises, and MemoryUnavailable.
        """
        self.check()
        await self.journal.batch(self.dream, work)
        await asyncio.sleep(0)

    def check(self) -> None:
        """Raise DreamStopped when the dream is to end."""
        if self._stopping.is_set():
            raise DreamStopped("the dream was stopped", hint="The next one goes on where it was.")

    def stop(self) -> None:
        """End the dream at the next batch."""
        self._stopping.set()

    async def outside[T](self, work: Awaitable[T]) -> T:
        """Return the result of what somebody else does and may take long over.

        When the dream is to end, it is cancelled. Raises DreamStopped, and what `work` raises.
        """
        task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            self.check()
            return task.result()
        finally:
            for each in (task, stopped):
                each.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    def tell(self, done: int, total: int) -> None:
        """Tell how far the step is."""
        self._tell(self.progress.step, done, total)

    def parts(self) -> list[Part]:
        """Return every agent's fragments that this dream looks at, as they are now."""
        limit = self.progress.limit
        return [
            Part.of(agent, columns, limit)
            for agent, columns in sorted(self.store.index.columns().items())
            if columns.size
        ]

    def strengths(self, part: Part) -> Floats:
        """Return the strength of each of an agent's fragments when the dream began."""
        return strengths(self.dream.moment, part.last_used, part.importance, part.uses, part.pinned)

    async def read(self, ids: Sequence[UUID], *fields: str) -> dict[UUID, list[Any]]:
        """Return some fields of fragments, by id, as far as they are there."""
        found: dict[UUID, list[Any]] = {}
        for some in batched(ids, _PAGE, strict=False):
            self.check()
            rows = await self.store.database.query(
                f"SELECT VALUE [record::id(id), {', '.join(fields)}] FROM $ids",  # noqa: S608
                {"ids": [RecordID("fragment", each) for each in some]},
            )
            # Engine 3 answers for what is not there, too.
            found |= {row[0]: row[1:] for row in rows if row and row[0] is not None}
            await asyncio.sleep(0)
        return found


@dataclass(frozen=True, kw_only=True)
class Part:
    """One agent's fragments: copies of columns, which stay as they are while the store goes on."""

    agent: UUID
    columns: Columns
    rows: Ints
    """Of the live ones, in `columns`; all that follows is in this order."""
    seq: Ints
    at: Ints
    last_used: Ints
    importance: Floats
    uses: Ints
    pinned: Bools
    shared: Bools
    kind: Ints
    speaker: Ints
    is_valid: Bools

    @classmethod
    def of(cls, agent: UUID, columns: Columns, limit: int = FOREVER) -> Part:
        """Return an agent's fragments, up to a number."""
        rows = np.flatnonzero(columns.live & (columns.seq <= limit))
        return cls(
            agent=agent,
            columns=columns,
            rows=rows,
            seq=columns.seq[rows],
            at=columns.at[rows],
            last_used=columns.last_used[rows],
            importance=columns.importance[rows],
            uses=columns.uses[rows],
            pinned=columns.pinned[rows],
            shared=columns.shared[rows],
            kind=columns.kind[rows],
            speaker=columns.speaker[rows],
            is_valid=columns.valid_to[rows] == FOREVER,
        )

    def is_kind(self, *kinds: Kind) -> Bools:
        """Return which are of one of the kinds."""
        return np.isin(self.kind, [KINDS.index(each) for each in kinds])

    async def ids(self, where: Bools | Ints) -> list[UUID]:
        """Return the ids of some of them, by a mask or by their places."""
        rows = self.rows[where].tolist()
        return await asyncio.to_thread(lambda: [self.columns.uuid(row) for row in rows])


def chunks[T](items: Sequence[T], size: int) -> Iterator[tuple[T, ...]]:
    """Yield items in groups of `size`."""
    yield from batched(items, size, strict=False)
