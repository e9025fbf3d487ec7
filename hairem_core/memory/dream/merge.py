"""Merging what says the same; of two facts that contradict each other, the newer one holds."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np

from hairem_core.memory.dream.digest import Contradicted, shortened
from hairem_core.memory.dream.journal import Progress
from hairem_core.memory.dream.run import EVERYTHING, Part, Run, chunks
from hairem_core.memory.dream.similar import Text, duplicates
from hairem_core.memory.fragment import KINDS, Fragment
from hairem_core.memory.interpret.triage import WORTHLESS
from hairem_core.memory.recall.columns import from_milliseconds
from hairem_core.memory.writer import Change
from hairem_core.memory.zone import house_zone, local

_BATCH = 50
"""Fragments that are merged in one commit."""
_FACT = KINDS.index("fact")
_EPISODE = KINDS.index("episode")

type Pair = tuple[UUID, UUID]
"""The one that stays, or holds; and the one that goes."""


@dataclass(frozen=True, kw_only=True)
class _Item:
    """A fragment that may be merged."""

    id: UUID
    place: int
    """In its part."""
    content: str
    subject: str | None
    slot: str | None


async def merge(run: Run) -> None:
    """Let contradictions be superseded, then merge near-duplicates.

    In this order: of "tea", "coffee" and "tea" again the last one holds, and is no duplicate of the
    first.
    """
    parts = [part for part in run.parts() if part.is_valid.any()]
    for done, part in enumerate(parts):
        run.tell(2 * done, 2 * len(parts))
        items = await _read(run, part)
        facts = [each for each in items if part.kind[each.place] == _FACT]
        for old, new in await _contradictions(run, part, facts):
            await run.batch(partial(_supersede, run, old, new))
        run.tell(2 * done + 1, 2 * len(parts))
        pairs = await asyncio.to_thread(_pairs, part, items, house_zone(run.config))
        for some in chunks(pairs, _BATCH):
            await run.batch(partial(_merge, run, some))


async def _read(run: Run, part: Part) -> list[_Item]:
    """Return an agent's fragments that hold, oldest first, but for syntheses."""
    where = part.is_valid & ~part.is_kind("synthesis")
    places = np.flatnonzero(where)
    places = places[np.lexsort((part.seq[places], part.at[places]))]
    ids = await part.ids(places)
    found = await run.read(ids, *_FIELDS)

    def items() -> list[_Item]:
        return [
            _Item(id=each, place=place, **dict(zip(_FIELDS, found[each], strict=True)))
            for each, place in zip(ids, places.tolist(), strict=True)
            if each in found
        ]

    return await asyncio.to_thread(items)


_FIELDS = ("content", "subject", "slot")


def _pairs(part: Part, items: Sequence[_Item], zone: tzinfo | None) -> list[Pair]:
    """Return which are to be merged: the older, and the one that says nothing more.

    What was said on two days was said twice, unless it was hardly worth saying: lunch with Paul is
    found by either day.
    """
    alike: defaultdict[tuple[Any, ...], list[_Item]] = defaultdict(list)
    for item in items:
        place = item.place
        speaker, day = None, None
        if part.kind[place] == _EPISODE:
            speaker = int(part.speaker[place])
            if part.importance[place] > WORTHLESS:
                day = local(from_milliseconds(int(part.at[place])), zone).date()
        kind, shared = int(part.kind[place]), bool(part.shared[place])
        alike[kind, shared, speaker, day, item.subject, item.slot].append(item)
    found: list[Pair] = []
    vectors, embedded = part.columns.vectors, part.columns.embedded
    for group in alike.values():
        rows = [int(part.rows[each.place]) for each in group]

        def cosine(one: int, other: int, rows: list[int] = rows) -> float | None:
            if not (embedded[rows[one]] and embedded[rows[other]]):
                return None
            return float(vectors[rows[one]] @ vectors[rows[other]])

        texts = [Text.of(each.content) for each in group]
        found += [(group[kept].id, group[other].id) for other, kept in duplicates(texts, cosine)]
    return found


async def _merge(run: Run, pairs: Sequence[Pair], change: Change, draft: Progress) -> None:
    wanted = {each for pair in pairs for each in pair}
    there = await run.store.fragments.fetch(wanted, EVERYTHING)
    kept: dict[UUID, Fragment] = {}
    for keeper_id, other_id in pairs:
        keeper, other = kept.get(keeper_id) or there.get(keeper_id), there.get(other_id)
        # Meanwhile one may have been forgotten, archived or replaced.
        if keeper is None or other is None or not (keeper.is_valid and other.is_valid):
            continue
        kept[keeper_id] = _with(keeper, other)
        change.changed.append(other.closed(run.dream.moment, keeper_id))
        draft.digest.merged_count += 1
    change.changed += kept.values()


def _with(keeper: Fragment, other: Fragment) -> Fragment:
    """Return a fragment after another one that says the same was merged into it."""
    return replace(
        keeper,
        uses=keeper.uses + other.uses,
        last_used=max(keeper.last_used, other.last_used),
        importance=max(keeper.importance, other.importance),
        confidence=max(keeper.confidence, other.confidence),
        pinned=keeper.pinned or other.pinned,
        about=tuple(dict.fromkeys((*keeper.about, *other.about))),
        derived_from=tuple(dict.fromkeys((*keeper.derived_from, *other.derived_from))),
    )


async def _contradictions(run: Run, part: Part, items: Sequence[_Item]) -> list[Pair]:
    """Return pairs of facts, of which the newer, the second, is to take the other's place."""
    claims: defaultdict[tuple[str, str], list[_Item]] = defaultdict(list)
    for item in items:
        if item.subject is not None and item.slot is not None:
            claims[item.subject, item.slot].append(item)
    several = [each.id for claim in claims.values() if len(claim) > 1 for each in claim]
    there = await run.store.fragments.fetch(several, EVERYTHING)
    found: list[Pair] = []
    for _, claim in sorted(claims.items()):
        facts = [there[each.id] for each in claim if each.id in there and len(claim) > 1]
        held = [each for each in facts if each.is_valid]
        held.sort(key=lambda each: (each.valid_from, each.at, each.seq))
        found += [
            (old.id, new.id)
            for old, new in pairwise(held)
            if Text.of(old.content).tokens != Text.of(new.content).tokens
        ]
    return found


async def _supersede(run: Run, old_id: UUID, new_id: UUID, change: Change, draft: Progress) -> None:
    there = await run.store.fragments.fetch([old_id, new_id], EVERYTHING)
    old, new = there.get(old_id), there.get(new_id)
    if old is None or new is None or not (old.is_valid and new.is_valid):
        return
    superseding, closed = await run.store.fragments.superseding(new, old)
    change.changed += closed
    if new.replaces_id is None:
        change.changed.append(superseding)  # of one fragment at most one other is the predecessor
    digest = draft.digest
    digest.contradicted_count += 1
    entry = Contradicted(
        agent=run.store.names.name(old.agent),
        subject=old.subject or "",
        slot=old.slot or "",
        old_id=old.id,
        old=shortened(old.content),
        new_id=new.id,
        new=shortened(new.content),
    )
    digest.keep(digest.contradicted, entry)
