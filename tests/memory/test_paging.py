"""A table is read a page at a time, whatever is done to it meanwhile."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from surrealdb import RecordID

from hairem_core.memory.fragment import Entity
from hairem_core.memory.paging import PAGE, numbered, pages
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from tests.memory.messages import said

AT = datetime(2026, 5, 1, tzinfo=UTC)


async def commit(store: MemoryStore, change: Change) -> None:
    async def build(head: Head) -> Change:
        return change

    await store.writer.commit(build)


async def test_every_row_comes_once_while_others_go(store: MemoryStore) -> None:
    agents = sorted(uuid4() for _ in range(2))
    keys = [(agent, f"name:é {number:04}") for agent in agents for number in range(PAGE)]
    entities = [Entity(agent=agent, key=key, name=key, last_at=AT) for agent, key in keys]
    await commit(store, Change(entities=entities))
    read: list[tuple[UUID, str]] = []

    async for rows in pages(store.database, "entity"):
        assert 0 < len(rows) <= PAGE
        read += [tuple(row["id"].id) for row in rows]
        # Where the next page begins is gone before it is asked for.
        gone = Statement(text="DELETE $id", variables={"id": RecordID("entity", list(read[-1]))})
        await commit(store, Change(statements=[gone]))

    assert read == keys


async def test_of_an_empty_table_there_is_no_page(store: MemoryStore) -> None:
    assert [rows async for rows in pages(store.database, "relation")] == []


async def test_a_last_page_of_one_number_is_not_lost(store: MemoryStore) -> None:
    for number in range(8):
        await store.record(said(f"thing {number}"))
    for at_once in (1, 3, 7, 8, 9):
        for first in (1, 2, 8):
            read = [
                row["number"]
                async for rows in numbered(
                    store.database, "raw_event", "number", range(first, 9), at_once=at_once
                )
                for row in rows
            ]
            assert sorted(read) == list(range(first, 9))
