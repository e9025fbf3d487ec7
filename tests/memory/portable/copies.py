"""Exports, imports and comparisons of stores, as tests need them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid7

from hairem_core.memory.fragment import Embedding, Entity, Fragment, Relation
from hairem_core.memory.portable.exporter import export
from hairem_core.memory.portable.importer import import_
from hairem_core.memory.portable.report import ImportReport
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from tests.memory.messages import answered, said

TABLES = ("raw_event", "fragment", "embedding", "entity", "relation", "agent", "agent_state")


async def exported(store: MemoryStore, **options: Any) -> bytes:
    return b"".join([chunk async for chunk in export(store, **options)])


async def chunks(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def imported(
    store: MemoryStore, data: bytes, *, size: int = 10_000, **options: Any
) -> ImportReport:
    return await import_(store, chunks(data, size), **options)


async def contents(store: MemoryStore) -> dict[str, Any]:
    """Return all that two equal stores have in common: everything but numbers of commits."""
    found: dict[str, Any] = {}
    for table in TABLES:
        rows = await store.database.query(f"SELECT * FROM {table}")
        for row in rows:
            row["id"] = row["id"].id
            for name in ("rev", "seq"):
                row.pop(name, None)
        kept = [{key: value for key, value in row.items() if value is not None} for row in rows]
        found[table] = sorted(kept, key=lambda row: str(row["id"]))
    return found


async def fill(store: MemoryStore, number: int = 12) -> list[UUID]:
    """Put something of everything into a store; return the ids of facts, the last replaced."""
    messages = []
    for each in range(number):
        question = said(f'Élodie\'s drawer {each} holds "a thing"\n🦊', by=f"user:u{each % 3}")
        messages += [question, answered(question, f"so drawer {each} it is")]
    await asyncio.gather(*map(store.record, messages))
    await store.record(said("only for electra", to="agent:electra"))
    agent = store.names.identify("renarde")
    at = store.clock()

    def fact(content: str, **more: Any) -> Fragment:
        values: dict[str, Any] = {
            "id": uuid7(),
            "agent": agent,
            "kind": "fact",
            "content": content,
            "at": at,
            "last_used": at,
            "valid_from": at,
            "subject": "name:elodie",
            "about": ("name:elodie",),
            "slot": "drawer",
            "importance": 1 / 3,
            "confidence": 1,
            "visibility": "shared",
        }
        return Fragment(**(values | more))

    old = fact("drawer 1", derived_from=(messages[-2].header.msg_id,))
    new = fact("drawer 2", replaces_id=old.id, uses=7, pinned=True)
    old = old.closed(at, new.id)
    synthesis = fact("drawers", kind="synthesis", sources=(old.id, new.id), slot=None)

    async def build(head: Head) -> Change:
        return Change(
            added=[old, new, synthesis],
            embeddings=[
                (each, Embedding(fragment_id=each.id, model="m", vector=bytes(range(16))))
                for each in (old, new)
            ],
            entities=[Entity(agent=agent, key="name:elodie", name="Élodie", last_at=at)],
            relations=[
                Relation(
                    agent=agent,
                    kind="trusts",
                    source="name:elodie",
                    target="user:u1",
                    last_at=at,
                    weight=2.5,
                    derived_from=(old.id,),
                )
            ],
        )

    await store.writer.commit(build)
    await store.set_state("renarde", "mood", {"calm": [None, 1.5, "é"]})
    return [new.id, synthesis.id, old.id]
