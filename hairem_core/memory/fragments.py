"""Fragments in the store: reading them, adding to them, and what replaces what."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.database import Database
from hairem_core.memory.errors import MemoryRefused, UnknownFragment
from hairem_core.memory.forget.tombstones import Tombstones
from hairem_core.memory.fragment import Fragment, fragment_id
from hairem_core.memory.interpret.text import sentences
from hairem_core.memory.language import words_of
from hairem_core.memory.rows import FRAGMENT_VALUES, fragment_of, fragment_of_values
from hairem_core.memory.scope import Scope
from hairem_core.memory.statement import Statement
from hairem_core.memory.writer import Change, Head, Writer

_LEAST_SENTENCE = 4
"""Words of a sentence that says something: "No, not any more." does not."""
_PART = re.compile(r"[,;:]\s|\s(?:and|but|et|mais)\s", re.IGNORECASE)
MOST_FACTS = 16
"""Facts that are made of one event, at most."""


class FragmentStore:
    """Reads and writes fragments. Every method that reads for an agent takes its scope."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    async def fetch(self, ids: Collection[UUID], scope: Scope) -> dict[UUID, Fragment]:
        """Return those that are there and may be seen. Raises MemoryUnavailable."""
        if not ids:
            return {}
        where, variables = scope.where()
        rows = await self._database.query(
            f"SELECT VALUE {FRAGMENT_VALUES} FROM $ids WHERE {where}",  # noqa: S608  the scope's own
            {"ids": [RecordID("fragment", each) for each in ids], **variables},
        )
        # Of what is not there, engine 3 gives a row of nothing.
        found = (fragment_of_values(row) for row in rows if row[0] is not None)
        return {each.id: each for each in found if scope.admits(each)}

    async def get(self, fragment_id: UUID, scope: Scope) -> Fragment:
        """Return one fragment. Raises UnknownFragment, MemoryUnavailable."""
        found = await self.fetch([fragment_id], scope)
        if fragment_id not in found:
            raise UnknownFragment(
                f"there is no fragment {fragment_id}",
                hint="It may have been forgotten, or be another agent's.",
            )
        return found[fragment_id]

    async def of_events(self, agent: UUID, events: Iterable[UUID]) -> list[Fragment]:
        """Return what an agent holds of events: episodes and facts. Raises MemoryUnavailable."""
        parts = ("", *(fact_part(number) for number in range(MOST_FACTS)))
        ids = [fragment_id(agent, event, part) for event in events for part in parts]
        return list((await self.fetch(ids, Scope(agent=agent))).values())

    async def existing(self, ids: Sequence[UUID]) -> set[UUID]:
        """Return which of the ids are those of stored fragments. Raises MemoryUnavailable."""
        found = await self._database.query(
            "SELECT VALUE id FROM $ids",
            {"ids": [RecordID("fragment", each) for each in ids]},
        )
        # Engine 3 answers None for what is not there.
        return {each.id for each in found if each is not None}

    async def missing(self) -> int:
        """Return how many are neither there nor gone on purpose. Raises MemoryUnavailable."""
        ever = await self._database.count("fragment") + await self._database.count("gone")
        return max(0, self._writer.head.seq - ever)

    async def forgotten(self, ids: Collection[UUID]) -> set[UUID]:
        """Return which of the ids are those of forgotten fragments. Raises MemoryUnavailable."""
        return await Tombstones(self._database).of("fragment", ids)

    async def current(self, agent: UUID, subject: str, slot: str | None = None) -> list[Fragment]:
        """Return the valid facts of an agent's about a subject. Raises MemoryUnavailable."""
        slot_too = " AND slot = $slot" if slot is not None else ""
        variables: dict[str, Any] = {"agent": agent, "subject": subject}
        if slot is not None:
            variables["slot"] = slot
        rows = await self._database.query(
            "SELECT * FROM fragment WHERE subject = $subject AND agent = $agent"  # noqa: S608
            f"{slot_too}",
            variables,
        )
        return [each for each in map(fragment_of, rows) if each.is_valid]

    async def add(self, fragment: Fragment, *, replaces: UUID | None = None) -> Fragment:
        """Store a new fragment, in the place of one of the same agent's if `replaces` names it.

        Returns it as it is stored. Raises UnknownFragment, MemoryRefused, MemoryUnavailable.
        """
        change = Change()

        async def build(head: Head) -> Change:
            new = fragment
            if replaces is not None:
                old = await self.get(replaces, Scope(agent=fragment.agent))
                new, closed = await self.superseding(fragment, old)
                change.changed += closed
            change.added.append(new)
            return change

        await self._writer.commit(build)
        return change.added[0]

    async def superseding(self, new: Fragment, old: Fragment) -> tuple[Fragment, list[Fragment]]:
        """Return `new` in the place of `old`, and what ceases to hold with that: `old`, and the
        episode that it came from, unless it says more than its facts do.

        What still holds of what was said there, its other facts tell: the whole sentence would go
        on telling what does not.

        `new` tells of what `old` told of, unless it says of what. Raises MemoryRefused: another
        agent's, itself, replaced already, or newer than `new`.
        """
        self.check_superseding(new, old)
        closed = [old.closed(new.valid_from, new.id)]
        for event in old.derived_from:
            siblings = await self.of_events(old.agent, [event])
            facts = [each for each in siblings if each.kind == "fact" and each.id != old.id]
            episodes = [each for each in siblings if each.kind == "episode" and each.is_valid]
            others = [each for each in episodes if each.id != old.id]
            is_left = any(each.is_valid for each in facts)
            gone = [each for each in others if not says_more(each, [old, *facts], parts=is_left)]
            closed += [each.closed(new.valid_from, None) for each in gone]
        new = replace(new, replaces_id=old.id)
        # Whoever sees what is shared must not learn of what the private one told.
        if new.subject is None and (new.visibility == "private" or old.visibility == "shared"):
            about = (*new.about, *(each for each in old.about if each not in new.about))
            new = replace(new, subject=old.subject, slot=new.slot or old.slot, about=about)
        return new, closed

    @staticmethod
    def check_superseding(new: Fragment, old: Fragment) -> None:
        """Raise MemoryRefused if `new` must not take the place of `old`."""
        what = None
        if old.agent != new.agent:
            what = "it is another agent's"
        elif old.id == new.id:
            what = "it would replace itself"
        elif not old.is_valid:
            what = "it was replaced already" if old.replaced_by else "it holds no more"
        elif new.valid_from < old.valid_from:
            what = f"it is newer, of {old.valid_from:%Y-%m-%d %H:%M}"
        if what is not None:
            raise MemoryRefused(
                f"fragment {old.id} cannot be replaced: {what}",
                hint="Look at its history, and replace the one that holds.",
            )

    async def remove(self, fragment_id: UUID, scope: Scope) -> None:
        """Let go of a fragment. Raises UnknownFragment, MemoryUnavailable."""

        async def build(head: Head) -> Change:
            return Change(
                removed=[await self.get(fragment_id, scope)],
                statements=await Tombstones(self._database).put("fragment", [fragment_id]),
            )

        await self._writer.commit(build)

    async def leave_tombstone(self, fragment_id: UUID) -> None:
        """Note of an archived fragment that it was let go of. Raises MemoryUnavailable."""

        async def build(head: Head) -> Change:
            tombstone = await Tombstones(self._database).put("fragment", [fragment_id])
            return Change(statements=tombstone)

        await self._writer.commit(build)

    async def note_use(self, uses: dict[UUID, datetime]) -> None:
        """Note that fragments were of use, and when. Raises MemoryUnavailable."""

        async def build(head: Head) -> Change:
            found = await self.fetch(list(uses), Scope(agent=None))
            change = Change(changed=[each.used(uses[each.id]) for each in found.values()])
            if found:
                change.statements.append(_strengthened(list(found), max(uses.values())))
            return change

        await self._writer.commit(build)


def _strengthened(ids: list[UUID], at: datetime) -> Statement:
    """Return what makes relations stronger that fragments say, as these were of use."""
    return Statement(
        text="UPDATE relation SET weight += 1.0, last_at = $at "
        "WHERE derived_from CONTAINSANY $ids RETURN NONE",
        variables={"ids": ids, "at": at},
    )


def says_more(episode: Fragment, facts: Iterable[Fragment], *, parts: bool = False) -> bool:
    """Return whether an episode has a sentence that has nothing to do with any of its facts, or
    with `parts` a part of a sentence.
    """
    said = sentences(episode.content)
    if parts:
        said = [part for each in said for part in _PART.split(each)]
    if len(said) < 2:
        return False
    told = frozenset[str]().union(*(words_of(each.content) for each in facts))
    return any(
        len(each.split()) >= _LEAST_SENTENCE and told.isdisjoint(words_of(each)) for each in said
    )


def fact_part(number: int) -> str:
    """Return the `part` of the id of the n-th fact of an event, from 0."""
    return f"fact/{number}"
