"""What agents do with what is archived: recall, replace and drop it.

What is recalled is merged with what is warm, and is warm again itself once it was of use.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from hairem_core.errors import HairemError
from hairem_core.memory import decay
from hairem_core.memory.archive.mover import ArchiveMover
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.days import without_days
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.fragments import FragmentStore
from hairem_core.memory.language import words_of
from hairem_core.memory.recall.ranking import MEANING, Hit, Question, after_fading
from hairem_core.memory.scope import Scope
from hairem_core.sdk.recollection import Why

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was recalled."""

    hits: list[tuple[Hit, Fragment]]
    """Best first."""
    archived: set[UUID] = field(default_factory=set)
    """Ids of those that came from the archive."""
    archive_error: str | None = None
    """Why nothing came from there, where it was asked and is away."""


class ColdRecall:
    """Finds in the archive what a question asks for, and takes from it what is wanted."""

    def __init__(self, archive: ColdArchive, mover: ArchiveMover, fragments: FragmentStore) -> None:
        """`fragments`: those that are not archived."""
        self.archive = archive
        self._fragments = fragments
        self._mover = mover
        self._restoring: set[asyncio.Task[None]] = set()

    async def search(
        self, scope: Scope, question: Question, *, model: str | None, now: datetime
    ) -> list[tuple[Hit, Fragment]]:
        """Return what fits, best first; the scores are those of warm recall.

        `model` is that of the question's vector. Raises ArchiveUnavailable, MemoryUnavailable.
        """
        found = await self.archive.search(
            question.text,
            scope,
            limit=question.limit,
            vector=question.vector,
            model=model,
            kinds=question.kinds or None,
            about=question.about or None,
            since=question.since,
            until=question.until,
            with_replaced=False,
            as_of=question.as_of,
        )
        # What was forgotten while the archive was away is there until that is finished.
        forgotten = await self._fragments.forgotten([each.fragment.id for each in found])
        hits = []
        for each in (each for each in found if each.fragment.id not in forgotten):
            fragment, meaning = each.fragment, max(0.0, each.cosine or 0.0)
            half_life = decay.half_life(fragment.importance, fragment.uses)
            left = 1.0
            if not fragment.pinned:
                left = decay.strength(now - fragment.last_used, half_life)
            why = Why(words=each.words, meaning=meaning, strength=left)
            score = after_fading(each.words + MEANING * meaning, left)
            hit = Hit(agent=fragment.agent, fragment_id=fragment.id, score=score, why=why)
            hits.append((hit, fragment))
        return hits

    def restore(self, ids: Collection[UUID]) -> None:
        """Have archived fragments moved back, in the background: they were of use."""
        if ids:
            task = asyncio.create_task(self._restore(ids), name="memory restore")
            self._restoring.add(task)
            task.add_done_callback(self._restoring.discard)

    async def make_way(self, new: Fragment, replaced: UUID) -> None:
        """Move the archived fragment back, if it is there, that `new` is to replace.

        Raises MemoryRefused if it must not, ArchiveUnavailable, MemoryUnavailable.
        """
        archived = await self.archive.fetch([replaced], Scope(agent=new.agent))
        if replaced in archived:
            self._fragments.check_superseding(new, archived[replaced][0])
            await self._mover.restore([replaced])

    async def drop(self, fragment_id: UUID, scope: Scope) -> None:
        """Let go of an archived fragment. Raises UnknownFragment, ArchiveUnavailable,
        MemoryUnavailable.
        """

        async def work() -> None:
            if fragment_id not in await self.archive.fetch([fragment_id], scope):
                # Nowhere, unless it was moved back a moment ago.
                await self._fragments.remove(fragment_id, scope)
                return
            # In this order: stopped in between, it is still there to be dropped again.
            await self._fragments.leave_tombstone(fragment_id)
            await self.archive.remove([fragment_id], scrub=False)

        await self._mover.exclusively(work)

    async def close(self) -> None:
        """End what is under way."""
        while self._restoring:
            await asyncio.wait(self._restoring)

    async def _restore(self, ids: Collection[UUID]) -> None:
        try:
            await self._mover.restore(ids)
        except HairemError as err:
            _LOGGER.warning("What was recalled from the archive stays there: %s", err)


def beside_days(question: Question) -> Question:
    """Return what a question asks for beside the days of which it speaks as "today".

    In the archive nothing is found by its day, and what has the word there means another one.
    """
    text = without_days(question.text)
    return replace(question, text=text, vector=question.vector if words_of(text) else None)


def merged(
    question: str,
    warm: Sequence[tuple[Hit, Fragment]],
    cold: Sequence[tuple[Hit, Fragment]],
    limit: int,
) -> list[tuple[Hit, Fragment]]:
    """Return the best of both, best first. What is in both counts as warm.

    Warm scores are shares of the best one's, however poor that is; cold ones are shares of the
    question. So warm ones count for as much as the best of them has of the question.
    """
    there = {fragment.id for _, fragment in warm}
    fit = max((_share(question, fragment.content) for _, fragment in warm), default=0.0)
    both = [(fit * hit.score, hit, fragment) for hit, fragment in warm]
    both += [(hit.score, hit, each) for hit, each in cold if each.id not in there]
    both.sort(key=lambda each: each[0], reverse=True)
    return [(replace(hit, score=score), fragment) for score, hit, fragment in both[:limit]]


def _share(question: str, content: str) -> float:
    """Return how much of a question's words a text has, from 0 to 1."""
    asked = words_of(question)
    return len(asked & words_of(content)) / len(asked) if asked else 1.0
