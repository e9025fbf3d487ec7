"""What goes out comes in again, the same, on whichever engine, as often as one likes."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.chain import ChainCheck, event_hash
from hairem_core.memory.errors import MemoryRefused
from hairem_core.memory.forget.forgetter import Forgetter
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.fragment import Entity, Fragment, Relation
from hairem_core.memory.portable import exporter
from hairem_core.memory.portable.exporter import export
from hairem_core.memory.portable.lines import EventLine
from hairem_core.memory.scope import Scope
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from tests.memory.messages import said
from tests.memory.portable.copies import contents, exported, fill, imported


@pytest.fixture
async def other(tmp_path: Path) -> AsyncGenerator[MemoryStore]:
    opened = await MemoryStore.open(f"surrealkv://{tmp_path / 'other'}")
    yield opened
    await opened.close()


async def test_there_and_back(store: MemoryStore, other: MemoryStore, tmp_path: Path) -> None:
    # `store` is on each of the engines in turn: there from one, and back to it.
    await fill(other)
    expected = await contents(other)
    data = await exported(other)

    there = await imported(store, data)

    assert there.is_whole, there.problems
    assert there.chain == "kept"
    assert await contents(store) == expected
    assert store.writer.head.hash == other.writer.head.hash
    assert isinstance(await store.events.verify(), ChainCheck)
    back = await MemoryStore.open(f"surrealkv://{tmp_path / 'back'}")
    try:
        again = await exported(store)
        assert (await imported(back, again)).is_whole
        assert await contents(back) == expected
        found = await back.recall("renarde", "which drawer?", limit=5, kinds=["fact"])
        assert [each.content for each in found] == ["drawer 2"]
        await back.record(said("life goes on"))
        assert isinstance(await back.events.verify(), ChainCheck)
    finally:
        await back.close()


async def test_a_graph_of_many_pages(store: MemoryStore, other: MemoryStore) -> None:
    agents = [other.names.identify(each) for each in ("renarde", "electra")]
    at = other.clock()
    odd = ["name:o'neill", 'thing:a "b"', "name:{'x'}", "name:élodie 🦊", "name:a\\b", "name:[1,2]"]
    keys = odd + [f"name:{number}" for number in range(700)]

    async def build(head: Head) -> Change:
        return Change(
            entities=[
                Entity(agent=agent, key=key, name=key, last_at=at)
                for agent in agents
                for key in keys
            ],
            relations=[
                Relation(agent=agent, kind="about", source=key, target=keys[0], last_at=at)
                for agent in agents
                for key in keys
            ],
        )

    await other.writer.commit(build)
    report = await imported(store, await exported(other))
    assert report.tallies["entity"].added == report.tallies["relation"].added == 1_412
    assert await contents(store) == await contents(other)
    assert await exported_lines(store) == await exported_lines(other)


async def exported_lines(store: MemoryStore) -> list[bytes]:
    lines = (await exported(store)).splitlines()
    return sorted(each for each in lines if each.startswith((b'{"line":"entity"', b'{"line":"rel')))


async def test_a_second_import_changes_nothing(store: MemoryStore, other: MemoryStore) -> None:
    await fill(other)
    data = await exported(other)
    first = await imported(store, data)
    before, head = await contents(store), store.writer.head

    second = await imported(store, data, size=7)

    assert first.added > 40
    assert second.added == 0
    assert second.is_whole
    assert await contents(store) == before
    assert store.writer.head == head


async def test_into_a_store_with_a_life_of_its_own(store: MemoryStore, other: MemoryStore) -> None:
    await fill(other)
    await store.record(said("the piano was mine"))
    await store.set_state("renarde", "mood", "grim")

    report = await imported(store, await exported(other))

    assert report.is_whole, report.problems
    assert report.chain == "appended"
    assert isinstance(await store.events.verify(), ChainCheck)
    assert store.writer.head.number == 1 + other.writer.head.number
    found = await store.recall("renarde", "which drawer?", limit=5, kinds=["fact"])
    assert [each.content for each in found] == ["drawer 2"]
    assert await store.recall("renarde", "whose piano?", limit=1)
    assert await store.get_state("renarde", "mood") == "grim"
    head = store.writer.head
    assert (await imported(store, await exported(other))).added == 0
    assert store.writer.head == head


async def test_one_agent_alone(store: MemoryStore, other: MemoryStore) -> None:
    await fill(other)
    data = await exported(other, agent="electra")

    assert b"electra" in data
    assert b"drawer" not in data
    report = await imported(store, data)
    assert report.is_whole, report.problems
    (found,) = await store.recall("electra", "what is only for electra?", limit=5)
    assert found.content == "only for electra"
    with pytest.raises(MemoryRefused, match="knows no agent 'nobody'"):
        await exported(other, agent="nobody")


async def test_the_hashes_of_one_agents_events_can_be_checked(other: MemoryStore) -> None:
    await fill(other)
    await other.record(said("more for electra", to="agent:electra"))
    lines = [json.loads(each) for each in (await exported(other, agent="electra")).splitlines()]
    events = [EventLine.model_validate_json(json.dumps(e)) for e in lines if e["line"] == "event"]
    assert len(events) == 2
    assert events[1].previous == events[0].hash
    for each in events:
        assert each.previous is not None
        assert event_hash(each.row(), each.previous) == each.hash


async def test_the_archive_comes_along(
    store: MemoryStore, other: MemoryStore, tmp_path: Path
) -> None:
    await fill(other)
    here = await ColdArchive.open(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    there = await ColdArchive.open(f"sqlite+aiosqlite:///{tmp_path / 'b.db'}")
    rows = await other.database.query("SELECT VALUE id FROM fragment")
    kept = await other.fragments.fetch([rows[0].id], Scope(agent=None))
    fragment: Fragment = next(iter(kept.values()))
    await here.put([(fragment, None)])
    data = await exported(other, archive=here)
    try:
        # It is on its way to the archive: where it is already, it is not doubled.
        assert (await imported(store, data, archive=there)).is_whole
        assert (await there.statistics())["fragments"] == 0
        assert b'"archived"' in data
    finally:
        await here.close()
        await there.close()


async def test_what_was_erased_stays_erased(store: MemoryStore, other: MemoryStore) -> None:
    await fill(other)
    before = await exported(other)
    await Forgetter(other).forget(Selector(person="user:u1"))
    after = await exported(other)
    assert b"drawer 1 " not in after

    report = await imported(store, after)

    assert report.is_whole, (report.problems, report.chain_break)
    assert await contents(store) == await contents(other)
    check = await store.events.verify()
    assert isinstance(check, ChainCheck)
    assert check.erased > 0
    # An export from before does not bring it back.
    again = await imported(store, before)
    assert again.tallies["fragment"].left_out > 0
    assert b"drawer 1 " not in await exported(store)


async def test_what_is_written_meanwhile_is_left_out(other: MemoryStore) -> None:
    await fill(other, 700)
    lines = export(other)
    data = await anext(lines)
    replaced = (await other.recall("renarde", "drawer 2", limit=1, kinds=["fact"]))[0].fragment_id
    assert replaced is not None
    await other.record(said("too late"))
    await other.remember("renarde", "a cupboard", replaces=replaced)
    data += b"".join([chunk async for chunk in lines])

    assert b"too late" not in data
    assert b"a cupboard" not in data
    held = [json.loads(each) for each in data.splitlines() if str(replaced).encode() in each]
    (line,) = [each for each in held if each.get("id") == str(replaced)]
    assert "valid_to" not in line
    assert "replaced_by" not in line


async def test_what_ceases_to_hold_meanwhile_holds_in_it(store: MemoryStore) -> None:
    await fill(store)
    late, early = [
        (await store.recall("renarde", f"drawer {number} holds", limit=1, kinds=["episode"]))[0]
        for number in (3, 4)
    ]
    long_ago = store.clock()
    await _close(store, early.fragment_id, long_ago)
    lines = export(store)
    data = await anext(lines)
    await _close(store, late.fragment_id, store.clock())
    await _close(store, early.fragment_id, long_ago)  # changed meanwhile, and closed before
    data += b"".join([chunk async for chunk in lines])

    found = {line.get("id"): line for line in map(json.loads, data.splitlines())}
    assert "valid_to" not in found[str(late.fragment_id)]
    assert "valid_to" in found[str(early.fragment_id)]


async def _close(store: MemoryStore, fragment_id: UUID | None, at: datetime) -> None:
    await _changed(store, (await _fragment(store, fragment_id)).closed(at, None))


@pytest.mark.parametrize("is_of_use", [False, True])
async def test_what_is_merged_meanwhile_is_in_it(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, is_of_use: bool
) -> None:
    monkeypatch.setattr(exporter, "PAGE", 1)
    kept = await store.remember("renarde", "the key is in the shed")
    doubled = await store.remember("renarde", "The key is in the shed.", pinned=True)
    keeper, other = [await _fragment(store, each.fragment_id) for each in (kept, doubled)]

    data = b""
    async for chunk in export(store):
        data += chunk
        if b'"line":"fragment"' in chunk and (await _fragment(store, other.id)).is_valid:
            merged = replace(keeper, pinned=True)
            await _changed(store, merged, other.closed(store.clock(), keeper.id))
            if is_of_use:
                await _changed(store, replace(merged, uses=1))

    lines = [json.loads(each) for each in data.splitlines()]
    held = [each for each in lines if each["line"] == "fragment" and "valid_to" not in each]
    assert any(each["pinned"] for each in held), held


async def test_what_was_merged_before_is_not_brought_back(store: MemoryStore) -> None:
    kept = await store.remember("renarde", "the key is in the shed")
    doubled = await store.remember("renarde", "The key is in the shed.")
    keeper, other = [await _fragment(store, each.fragment_id) for each in (kept, doubled)]
    closed = other.closed(store.clock(), keeper.id)
    await _changed(store, keeper, closed)
    lines = export(store)
    data = await anext(lines)
    await _changed(store, replace(keeper, uses=1))
    await _changed(store, replace(closed, uses=1))
    data += b"".join([chunk async for chunk in lines])

    found = {line.get("id"): line for line in map(json.loads, data.splitlines())}
    assert found[str(other.id)]["replaced_by"] == str(keeper.id)


async def test_of_what_contradicts_itself_meanwhile_one_holds(
    store: MemoryStore, other: MemoryStore
) -> None:
    before, after = [await store.remember("renarde", f"the key is {each}") for each in "ab"]
    old, new = [await _fragment(store, each.fragment_id) for each in (before, after)]
    lines = export(store)
    data = await anext(lines)
    await _changed(store, old.closed(store.clock(), new.id), replace(new, replaces_id=old.id))
    data += b"".join([chunk async for chunk in lines])

    assert (await imported(other, data)).is_whole

    found = await other.recall("renarde", "which key is it?", limit=5)
    assert [each.content for each in found] == ["the key is b"]


async def _changed(store: MemoryStore, *fragments: Fragment) -> None:
    async def build(head: Head) -> Change:
        return Change(changed=list(fragments))

    await store.writer.commit(build)


async def _fragment(store: MemoryStore, fragment_id: UUID | None) -> Fragment:
    assert fragment_id is not None
    return await store.fragments.get(fragment_id, Scope(agent=None))


async def test_without_vectors(other: MemoryStore) -> None:
    await fill(other)
    assert b'"vector"' in await exported(other)
    assert b'"vector"' not in await exported(other, with_embeddings=False)


async def test_a_last_page_of_one_row_is_not_lost(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, 1)
    expected = (await exported(store)).splitlines()
    monkeypatch.setattr(exporter, "PAGE", 1)
    lines = (await exported(store)).splitlines()
    assert lines[1:-1] == expected[1:-1]
