"""What is to be erased, by id: decided once, by looking at everything that there is."""

import json
from collections import Counter
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field, fields, replace
from itertools import batched
from typing import Any, Self
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.archive.selection import Selection
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.chain import ERASED
from hairem_core.memory.database import Database
from hairem_core.memory.forget.echoes import echoes
from hairem_core.memory.forget.matcher import Matcher, strings_of
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.paging import numbered, pages
from hairem_core.memory.rows import fragment_of
from hairem_core.memory.scope import Scope

_AT_ONCE = 200
_REVS = 50
"""Commits of which the fragments are read at once: each may have changed hundreds."""
_SAMPLES = 5


@dataclass(kw_only=True)
class Decision:
    """Ids of all that goes. Empty where nothing does."""

    events: set[UUID] = field(default_factory=set)
    fragments: set[UUID] = field(default_factory=set)
    archived: set[UUID] = field(default_factory=set)
    unlinked: set[UUID] = field(default_factory=set)
    """Fragments that stay, and point at one that goes."""
    archived_unlinked: set[UUID] = field(default_factory=set)
    entities: set[tuple[UUID, str]] = field(default_factory=set)
    relations: set[tuple[UUID, str, str, str]] = field(default_factory=set)
    states: set[tuple[str, str]] = field(default_factory=set)
    kept_events: set[UUID] = field(default_factory=set)
    """Events that stay though what is to go came from them: something else rests on them."""

    @property
    def gone(self) -> set[UUID]:
        """Ids of all fragments that go."""
        return self.fragments | self.archived

    @property
    def is_empty(self) -> bool:
        """Whether nothing goes."""
        return not any(self.counts().values())

    def copy(self) -> Self:
        """Return another one with the same in it."""
        return replace(self, **{each.name: copy(getattr(self, each.name)) for each in fields(self)})

    def without(self, other: Decision) -> Decision:
        """Return what is in this one alone."""
        names = [each.name for each in fields(self)]
        return Decision(**{name: getattr(self, name) - getattr(other, name) for name in names})

    def add(self, other: Decision) -> None:
        """Take in what is in another one."""
        for each in fields(self):
            getattr(self, each.name).update(getattr(other, each.name))

    def counts(self) -> dict[str, int]:
        """Return how much goes, by place."""
        shown = ("events", "fragments", "archived", "entities", "relations", "states")
        return {name: len(getattr(self, name)) for name in shown}

    def parts(self) -> list[tuple[str, str]]:
        """Return it as pieces of JSON, none of them large."""
        return [
            (each.name, json.dumps(list(some), default=str))
            for each in fields(self)
            for some in batched(getattr(self, each.name), 2_000, strict=False)
        ]

    @classmethod
    def of_parts(cls, parts: Iterable[tuple[str, str]]) -> Self:
        """Return what was made into pieces."""
        self = cls()
        for name, text in parts:
            values = json.loads(text)
            match name:
                case "entities" | "relations":
                    getattr(self, name).update((UUID(first), *rest) for first, *rest in values)
                case "states":
                    self.states.update((agent, key) for agent, key in values)
                case _:
                    getattr(self, name).update(map(UUID, values))
        return self


class Search:
    """Looks for everything that a matcher means, and for what was made of it.

    Look once at everything with `everything`, later at what has come meanwhile with `since`.
    """

    def __init__(
        self,
        database: Database,
        archive: ColdArchive | None,
        matcher: Matcher,
        found: Decision | None = None,
    ) -> None:
        """`found`: what was found before, to which more is added."""
        self._database = database
        self._archive = archive
        self._matcher = matcher
        self.found = found or Decision()
        self.samples: list[str] = []
        self._parents: dict[UUID, tuple[UUID, dict[str, Any]]] = {}
        """Of events that are not meant: what they answer."""
        self._sources: dict[UUID, tuple[UUID, ...]] = {}
        self._links: dict[UUID, set[UUID]] = {}
        self._archived: set[UUID] = set()
        self._warm: set[UUID] = set()
        """Of those in `_links`: which are archived, and which are not (on its way, one is both)."""
        self._named: Counter[tuple[UUID, str]] = Counter()
        """How many fragments name an entity of an agent's, and how many of them go."""
        self._named_by_gone: Counter[tuple[UUID, str]] = Counter()
        self._last_seq = 0
        """Of the fragments that were looked at one by one."""
        self._origins: dict[UUID, UUID] = {}
        """Events of what is meant by itself, with its id."""

    async def everything(self, *, number: int, seq: int) -> Decision:
        """Return what is meant among events up to `number` and fragments up to `seq`."""
        if self._matcher.selector.fragment is None:
            await self._look_at_events(range(1, number + 1))
        self._last_seq = seq
        async for rows in numbered(self._database, "fragment", "seq", range(1, seq + 1)):
            for row in rows:
                self._take_fragment(fragment_of(row))
        if self._archive is not None:
            async for items in self._archive.select(Selection()):
                for fragment, _ in items:
                    self._take_fragment(fragment, is_archived=True)
        await self._follow()
        await self._take_echoes(number)
        nameless = {key for key, gone in self._named_by_gone.items() if gone >= self._named[key]}
        self.found.add(await self._rest(nameless))
        return self.found

    async def since(self, *, number: int, rev: int, until_number: int, until_rev: int) -> Decision:
        """Return what else is meant among events and fragments that were written later.

        What was decided before must be erased from the store by now. Entities, relations and
        agents' values have no numbers: all are looked at, and what is there again goes again.
        """
        before = self.found.copy()
        await self._look_at_events(range(number + 1, until_number + 1))
        revs = range(rev + 1, until_rev + 1)
        async for rows in numbered(self._database, "fragment", "rev", revs, at_once=_REVS):
            for row in rows:
                self._take_fragment(fragment_of(row))
        await self._follow()
        rest = await self._rest(await self._nameless())
        fresh = self.found.without(before)
        fresh.add(rest)
        self.found.add(rest)
        return fresh

    async def _look_at_events(self, numbers: range) -> None:
        async for rows in numbered(self._database, "raw_event", "number", numbers):
            self._take_events(rows)
        self._take_answers()

    def _take_events(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in sorted(rows, key=lambda row: row["number"]):
            # What says which events were emptied must stay, or the chain would not hold.
            if row.get("erased_by") is not None or row["topic"] == ERASED:
                continue
            parent, msg_id = row.get("parent_id"), row["id"].id
            if self._matcher.event(row):
                self.found.events.add(msg_id)
                self._sample(row.get("content"))
            elif parent is not None:
                self._parents[msg_id] = (parent, {"agents": row["agents"]})

    def _take_answers(self) -> None:
        """Take in what answers an event that goes, and what answers that."""
        is_more = True
        while is_more:
            answers = {
                msg_id
                for msg_id, (parent, row) in self._parents.items()
                if parent in self.found.events and self._matcher.admits_answer(row)
            }
            self.found.events |= answers
            for each in answers:
                del self._parents[each]
            is_more = bool(answers)

    def _take_fragment(self, fragment: Fragment, *, is_archived: bool = False) -> None:
        self._named.update(_keys(fragment))
        if fragment.sources:
            self._sources[fragment.id] = fragment.sources
        links = {each for each in (fragment.replaces_id, fragment.replaced_by) if each is not None}
        if links:
            self._links[fragment.id] = links
            (self._archived if is_archived else self._warm).add(fragment.id)
        if self._matcher.fragment(fragment):
            self._sample(fragment.content)
            if fragment.kind != "synthesis":
                # A synthesis says in its own words what others said: those are looked at apart.
                self._origins |= dict.fromkeys(fragment.derived_from, fragment.id)
        elif self.found.events.isdisjoint(fragment.derived_from):
            return
        self._take(fragment, is_archived=is_archived)

    def _take(self, fragment: Fragment, *, is_archived: bool) -> None:
        kind = self.found.archived if is_archived else self.found.fragments
        if fragment.id not in kind:
            kind.add(fragment.id)
            self._named_by_gone.update(_keys(fragment))
            if not is_archived and fragment.seq > self._last_seq:
                self._named.update(_keys(fragment))  # it was made meanwhile

    async def _follow(self) -> None:
        """Take in the events of what goes, what else was made of them, and what points at it."""
        origins, self._origins = self._origins, {}
        fresh = await self._events_of(origins)
        if fresh:
            known = set(self.found.events)
            self.found.events |= fresh
            self._take_answers()
            await self._take_made_of(self.found.events - known)
        gone = self.found.gone
        while syntheses := {
            each
            for each, sources in self._sources.items()
            if each not in gone and not gone.isdisjoint(sources)
        }:
            found, archived = await self._fetch(syntheses)
            for fragment in found:
                self._take(fragment, is_archived=fragment.id in archived)
            gone |= syntheses
        pointing = {each for each, links in self._links.items() if not gone.isdisjoint(links)}
        self.found.archived_unlinked |= (pointing & self._archived) - gone
        self.found.unlinked |= (pointing & self._warm) - gone

    async def _take_echoes(self, number: int) -> None:
        """Take in what agents said of it, at whatever time, and what was made of that."""
        if not self.found.events:
            return
        fresh = await echoes(self._database, self._matcher, number=number, going=self.found.events)
        self.found.events |= fresh
        await self._take_made_of(fresh)
        await self._follow()

    async def _events_of(self, origins: dict[UUID, UUID]) -> set[UUID]:
        """Return which events go with what was made of them."""
        fresh: set[UUID] = set()
        wanted = [each for each in origins if each not in self.found.events]
        for some in batched(wanted, _AT_ONCE, strict=False):
            rows = await self._database.query(
                "SELECT * FROM $ids", {"ids": [RecordID("raw_event", each) for each in some]}
            )
            for row in rows:
                if row is None or row.get("erased_by") is not None:
                    continue
                msg_id = row["id"].id
                if not self._matcher.admits_event(row):
                    self.found.kept_events.add(msg_id)
                elif self._matcher.selector.fragment is None or await self._is_all(msg_id):
                    fresh.add(msg_id)
                else:
                    self.found.kept_events.add(msg_id)
        return fresh

    async def _is_all(self, event: UUID) -> bool:
        """Return whether nothing rests on an event but one fragment and what is in the same words.

        What others made of it, and other facts of the same sentence, are theirs to keep.
        """
        owners = {each.agent for each in (await self._fetch(self.found.gone))[0]}
        resting = await self._made_of([event])
        return all(
            fragment.id in self.found.gone
            or fragment.kind == "synthesis"
            or (fragment.kind == "episode" and fragment.agent in owners)
            for fragment, _ in resting
        )

    async def _take_made_of(self, events: set[UUID]) -> None:
        for fragment, is_archived in await self._made_of(events):
            self._take(fragment, is_archived=is_archived)

    async def _made_of(self, events: Iterable[UUID]) -> list[tuple[Fragment, bool]]:
        """Return what was made of events, each with whether it is archived."""
        events = list(events)
        made: list[tuple[Fragment, bool]] = []
        for some in batched(events, _AT_ONCE, strict=False):
            rows = await self._database.query(
                "SELECT * FROM fragment WHERE derived_from CONTAINSANY $events",
                {"events": list(some)},
            )
            made += [(fragment_of(row), False) for row in rows]
        if self._archive is not None and events:
            async for items in self._archive.select(Selection(origins=events)):
                made += [
                    (fragment, True)
                    for fragment, _ in items
                    if not set(fragment.derived_from).isdisjoint(events)
                ]
        return made

    async def _fetch(self, ids: Iterable[UUID]) -> tuple[list[Fragment], set[UUID]]:
        """Return fragments, and the ids of those that are archived."""
        wanted, found = list(ids), []
        for some in batched(wanted, _AT_ONCE, strict=False):
            rows = await self._database.query(
                "SELECT * FROM $ids", {"ids": [RecordID("fragment", each) for each in some]}
            )
            found += [fragment_of(row) for row in rows if row is not None]
        rest = set(wanted) - {each.id for each in found}
        archived: set[UUID] = set()
        if self._archive is not None and rest:
            items = await self._archive.fetch(rest, Scope(agent=None))
            found += [fragment for fragment, _ in items.values()]
            archived = set(items)
        return found, archived

    async def _nameless(self) -> set[tuple[UUID, str]]:
        """Return the entities that no fragment names any more once those found here go."""
        named: set[tuple[UUID, str]] = set()
        gone = self.found.gone
        for (agent, key), number in self._named_by_gone.items():
            ids = await self._database.query(
                "SELECT VALUE record::id(id) FROM fragment WHERE agent = $agent "
                # One more than go: whoever is named by many stays, and need not be counted.
                "AND (subject = $key OR about CONTAINS $key) LIMIT $most",
                {"agent": agent, "key": key, "most": number + 1},
            )
            if not gone.issuperset(ids):
                named.add((agent, key))
        left = self._named_by_gone.keys() - named
        if self._archive is not None and left:
            async for items in self._archive.select(Selection(about={key for _, key in left})):
                for fragment, _ in items:
                    if fragment.id not in gone:
                        left -= _keys(fragment)
        return left

    async def _rest(self, nameless: set[tuple[UUID, str]]) -> Decision:
        """Return which entities, relations and agents' values go.

        `nameless`: entities that nothing that stays speaks of.
        """
        rest, matcher = Decision(), self._matcher
        ended = set(self.found.entities)
        async for rows in pages(self._database, "entity"):
            for row in rows:
                agent, key = row["id"].id
                if (agent, key) in nameless or matcher.entity(agent, key, row["name"]):
                    rest.entities.add((agent, key))
                else:
                    ended.discard((agent, key))  # it went, and is spoken of anew
        ended |= rest.entities
        gone = self.found.gone
        async for rows in pages(self._database, "relation"):
            for row in rows:
                agent, source, kind, target = row["id"].id
                made_of = set(row["derived_from"])
                is_ended = not ended.isdisjoint({(agent, source), (agent, target)})
                is_meant = any(matcher.entity(agent, key, "") for key in (source, target))
                is_unfounded = bool(made_of) and made_of <= gone
                if is_ended or is_meant or is_unfounded:
                    rest.relations.add((agent, source, kind, target))
        async for rows in pages(self._database, "agent_state"):
            for row in rows:
                agent_id, key = row["id"].id
                if matcher.state(agent_id, f"{key}\n{strings_of(row['value'])}"):
                    rest.states.add((agent_id, key))
        return rest

    def _sample(self, content: str | None) -> None:
        if content and len(self.samples) < _SAMPLES and content not in self.samples:
            self.samples.append(content if len(content) <= 120 else f"{content[:119]}…")


def _keys(fragment: Fragment) -> set[tuple[UUID, str]]:
    keys = {*fragment.about, *([fragment.subject] if fragment.subject else [])}
    return {(fragment.agent, each) for each in keys}
