"""Erasing from the store: in small commits, each of which can be done again without harm."""

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from itertools import batched
from typing import Any, Protocol
from uuid import UUID, uuid7

from surrealdb import RecordID

from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.chain import ERASED, GENESIS, erased_numbers, seal
from hairem_core.memory.forget.decision import Decision
from hairem_core.memory.forget.tombstones import Tombstones
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.paging import pages
from hairem_core.memory.scope import Scope
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from hairem_core.sdk.message import MessageType, Priority

_EVENTS = 500
_AT_ONCE = 200
"""Events, and other rows, that one commit erases: others wait for it to write."""
_SENDER = "core:memory"
_ERASE = Statement(
    text="UPDATE $ids SET sender = NONE, speaker_name = NONE, recipient = NONE, "
    "conversation_id = NONE, content = NONE, data = NONE, pose_hint = NONE, salt = NONE, "
    "erased_by = $by RETURN NONE"
)


class Digests(Protocol):
    """What dreams say they did, as they keep it in memory."""

    async def forgotten(self, ids: set[UUID], mentions: Callable[[str], bool]) -> list[Statement]:
        """Return statements that take fragments, and texts with these words, out of all digests."""
        ...


class Erasure:
    """Carries out a decision. What is gone already is passed over."""

    def __init__(self, store: MemoryStore, decision: Decision, gone: set[UUID]) -> None:
        """`gone`: all fragments that go, also by decisions before this one."""
        self._store = store
        self._decision = decision
        self._gone = gone
        self._tombstones = Tombstones(store.database)

    async def events(self) -> None:
        """Empty events; each commit adds one that says which."""
        for some in batched(sorted(self._decision.events), _EVENTS, strict=False):

            async def build(head: Head, some: tuple[UUID, ...] = some) -> Change | None:
                return await self._emptied(head, some)

            await self._store.writer.commit(build)
        self._store.let_go(self._decision.events)

    async def _emptied(self, head: Head, events: Iterable[UUID]) -> Change | None:
        """Return the change that empties events, of those that are not empty yet."""
        rows = await self._store.database.query(
            "SELECT * FROM $ids", {"ids": [RecordID("raw_event", each) for each in events]}
        )
        found = [row for row in rows if row is not None and row.get("erased_by") is None]
        if not found:
            return None
        number = head.number + 1
        numbers = [row["number"] for row in found]
        said = seal(self._said(numbers), number, head.hash or GENESIS)
        variables = {"ids": [row["id"] for row in found], "by": number}
        return Change(
            events=[{**said, "id": RecordID("raw_event", said["id"])}],
            statements=[replace(_ERASE, variables=variables)],
            episodes=number if head.episodes == head.number else None,
        )

    async def fragments(self) -> None:
        """Remove fragments with their vectors, and links to them from those that stay.

        What was replaced stays so when what replaced it goes. Those in the archive get their
        tombstones here, before they go from there.
        """
        # Wherever they are now: they may have been archived or fetched back since.
        for some in batched(sorted(self._decision.gone), _AT_ONCE, strict=False):

            async def build(head: Head, some: tuple[UUID, ...] = some) -> Change:
                found = await self._store.fragments.fetch(some, Scope(agent=None))
                return Change(
                    removed=list(found.values()),
                    statements=await self._tombstones.put("fragment", some),
                )

            await self._store.writer.commit(build)
        for some in batched(sorted(self._decision.unlinked), _AT_ONCE, strict=False):

            async def unlink(head: Head, some: tuple[UUID, ...] = some) -> Change:
                found = await self._store.fragments.fetch(some, Scope(agent=None))
                return Change(changed=list(self._unlinked(found.values())))

            await self._store.writer.commit(unlink)

    async def graph(self) -> set[tuple[UUID, str, str, str]]:
        """Remove entities and relations, what relations rest on, and agents' own values.

        Return the relations that had to go besides, as nothing is left that they rest on.
        """
        decision = self._decision
        await self._delete("entity", decision.entities)
        await self._delete("relation", decision.relations)
        await self._delete("agent_state", decision.states)
        unfounded: set[tuple[UUID, str, str, str]] = set()
        async for rows in pages(self._store.database, "relation"):
            ids = [row["id"] for row in rows if self._rests_on_gone(row)]
            for some in batched(ids, _AT_ONCE, strict=False):

                async def build(head: Head, some: tuple[RecordID, ...] = some) -> Change:
                    change, bare = await self._reduced(some)
                    unfounded.update(bare)
                    return change

                await self._store.writer.commit(build)
        self._store.let_go(())
        return unfounded

    async def digests(self, digests: Digests | None, words: Callable[[str], bool]) -> int:
        """Take out of what dreams say they did whatever mentions it; return of how many."""
        ids = {str(each) for each in self._gone}
        changed = 0

        def mentions(text: str) -> bool:
            return text in ids or words(text)

        async def build(head: Head) -> Change:
            nonlocal changed
            kept = [] if digests is None else await digests.forgotten(self._gone, words)
            written = {each.variables["id"].id for each in kept}
            # The rest is not kept in memory, or was taken out of it at an earlier attempt.
            for row in await self._store.database.query("SELECT * FROM dream"):
                texts = {key: row[key] for key in ("progress", "digest") if row.get(key)}
                less = {key: without(text, mentions) for key, text in texts.items()}
                if less != texts and row["id"].id not in written:
                    kept.append(_set(row["id"], less))
            changed = len(kept)
            return Change(statements=kept)

        await self._store.writer.commit(build)
        return changed

    async def archived(self, archive: ColdArchive) -> None:
        """Remove archived fragments, and links to them. Raises ArchiveUnavailable."""
        unlinked = await archive.fetch(self._decision.archived_unlinked, Scope(agent=None))
        vectors = {each: vector for each, (_, vector) in unlinked.items()}
        changed = list(self._unlinked(fragment for fragment, _ in unlinked.values()))
        await archive.put([(each, vectors[each.id]) for each in changed])
        await archive.remove(self._gone)

    def _unlinked(self, fragments: Iterable[Fragment]) -> Iterable[Fragment]:
        for each in fragments:
            links = {"replaces_id": each.replaces_id, "replaced_by": each.replaced_by}
            cut: dict[str, Any] = {name: None for name, to in links.items() if to in self._gone}
            if cut:
                yield replace(each, **cut)

    def _rests_on_gone(self, row: dict[str, Any]) -> bool:
        return not self._gone.isdisjoint(row["derived_from"])

    async def _reduced(
        self, ids: Iterable[RecordID]
    ) -> tuple[Change, set[tuple[UUID, str, str, str]]]:
        """Return the change that takes what goes from under relations, and which go with it."""
        rows = await self._store.database.query("SELECT * FROM $ids", {"ids": list(ids)})
        change = Change()
        unfounded: set[tuple[UUID, str, str, str]] = set()
        for row in rows:
            if row is None or not self._rests_on_gone(row):
                continue
            left = [each for each in row["derived_from"] if each not in self._gone]
            if not left:
                agent, source, kind, target = row["id"].id
                unfounded.add((agent, source, kind, target))
                continue
            lost = len(row["derived_from"]) - len(left)
            weight = weight_without(row["weight"], lost)
            change.statements.append(_set(row["id"], {"derived_from": left, "weight": weight}))
        change.statements += await self._deleted("relation", unfounded)
        return change, unfounded

    async def _delete(self, table: str, keys: Iterable[tuple[Any, ...]]) -> None:
        for some in batched(keys, _AT_ONCE, strict=False):

            async def build(head: Head, some: tuple[tuple[Any, ...], ...] = some) -> Change:
                return Change(statements=await self._deleted(table, some))

            await self._store.writer.commit(build)

    async def _deleted(self, table: str, keys: Collection[tuple[Any, ...]]) -> list[Statement]:
        """Return statements that delete rows, and leave their fingerprints."""
        if not keys:
            return []
        records = [RecordID(table, list(each)) for each in keys]
        gone = Statement(text="DELETE $ids RETURN NONE", variables={"ids": records})
        return [*await self._tombstones.put(table, keys), gone]

    def _said(self, numbers: Iterable[int]) -> dict[str, Any]:
        return {
            "id": uuid7(),
            "agents": [],
            "at": self._store.clock(),
            "sender": _SENDER,
            "recipient": _SENDER,
            "type": MessageType.RAW.value,
            "topic": ERASED,
            "priority": Priority.P3.value,
            "hops": 0,
            "speech": False,
            "content": "",
            "data": erased_numbers(numbers),
        }


def _set(record: RecordID, values: dict[str, Any]) -> Statement:
    sets = ", ".join(f"{name} = ${name}" for name in values)
    return Statement(text=f"UPDATE $id SET {sets} RETURN NONE", variables={"id": record, **values})  # noqa: S608


def weight_without(weight: float, lost: int) -> float:
    """Return what a relation weighs when so many of the fragments are gone that say so."""
    return float(max(weight - lost, min(weight, 1.0)))


def without(text: str, mentions: Callable[[str], bool]) -> str:
    """Return JSON without entries of lists that mention something; other such strings are empty."""
    try:
        value = json.loads(text)
    except ValueError:
        return "" if mentions(text) else text
    less = _scrubbed(value, mentions)
    return text if less == value else json.dumps(less, ensure_ascii=False)


def _scrubbed(value: object, mentions: Callable[[str], bool]) -> object:
    match value:
        case str():
            return "" if mentions(value) else value
        case dict():
            return {key: _scrubbed(each, mentions) for key, each in value.items()}
        case list():
            kept = [each for each in value if not (isinstance(each, dict) and _any(each, mentions))]
            left = [each for each in kept if not (isinstance(each, str) and mentions(each))]
            return [_scrubbed(each, mentions) for each in left]
    return value


def _any(value: object, mentions: Callable[[str], bool]) -> bool:
    match value:
        case str():
            return mentions(value)
        case dict():
            return any(_any(each, mentions) for each in value.values())
        case list():
            return any(_any(each, mentions) for each in value)
    return False
