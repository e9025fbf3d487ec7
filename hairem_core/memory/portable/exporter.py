"""Writing a store as lines, a page at a time, while others go on writing to it."""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from importlib.metadata import version
from itertools import batched
from typing import Any
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.archive.selection import Selection
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.errors import MemoryRefused
from hairem_core.memory.fragment import Embedding, Fragment
from hairem_core.memory.paging import PAGE, numbered, pages
from hairem_core.memory.portable.lines import (
    AgentLine,
    DreamLine,
    EndLine,
    EntityLine,
    EventLine,
    FragmentLine,
    HeaderLine,
    RelationLine,
    Scope,
    StateLine,
)
from hairem_core.memory.rows import fragment_of
from hairem_core.memory.store import MemoryStore

type _Written = (
    HeaderLine
    | EventLine
    | FragmentLine
    | EntityLine
    | RelationLine
    | AgentLine
    | StateLine
    | DreamLine
)


async def export(
    store: MemoryStore,
    *,
    archive: ColdArchive | None = None,
    agent: str | None = None,
    with_embeddings: bool = True,
) -> AsyncGenerator[bytes]:
    """Yield a store as an export: everything, or what concerns one agent, given its id.

    What is recorded after it was begun is left out, and what ceased to hold since holds in it; what
    is forgotten meanwhile may be in it, and how often something was of use. It takes the same
    little memory however much there is. Raises MemoryRefused for an agent that memory does not
    know, MemoryUnavailable, ArchiveUnavailable.
    """
    if agent is not None and not store.names.meant(agent):
        known = sorted(set(store.names.all().values()))
        raise MemoryRefused(
            f"memory knows no agent {agent!r}", hint=f"It knows: {', '.join(known)}."
        )
    exporter = _Exporter(store, archive, agent, with_embeddings=with_embeddings)
    digest, counts = hashlib.sha256(), Counter[str]()
    async for lines in exporter.lines():
        chunk = b"".join(each.to_bytes() for each in lines)
        counts.update(each.line for each in lines)
        digest.update(chunk)
        if chunk:
            yield chunk
    end = EndLine(
        counts=dict(counts),
        number=exporter.number,
        hash=exporter.hash,
        sha256=digest.digest(),
    )
    yield end.to_bytes()


class _Exporter:
    def __init__(
        self,
        store: MemoryStore,
        archive: ColdArchive | None,
        agent: str | None,
        *,
        with_embeddings: bool,
    ) -> None:
        self._store = store
        self._archive = archive
        self._agent = agent
        self._agents = store.names.meant(agent) if agent is not None else None
        self._with_embeddings = with_embeddings
        self._head = store.writer.head
        self._began = store.clock()
        self.number = 0
        """Of the last event of the chain that was read."""
        self.hash: bytes | None = None

    async def lines(self) -> AsyncGenerator[list[_Written]]:
        yield [
            HeaderLine(
                hairem=version("hairem"),
                made_at=self._began,
                agent=self._scope(),
                interpreted=min(self._head.interpreted, self._head.number),
            )
        ]
        for part in (
            self._agent_lines,
            self._events,
            self._fragments,
            self._archived,
            self._restored,
            self._entities,
            self._relations,
            self._states,
            self._dreams,
        ):
            async for lines in part():
                yield lines

    async def _agent_lines(self) -> AsyncGenerator[list[_Written]]:
        rows = await self._store.database.query("SELECT * FROM agent")
        yield [
            AgentLine(id=row["id"].id, name=row["name"])
            for row in rows
            if self._is_meant(row["id"].id)
        ]

    async def _events(self) -> AsyncGenerator[list[_Written]]:
        until = self._head.number
        while self.number < until:
            rows = await self._store.database.query(
                "SELECT * FROM raw_event WHERE number >= $first AND number <= $last",
                {"first": self.number + 1, "last": min(until, self.number + PAGE)},
            )
            if not rows:
                return  # the chain is cut: whoever verifies it will say so
            rows.sort(key=lambda row: row["number"])
            lines: list[_Written] = []
            for row in rows:
                # What was forgotten since needs the event that says so.
                if (row.get("erased_by") or 0) > until:
                    until = self._store.writer.head.number
                if self._agent is None or self._agent in row["agents"]:
                    lines.append(_event(row, self.hash))
                self.number, self.hash = row["number"], row["hash"]
            yield lines

    async def _fragments(self) -> AsyncGenerator[list[_Written]]:
        numbers = range(1, self._head.seq + 1)
        async for rows in numbered(self._store.database, "fragment", "seq", numbers):
            found = [fragment_of(row) for row in rows if self._is_meant(row["agent"])]
            found.sort(key=lambda each: each.seq)
            found = await self._as_they_were(found)
            vectors = await self._vectors(each.id for each in found)
            yield [FragmentLine.of(each, vectors.get(each.id)) for each in found]

    async def _as_they_were(self, found: list[Fragment]) -> list[Fragment]:
        """Have those hold again that ceased to since this was begun."""
        ended = [each for each in found if each.rev > self._head.rev and not each.is_valid]
        if not ended:
            return found
        ids = [RecordID("fragment", each.replaced_by) for each in ended if each.replaced_by]
        rows = await self._store.database.query("SELECT * FROM $ids", {"ids": ids})
        successors = {row["id"].id: fragment_of(row) for row in rows if row}

        def is_late(each: Fragment) -> bool:
            if each.replaced_by is None:
                return each.valid_to is not None and each.valid_to >= self._began
            if (new := successors.get(each.replaced_by)) is None:
                return False
            # What it was merged into is older, and may be in the export as it was before.
            is_merged = new.replaces_id != each.id and new.rev >= each.rev
            return is_merged or new.seq > self._head.seq

        held = {each.id for each in ended if is_late(each)}
        return [
            replace(each, valid_to=None, replaced_by=None) if each.id in held else each
            for each in found
        ]

    async def _vectors(self, ids: Iterable[UUID]) -> dict[UUID, Embedding]:
        records = [RecordID("embedding", each) for each in ids]
        if not self._with_embeddings or not records:
            return {}
        rows = await self._store.database.query("SELECT * FROM $ids", {"ids": records})
        found = [row for row in rows if row is not None]
        return {
            row["id"].id: Embedding(
                fragment_id=row["id"].id, model=row["model"], vector=bytes(row["vector"])
            )
            for row in found
        }

    async def _archived(self) -> AsyncGenerator[list[_Written]]:
        if self._archive is None:
            return
        async for items in self._archive.select(Selection(agents=self._agents)):
            # What was forgotten while the archive was away is there until that is finished.
            gone = await self._store.fragments.forgotten([each.id for each, _ in items])
            left = [item for item in items if item[0].id not in gone]
            for some in batched(left, PAGE, strict=False):
                yield [
                    FragmentLine.of(each, vector if self._with_embeddings else None, "archived")
                    for each, vector in some
                ]

    async def _restored(self) -> AsyncGenerator[list[_Written]]:
        """Yield what came back from the archive since this was begun: it was in neither part."""
        if self._archive is None:
            return
        for start in range(self._head.seq, self._store.writer.head.seq, PAGE):
            rows = await self._store.database.query(
                "SELECT * FROM fragment WHERE seq >= $first AND seq <= $last "
                # What is new was not of use yet: the clock, which may be put back, is not asked.
                "AND at < $began AND last_used > at",
                {"first": start + 1, "last": start + PAGE, "began": self._began},
            )
            found = [fragment_of(row) for row in rows if self._is_meant(row["agent"])]
            vectors = await self._vectors(each.id for each in found)
            yield [FragmentLine.of(each, vectors.get(each.id)) for each in found]

    async def _entities(self) -> AsyncGenerator[list[_Written]]:
        async for rows in pages(self._store.database, "entity"):
            yield [
                EntityLine(
                    agent=row["id"].id[0],
                    key=row["id"].id[1],
                    **{name: row[name] for name in ("name", "kind", "mentions", "last_at")},
                )
                for row in rows
                if self._is_meant(row["id"].id[0])
            ]

    async def _relations(self) -> AsyncGenerator[list[_Written]]:
        async for rows in pages(self._store.database, "relation"):
            yield [
                RelationLine(
                    **dict(zip(("agent", "source", "kind", "target"), row["id"].id, strict=True)),
                    weight=row["weight"],
                    last_at=row["last_at"],
                    derived_from=tuple(row["derived_from"]),
                )
                for row in rows
                if self._is_meant(row["id"].id[0])
            ]

    async def _states(self) -> AsyncGenerator[list[_Written]]:
        async for rows in pages(self._store.database, "agent_state"):
            yield [
                StateLine(agent=row["id"].id[0], key=row["id"].id[1], value=row["value"])
                for row in rows
                if self._agent is None or row["id"].id[0] == self._agent
            ]

    async def _dreams(self) -> AsyncGenerator[list[_Written]]:
        if self._agent is not None:
            return  # a digest tells of every agent
        ids = await self._store.database.query("SELECT VALUE id FROM dream")
        for each in ids:
            for row in await self._store.database.query("SELECT * FROM $id", {"id": each}):
                if row is not None and row["state"] == "done":
                    yield [
                        DreamLine(
                            id=row["id"].id,
                            started_at=row["started_at"],
                            finished_at=row.get("finished_at"),
                            progress=row["progress"],
                            digest=row.get("digest"),
                        )
                    ]

    def _scope(self) -> Scope | None:
        if self._agent is None or self._agents is None:
            return None
        return Scope(id=self._agent, uuid=min(self._agents))

    def _is_meant(self, agent: UUID) -> bool:
        return self._agents is None or agent in self._agents


def _event(row: dict[str, Any], previous: bytes | None) -> EventLine:
    names = EventLine.model_fields.keys() - {"line", "previous", "id"}
    values = {name: row[name] for name in names if row.get(name) is not None}
    for name in ("salt", "body_hash", "hash"):
        if name in values:
            values[name] = bytes(values[name])
    return EventLine.model_construct(id=row["id"].id, previous=previous, **values)
