"""A commit of facts in the making: what it will change is seen by whatever is decided after it.

The facts of one batch may replace each other. None of them is in the store yet.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.database import Database
from hairem_core.memory.fragment import Entity, Fragment, Relation, fragment_id
from hairem_core.memory.fragments import MOST_FACTS, FragmentStore, fact_part, says_more
from hairem_core.memory.interpret.extracted import ExtractedFact, Said
from hairem_core.memory.interpret.supersede import (
    Decision,
    decide,
    slot_for,
)
from hairem_core.memory.rows import fragment_of
from hairem_core.memory.scope import Scope
from hairem_core.memory.writer import Change, Writer

_SURER = 0.3
"""Share of the doubt that is left which goes each time that something is told again."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A fact, and where an agent has it from."""

    agent: UUID
    event: UUID
    said: Said
    fact: ExtractedFact
    conversation_id: str | None = None
    heard: float = 1.0
    """How sure it is that these were the words, from 0 to 1."""
    replaces: UUID | None = None
    """What a model says it replaces."""
    by_model: bool = False


class Draft(FragmentStore):
    """The fragments of a store as they will be after the commit that is being made."""

    def __init__(self, database: Database, writer: Writer) -> None:
        super().__init__(database, writer)
        self._added: dict[UUID, Fragment] = {}
        self._changed: dict[UUID, Fragment] = {}
        self._known: dict[tuple[UUID, str], dict[UUID, Fragment]] = {}
        self._numbers: dict[tuple[UUID, UUID], int] = {}
        self._entities: dict[tuple[UUID, str], Entity] = {}
        self._relations: dict[tuple[UUID, str, str, str], Relation] = {}
        self.decisions: dict[str, int] = {}
        """How often it was decided so."""

    async def fetch(self, ids: Collection[UUID], scope: Scope) -> dict[UUID, Fragment]:
        """Return those of the fragments that will be there. Raises MemoryUnavailable."""
        drafted = {**self._changed, **self._added}
        stored = await super().fetch([each for each in ids if each not in drafted], scope)
        mine = {each: drafted[each] for each in ids if each in drafted}
        return stored | {each: found for each, found in mine.items() if scope.admits(found)}

    async def erased(self, events: Collection[UUID]) -> set[UUID]:
        """Return which events have been erased, or are not there. Raises MemoryUnavailable."""
        rows = await self._database.query(
            # Engine 3 refuses two fields of records given by variable: one array of them, it reads.
            "SELECT VALUE [record::id(id), erased_by] FROM $ids",
            {"ids": [RecordID("raw_event", each) for each in events]},
        )
        there = {event for event, erased_by in rows if erased_by is None}
        return set(events) - there

    async def learn(self, learned: Learned) -> None:
        """Work a fact into the draft. Raises MemoryUnavailable."""
        number = self._numbers.get((learned.agent, learned.event), 0)
        self._numbers[learned.agent, learned.event] = number + 1
        if number >= MOST_FACTS:
            return
        new_id = fragment_id(learned.agent, learned.event, fact_part(number))
        if new_id in await self.fetch([new_id], Scope(agent=learned.agent)):
            return  # made before a crash, or by an earlier interpretation
        known = await self._facts_about(learned.agent, learned.fact.subject)
        chosen = None
        if learned.replaces is not None:
            # Of the same agent only: what a model says is not asked for more.
            found = await self.fetch([learned.replaces], Scope(agent=learned.agent))
            chosen = found.get(learned.replaces)
            if chosen is not None and chosen not in known:
                known = [*known, chosen]
        decision = decide(learned.fact, learned.said.at, known, chosen=chosen)
        self.decisions[decision.what] = self.decisions.get(decision.what, 0) + 1
        await self._carry_out(decision, learned, new_id, known)

    def change(self) -> Change:
        """Return the commit that has been drafted."""
        return Change(
            added=list(self._added.values()),
            changed=list(self._changed.values()),
            entities=list(self._entities.values()),
            relations=list(self._relations.values()),
        )

    async def _carry_out(
        self, decision: Decision, learned: Learned, new_id: UUID, known: list[Fragment]
    ) -> None:
        if decision.what == "nothing":
            return
        if decision.what == "same":
            self._strengthen(decision.old[0], learned)
            return
        new = _fragment(learned, new_id)
        if decision.what == "closes":
            for old in decision.old:
                _, closed = await self.superseding(new, old)
                self._put(replace(closed[0], replaced_by=None), *closed[1:])
            return
        if learned.by_model:
            replaced = decision.what == "replaces"
            new = replace(new, slot=slot_for(learned.fact, known, replaced=replaced))
        if decision.what == "replaces":
            new, closed = await self.superseding(new, decision.old[0])
            # Who corrects himself in one breath still said what holds.
            still = {fragment_id(learned.agent, learned.event)}
            self._put(*(each for each in closed if each.id not in still))
        if decision.until is not None:
            new = new.closed(decision.until, None)
        self._added[new_id] = new
        self._remember(new)
        if decision.until is not None:
            await self._close_episode(learned, decision.until)
        self._note(learned, new)

    def _strengthen(self, old: Fragment, learned: Learned) -> None:
        if learned.event in old.derived_from:
            return
        doubt = (1.0 - old.confidence) * (1.0 - _SURER)
        stronger = replace(
            old.used(learned.said.at),
            confidence=max(old.confidence, 1.0 - doubt),
            importance=max(old.importance, learned.fact.importance),
            # What closes it must close what was said again, too.
            derived_from=(*old.derived_from, learned.event),
        )
        self._put(stronger)
        self._note(learned, stronger)

    async def _close_episode(self, learned: Learned, until: datetime) -> None:
        """Close what was said late, unless something of it still holds."""
        held = await self.of_events(learned.agent, [learned.event])
        if not any(each.is_valid for each in held if each.kind == "fact"):
            episodes = [each for each in held if each.kind == "episode"]
            self._put(*(each.closed(until, None) for each in episodes if not says_more(each, held)))

    async def _facts_about(self, agent: UUID, subject: str) -> list[Fragment]:
        """Return all facts of an agent's about a subject, those that no longer hold included."""
        if (agent, subject) not in self._known:
            rows: list[dict[str, Any]] = await self._database.query(
                "SELECT * FROM fragment WHERE subject = $subject AND agent = $agent",
                {"subject": subject, "agent": agent},
            )
            facts = (fragment_of(row) for row in rows if row["kind"] == "fact")
            self._known[agent, subject] = {
                each.id: self._added.get(each.id) or self._changed.get(each.id) or each
                for each in facts
            }
        return list(self._known[agent, subject].values())

    def _put(self, *fragments: Fragment) -> None:
        for each in fragments:
            if each.id in self._added:
                self._added[each.id] = each
            else:
                self._changed[each.id] = each
            self._remember(each)

    def _remember(self, fragment: Fragment) -> None:
        about = self._known.get((fragment.agent, fragment.subject or ""))
        if about is not None and fragment.kind == "fact":
            about[fragment.id] = fragment

    def _note(self, learned: Learned, fragment: Fragment) -> None:
        """Note who is named, and what is said of two of them."""
        at = learned.said.at
        for mention in learned.fact.entities:
            before = self._entities.get((learned.agent, mention.key))
            self._entities[learned.agent, mention.key] = Entity(
                agent=learned.agent,
                key=mention.key,
                name=mention.name,
                kind=mention.kind,
                mentions=1 + (before.mentions if before else 0),
                last_at=at,
            )
        for link in learned.fact.relations:
            key = (learned.agent, link.kind, link.source, link.target)
            linked = self._relations.get(key)
            self._relations[key] = Relation(
                agent=learned.agent,
                kind=link.kind,
                source=link.source,
                target=link.target,
                weight=1.0 + (linked.weight if linked else 0.0),
                last_at=at,
                derived_from=(*(linked.derived_from if linked else ()), fragment.id),
            )


def _fragment(learned: Learned, new_id: UUID) -> Fragment:
    fact, said = learned.fact, learned.said
    return Fragment(
        id=new_id,
        agent=learned.agent,
        kind="fact",
        content=fact.content,
        at=said.at,
        visibility="private",
        speaker=said.speaker,
        speaker_name=said.speaker_name,
        language=said.language,
        conversation_id=learned.conversation_id,
        subject=fact.subject,
        slot=fact.slot,
        about=fact.about,
        importance=fact.importance,
        confidence=round(fact.confidence * learned.heard, 3),
        last_used=said.at,
        valid_from=said.at,
        derived_from=(learned.event,),
    )
