import asyncio
from contextlib import suppress
from typing import Any

import pytest

from hairem_core.hlink import dead, keys
from hairem_core.hlink.bus import Bus
from hairem_core.hlink.errors import BusUnavailable
from hairem_core.sdk.message import CREW, Message, MessageType, Priority, Topic
from tests.support.bus import connect, note, until


async def _entries(bus: Bus, stream: str) -> list[Message]:
    found: Any = await bus.redis.xrange(stream)
    return [Message.model_validate_json(fields[b"m"]) for _, fields in found]


async def test_a_message_to_an_agent_waits_in_the_lane_of_its_priority(bus: Bus) -> None:
    await bus.register("a")
    sent = note("hello", priority=Priority.P1)
    assert await bus.publish(sent) == 1
    assert await _entries(bus, "hlink:{a}:p1") == [sent]
    assert await _entries(bus, "hlink:{a}:p2") == []


async def test_the_crew_is_every_agent_but_the_sender(bus: Bus) -> None:
    for name in ("a", "b", "c"):
        await bus.register(name)
    heard: list[Message] = []
    stop = await bus.listen(CREW, heard.append)
    sent = note(recipient=CREW, sender="agent:b")
    assert await bus.publish(sent) == 2
    await until(lambda: heard == [sent])
    await stop()
    assert [len(await _entries(bus, f"hlink:{{{name}}}:p2")) for name in "abc"] == [1, 0, 1]


async def test_a_message_to_no_agent_is_a_dead_letter(bus: Bus) -> None:
    assert await bus.publish(note(recipient="agent:nobody")) == 0
    (letter,) = [each async for each in dead.dead_letters(bus.redis)]
    assert letter.reason == "no such agent: agent:nobody"


async def test_an_agent_that_left_gets_no_more(bus: Bus) -> None:
    await bus.register("a")
    await bus.unregister("a")
    assert await bus.publish(note()) == 0


@pytest.mark.parametrize(("hops", "arrives"), [(8, True), (9, False)])
async def test_a_loop_ends_in_the_dead_letters(bus: Bus, hops: int, arrives: bool) -> None:
    await bus.register("a")
    message = note(sender="agent:b")
    for _ in range(hops):
        message = message.answer(
            sender="agent:b", recipient="agent:a", type=MessageType.RAW, topic=Topic.HOME_EVENT
        )
    assert message.header.hops == hops
    assert bool(await bus.publish(message)) is arrives
    letters = [each async for each in dead.dead_letters(bus.redis)]
    assert [letter.reason for letter in letters] == ([] if arrives else ["loop: 9 hops, 8 allowed"])


async def test_stream_messages_go_live_and_are_not_kept(bus: Bus) -> None:
    heard: list[Message] = []
    stop = await bus.listen("user:anna", heard.append)
    piece = note("Goo", recipient="user:anna", type=MessageType.STREAM, topic=Topic.NARRATIVE_TEXT)
    assert await bus.publish(piece) == 1
    await until(lambda: heard)
    assert heard == [piece]
    assert await _entries(bus, keys.JOURNAL) == []
    await stop()
    async with asyncio.timeout(5):
        while await bus.publish(piece):  # another connection may be quicker than the end
            await asyncio.sleep(0.01)


async def test_the_journal_holds_what_was_sent_in_order_and_is_capped(bus: Bus) -> None:
    await bus.register("a")
    small = Bus(bus.redis, journal_length=100)
    sent = [note(str(number)) for number in range(1000)]
    for message in sent:
        await small.publish(message)
    kept = await _entries(bus, keys.JOURNAL)
    assert 100 <= len(kept) < 400, "Redis trims by whole nodes of about 100 entries"
    assert kept == sent[-len(kept) :]


async def test_many_publishers_share_a_batch_and_keep_their_order(bus: Bus) -> None:
    await bus.register("a")
    sent = [note(str(number)) for number in range(2000)]
    assert await asyncio.gather(*(bus.publish(message) for message in sent)) == [1] * 2000
    assert await _entries(bus, "hlink:{a}:p2") == sent


async def test_rubbish_on_a_live_channel_is_passed_over(bus: Bus) -> None:
    heard: list[Message] = []
    await bus.listen("user:*", heard.append)
    await bus.redis.publish("hlink:live:user:anna", "not a message")
    await bus.publish(note(recipient="user:anna"))
    await until(lambda: heard)
    assert len(heard) == 1


async def test_without_redis_publishing_says_where_and_what_to_do() -> None:
    bus = connect("redis://127.0.0.1:1")
    with pytest.raises(BusUnavailable, match=r"redis://127\.0\.0\.1:1: .*redis\.url"):
        await bus.publish(note())
    await bus.close()


async def test_of_those_who_subscribe_while_the_channel_is_broken_none_loses_a_connection(
    bus: Bus,
) -> None:
    heard: list[Message] = []
    await bus.listen("user:*", heard.append)

    async def listen_for_a_moment(number: int) -> None:
        await asyncio.sleep(number / 5000)
        with suppress(BusUnavailable):
            stop = await bus.listen(f"user:{number}", heard.append)
            await stop()

    for _ in range(100):
        await bus.redis.client_kill_filter(_type="pubsub")
        await asyncio.gather(*(listen_for_a_moment(number) for number in range(8)))
    async with asyncio.timeout(10):
        while not heard:  # who was told that Redis is away would say it again
            await bus.publish(note(recipient="user:anna"))
            await asyncio.sleep(0.05)
    clients: Any = await bus.redis.client_list(_type="pubsub")
    assert len(clients) == 1
    async with asyncio.timeout(10):
        while await bus.redis.pubsub_numpat() != 1:  # the last ones are on their way out
            await asyncio.sleep(0.05)
