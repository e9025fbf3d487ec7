"""A server that goes away, freezes, or is shared by two: nothing that was acknowledged is lost."""

import asyncio

import pytest

from hairem_core.memory import database
from hairem_core.memory.chain import ChainCheck
from hairem_core.memory.errors import MemoryUnavailable, TakenOver
from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.message import Message
from tests.memory.messages import said
from tests.support.surrealdb3 import SurrealDB3


async def check(store: MemoryStore, acknowledged: list[Message], *, sent: int) -> None:
    """Make sure that all that was acknowledged is there, once, with its episode."""
    found = await store.events.verify()
    assert isinstance(found, ChainCheck), found
    assert len(acknowledged) <= found.checked <= sent
    episodes = await store.database.query(
        "SELECT VALUE derived_from FROM fragment WHERE kind = 'episode'"
    )
    events = [each for (each,) in episodes]
    assert len(events) == len(set(events)) == found.checked
    assert {each.header.msg_id for each in acknowledged} <= set(events)


async def recorded(store: MemoryStore, count: int, *, first: int = 0) -> list[Message]:
    messages = [said(f"the jar number {first + each} is full") for each in range(count)]
    for message in messages:
        assert await store.record(message)
    return messages


async def test_a_second_one_takes_over_and_the_first_is_told(server: SurrealDB3) -> None:
    first = await MemoryStore.open(server.url)
    before = await recorded(first, 5)
    second = await MemoryStore.open(server.url)

    for write in (
        first.record(said("too late")),
        first.remember("renarde", "too late"),
        first.set_state("renarde", "mood", "late"),
        first.record(said("too late again")),
    ):
        with pytest.raises(TakenOver, match="another H-Core has opened this memory"):
            await write
    # It may still read.
    assert await first.recall("renarde", "jar number 3", limit=1)

    after = await recorded(second, 5, first=5)
    await check(second, [*before, *after], sent=10)
    assert await second.recall("renarde", "too late", limit=5) == []
    await first.close()
    await second.close()


async def test_taking_over_from_one_that_is_writing_forks_nothing(server: SurrealDB3) -> None:
    stores = [await MemoryStore.open(server.url)]
    acknowledged: list[Message] = []
    sent = 0

    async def write(store: MemoryStore) -> None:
        nonlocal sent
        while True:
            message = said(f"the jar number {sent} is full")
            sent += 1
            try:
                await store.record(message)
            except TakenOver:
                return
            acknowledged.append(message)

    writers = [asyncio.create_task(write(stores[0])) for _ in range(3)]
    for _ in range(3):
        seen = len(acknowledged)
        while len(acknowledged) < seen + 20:
            await asyncio.sleep(0.001)
        stores.append(await MemoryStore.open(server.url))
        await asyncio.gather(*writers)
        writers = [asyncio.create_task(write(stores[-1])) for _ in range(3)]
    last = await MemoryStore.open(server.url)
    await asyncio.gather(*writers)

    await check(last, acknowledged, sent=sent)
    for store in (*stores, last):
        await store.close()


async def test_a_server_that_is_killed_and_comes_back_loses_nothing(server: SurrealDB3) -> None:
    store = await MemoryStore.open(server.url)
    acknowledged: list[Message] = []
    sent = 0
    stopped = False

    async def write() -> None:
        nonlocal sent
        while not stopped:
            message = said(f"the jar number {sent} is full")
            sent += 1
            assert await store.record(message)  # it waits, and is not told of anything
            acknowledged.append(message)

    writers = [asyncio.create_task(write()) for _ in range(4)]
    for _ in range(4):
        seen = len(acknowledged)
        while len(acknowledged) < seen + 15:
            await asyncio.sleep(0.001)
            assert not any(each.done() for each in writers)
        await server.kill()
        await server.start()
    stopped = True
    await asyncio.gather(*writers)

    assert store.database.reconnects >= 4
    await check(store, acknowledged, sent=sent)
    found = await store.recall("renarde", f"jar number {sent - 1}", limit=1)
    assert found[0].event_id == acknowledged[-1].header.msg_id
    await store.close()


async def test_a_server_that_stays_away_is_told_and_found_again(
    server: SurrealDB3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "RECONNECT_SECONDS", 0.5)
    store = await MemoryStore.open(server.url)
    acknowledged = await recorded(store, 3)
    await server.kill()

    lost = said("said into the void")
    for _ in range(2):
        with pytest.raises(MemoryUnavailable, match=server.url):
            await store.record(lost)
        with pytest.raises(MemoryUnavailable):
            await store.recall("renarde", "jar number 1", limit=1)

    await server.start()
    assert await store.record(lost)
    assert not await store.record(lost)
    acknowledged += [lost, *await recorded(store, 3, first=3)]
    await check(store, acknowledged, sent=7)
    found = (await store.recall("renarde", "void", limit=5))[0]
    assert found.event_id == lost.header.msg_id
    await store.close()


async def test_a_server_that_is_away_at_the_start_is_told(server: SurrealDB3) -> None:
    await server.kill()
    with pytest.raises(MemoryUnavailable, match="Check that the SurrealDB server runs"):
        await MemoryStore.open(server.url)
    await server.start()
    await (await MemoryStore.open(server.url)).close()


@pytest.mark.parametrize("asked_again", [1, 3])
async def test_a_frozen_server_is_told_and_what_it_does_later_is_no_harm(
    server: SurrealDB3, monkeypatch: pytest.MonkeyPatch, asked_again: int
) -> None:
    monkeypatch.setattr(database, "_PATIENCE", 0.5)
    monkeypatch.setattr(database, "RECONNECT_SECONDS", 0.5)
    store = await MemoryStore.open(server.url)
    acknowledged = await recorded(store, 3)

    server.freeze()
    # No numbers: on the first of a month, everything that is said is found by a 1.
    things = ("kettle", "ladder", "piano")[:asked_again]
    late = [said(f"said to the frozen {each}") for each in things]
    for message in late:
        with pytest.raises(MemoryUnavailable):
            await store.record(message)
    with pytest.raises(MemoryUnavailable):
        await store.remember("renarde", "a note to the frozen")
    server.thaw()

    # What was on its way when it froze may be carried out now, before or after these.
    acknowledged += await recorded(store, 20, first=3)
    for message in late:
        await store.record(message)
    await check(store, [*acknowledged, *late], sent=23 + asked_again)
    for message in late:
        (found,) = await store.recall("renarde", message.payload.content, limit=1)
        assert found.event_id == message.header.msg_id
    await store.close()


async def test_a_store_that_was_put_back_to_an_earlier_state_is_not_written_on(
    server: SurrealDB3,
) -> None:
    store = await MemoryStore.open(server.url)
    await recorded(store, 3)
    # As a backup that was restored under a living H-Core.
    await store.database.query("UPDATE head:current SET rev = 1")
    with pytest.raises(MemoryUnavailable, match="not where this H-Core left it"):
        await store.record(said("on top of what?"))
    await store.close()


async def test_a_turn_that_is_given_up_takes_nobody_else_with_it(store: MemoryStore) -> None:
    await recorded(store, 30)

    async def ask(number: int) -> None:
        found = await store.database.query("SELECT * FROM raw_event")
        assert len(found) == 30, number

    for delay in range(40):
        given_up = [asyncio.create_task(ask(each)) for each in range(3)]
        kept = [asyncio.create_task(ask(each)) for each in range(3)]
        await asyncio.sleep(delay / 5_000)
        for each in given_up:
            each.cancel()
        await asyncio.gather(*kept)
        await asyncio.gather(*given_up, return_exceptions=True)
    assert store.database.reconnects == 0
