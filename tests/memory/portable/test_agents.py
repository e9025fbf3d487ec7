"""Agents of an import: known at once, and found by their name whichever house gave it."""

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from hairem_core.api.memory import MemoryViews
from hairem_core.api.memory_models import ForgetOrder, GraphQuery, SearchQuery
from hairem_core.config.system import MemoryConfig
from hairem_core.memory.fragment import Entity
from hairem_core.memory.portable.importer import import_
from hairem_core.memory.scope import Scope
from hairem_core.memory.service import MemoryService
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from tests.memory.portable.copies import exported, imported

THEIRS, OURS = uuid4(), uuid4()


@pytest.fixture
def url(folder_url: str) -> str:
    return folder_url


@pytest.fixture
async def other(tmp_path: Path) -> AsyncGenerator[MemoryStore]:
    """A house in which fern has a UUID of its own."""
    opened = await MemoryStore.open(f"surrealkv://{tmp_path / 'other'}", identify=_theirs)
    await opened.remember("fern", "the ladder is in the barn")
    yield opened
    await opened.close()


def _theirs(agent_id: str) -> UUID | None:
    return THEIRS if agent_id == "fern" else None


def _ours(agent_id: str) -> UUID | None:
    return OURS if agent_id == "fern" else None


async def test_an_agent_is_known_also_where_the_import_was_broken_off(
    store: MemoryStore, other: MemoryStore
) -> None:
    data = await exported(other)

    async def leaving() -> AsyncIterator[bytes]:
        for each in data.splitlines(keepends=True):
            yield each
            if each.startswith(b'{"line":"fragment"'):
                raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await import_(store, leaving())

    assert store.names.identify("fern") == THEIRS


THEIR_NOTE, OUR_NOTE, ELECTRAS = "the ladder is in the barn", "the barn is red", "a barn owl"


@pytest.fixture
async def both(tmp_path: Path, other: MemoryStore) -> AsyncGenerator[MemoryService]:
    """A house with a fern of its own, which took in the other's; one note of each is archived."""
    opened = await MemoryService.open(tmp_path / "both", MemoryConfig(), identify=_ours)
    await opened.store.remember("fern", OUR_NOTE)
    await opened.store.remember("electra", ELECTRAS)
    await opened.store.remember("fern", f"{OUR_NOTE}, archived")
    await other.remember("fern", f"{THEIR_NOTE}, archived")
    report = await imported(opened.store, await exported(other))
    assert f"fern is {THEIRS} in the file" in report.notes[0]
    for agent in (THEIRS, OURS):
        await _named(opened.store, agent)
    ids = await opened.store.database.query("SELECT VALUE record::id(id) FROM fragment")
    found = (await opened.store.fragments.fetch(ids, Scope(agent=None))).values()
    assert await opened.mover.archive([each for each in found if "archived" in each.content]) == 2
    yield opened
    await opened.close()


async def _named(store: MemoryStore, agent: UUID) -> None:
    async def build(head: Head) -> Change:
        at = store.clock()
        return Change(entities=[Entity(agent=agent, key="thing:barn", name="barn", last_at=at)])

    await store.writer.commit(build)


async def _held(service: MemoryService) -> set[str]:
    rows = set(await service.store.database.query("SELECT VALUE content FROM fragment"))
    ids = [each async for page in service.archive.all_ids() for each in page]
    archived = await service.archive.fetch(ids, Scope(agent=None))
    return rows | {fragment.content for fragment, _ in archived.values()}


OF_FERN = {THEIR_NOTE, OUR_NOTE, f"{THEIR_NOTE}, archived", f"{OUR_NOTE}, archived"}


async def test_all_of_a_name_is_forgotten(both: MemoryService) -> None:
    assert await _held(both) == OF_FERN | {ELECTRAS}
    order = ForgetOrder(agent="fern", dry_run=False)

    await MemoryViews(both, "en").forget(order)

    assert await _held(both) == {ELECTRAS}
    assert await both.store.database.query("SELECT * FROM entity") == []


async def test_all_of_a_name_is_exported(both: MemoryService, store: MemoryStore) -> None:
    data = await exported(both.store, archive=both.archive, agent="fern")

    assert all(each.encode() in data for each in OF_FERN)
    assert ELECTRAS.encode() not in data
    await imported(store, data, archive=both.archive)
    assert store.names.called("fern") == {THEIRS, OURS}


async def test_all_of_a_name_is_shown(both: MemoryService) -> None:
    views = MemoryViews(both, "en")

    async def found(**query: Any) -> set[str]:
        answer = await views.search(SearchQuery(q="barn", agent="fern", limit=20, **query))
        return {each.content for each in answer.results}

    assert await found() == {THEIR_NOTE, OUR_NOTE}
    assert await found(archived=True) == OF_FERN
    graph = await views.graph(GraphQuery(agent="fern"))
    assert [each.agent for each in graph.entities] == ["fern", "fern"]
    stats = await views.stats()
    assert (stats.agents["fern"]["fragments"], stats.agents["electra"]["fragments"]) == (2, 1)


async def test_who_gets_new_memories_stays_one(both: MemoryService) -> None:
    await both.store.remember("fern", "the barn has a new roof")
    found = await both.store.recall("fern", "what of the barn?", limit=5)
    assert {each.content for each in found} == {OUR_NOTE, "the barn has a new roof"}
