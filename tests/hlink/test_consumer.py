import asyncio
import shutil
import time
from datetime import timedelta
from typing import Any

import pytest

from hairem_core.hlink import dead
from hairem_core.hlink.bus import Bus
from hairem_core.hlink.consumer import CONCURRENCY, Consumer, Handler
from hairem_core.hlink.errors import BusUnavailable, Undeliverable
from hairem_core.hlink.server import PrivateRedis
from hairem_core.sdk.message import Message, Priority, now
from tests.support.bus import connect, note, until


class Recorder:
    """A handler that notes what it handled, and can fail or wait."""

    def __init__(self) -> None:
        self.handled: list[str] = []
        self.attempts: list[str] = []
        self.fail_with: Exception | None = None
        self.pause = 0.0

    async def __call__(self, message: Message) -> None:
        content = message.payload.content
        self.attempts.append(content)
        if self.fail_with is not None:
            raise self.fail_with
        await asyncio.sleep(self.pause)
        self.handled.append(content)


async def _consume(bus: Bus, handler: Handler) -> Consumer:
    consumer = Consumer(bus, "a", handler, retry_pause=0.01)
    await consumer.start()
    return consumer


async def _pending(bus: Bus, lane: str = "p2") -> int:
    summary: Any = await bus.redis.xpending(f"hlink:{{a}}:{lane}", "hosts")
    return int(summary["pending"])


async def _reasons(bus: Bus) -> list[str]:
    return [letter.reason async for letter in dead.dead_letters(bus.redis)]


async def test_every_message_is_handled_in_order_and_acknowledged(bus: Bus) -> None:
    recorder = Recorder()
    await bus.register("a")
    for number in range(500):
        await bus.publish(note(str(number), conversation_id="one"))
    consumer = await _consume(bus, recorder)
    await until(lambda: len(recorder.handled) == 500)
    assert recorder.handled == [str(number) for number in range(500)]
    await consumer.stop()
    assert await _pending(bus) == 0


async def test_a_message_is_acknowledged_only_after_its_handler_returned(bus: Bus) -> None:
    recorder = Recorder()
    recorder.pause = 0.3
    consumer = await _consume(bus, recorder)
    await bus.publish(note("slow"))
    await until(lambda: recorder.attempts)
    assert await _pending(bus) == 1
    await until(lambda: recorder.handled)
    await consumer.stop()
    assert await _pending(bus) == 0


async def test_one_conversation_is_in_order_while_others_overtake(bus: Bus) -> None:
    order: list[str] = []

    async def handler(message: Message) -> None:
        await asyncio.sleep(0.1 if message.payload.content == "first" else 0)
        order.append(message.payload.content)

    consumer = await _consume(bus, handler)
    await bus.publish(note("first", conversation_id="one"))
    await bus.publish(note("second", conversation_id="one"))
    await bus.publish(note("other", conversation_id="two"))
    await until(lambda: len(order) == 3)
    await consumer.stop()
    assert order == ["other", "first", "second"]


async def test_a_p0_message_overtakes_5000_waiting_p3(bus: Bus) -> None:
    handled: list[Priority] = []

    async def handler(message: Message) -> None:
        await asyncio.sleep(0.001)
        handled.append(message.header.priority)

    await bus.register("a")
    await asyncio.gather(*(bus.publish(note(priority=Priority.P3)) for _ in range(5000)))
    consumer = await _consume(bus, handler)
    await until(lambda: len(handled) > 10)
    await bus.publish(note(priority=Priority.P0))
    before = len(handled)  # from when it is on the bus: the way there is another matter
    await until(lambda: Priority.P0 in handled)
    overtaken_by = handled.index(Priority.P0) - before
    assert overtaken_by <= 4 * CONCURRENCY[Priority.P3], "it waits for none of the 5,000"
    await until(lambda: len(handled) == 5001, seconds=30)
    await consumer.stop()


async def test_a_lane_whose_handlers_are_all_stuck_delays_no_other(bus: Bus) -> None:
    stuck = asyncio.Event()
    handled: list[str] = []

    async def handler(message: Message) -> None:
        if message.header.priority is not Priority.P1:
            await stuck.wait()
        handled.append(message.payload.content)

    consumer = await _consume(bus, handler)
    for _ in range(300):
        await bus.publish(note("background", priority=Priority.P3))
    await bus.publish(note("person", priority=Priority.P1))
    await until(lambda: handled, seconds=2)
    assert handled == ["person"]
    stuck.set()
    await until(lambda: len(handled) == 301)
    await consumer.stop()


async def test_a_second_copy_is_acknowledged_unhandled(bus: Bus) -> None:
    recorder = Recorder()
    consumer = await _consume(bus, recorder)
    message = note("once")
    await bus.publish(message)
    await until(lambda: recorder.handled)
    await bus.publish(message)
    await until(lambda: consumer.statistics()["P2"]["doubled"] == 1)
    await consumer.stop()
    assert recorder.attempts == ["once"]
    assert await _pending(bus) == 0


async def test_copies_that_arrive_together_are_handled_once(bus: Bus) -> None:
    recorder = Recorder()
    recorder.pause = 0.1
    await bus.register("a")
    message = note("once")
    await asyncio.gather(*(bus.publish(message) for _ in range(5)))
    consumer = await _consume(bus, recorder)
    await until(lambda: recorder.handled)
    await consumer.stop()
    assert recorder.attempts == ["once"]
    assert await _pending(bus) == 0


async def test_a_failing_handler_is_tried_again_then_buried_with_the_reason(bus: Bus) -> None:
    recorder = Recorder()
    recorder.fail_with = ValueError("no")
    consumer = await _consume(bus, recorder)
    await bus.publish(note("doomed"))
    await until(lambda: consumer.statistics()["P2"]["buried"] == 1)
    await consumer.stop()
    assert recorder.attempts == ["doomed"] * 3
    assert await _reasons(bus) == ["failed 3 times, last: ValueError: no"]
    assert await _pending(bus) == 0


async def test_a_handler_that_recovers_loses_nothing(bus: Bus) -> None:
    recorder = Recorder()
    recorder.fail_with = ValueError("not yet")
    consumer = await _consume(bus, recorder)
    await bus.publish(note("late"))
    await until(lambda: recorder.attempts)
    recorder.fail_with = None
    await until(lambda: recorder.handled)
    await consumer.stop()
    assert recorder.handled == ["late"]
    assert await _reasons(bus) == []


async def test_an_undeliverable_message_is_not_tried_again(bus: Bus) -> None:
    recorder = Recorder()
    recorder.fail_with = Undeliverable("nobody waits for it")
    consumer = await _consume(bus, recorder)
    await bus.publish(note("useless"))
    await until(lambda: consumer.statistics()["P2"]["buried"] == 1)
    await consumer.stop()
    assert recorder.attempts == ["useless"]
    assert await _reasons(bus) == ["nobody waits for it"]


async def test_an_expired_message_is_buried_unhandled(bus: Bus) -> None:
    recorder = Recorder()
    consumer = await _consume(bus, recorder)
    header = note().header.model_copy(update={"expires_at": now() - timedelta(seconds=1)})
    await bus.publish(Message(header=header))
    await until(lambda: consumer.statistics()["P2"]["buried"] == 1)
    await consumer.stop()
    assert recorder.attempts == []
    assert (await _reasons(bus))[0].startswith("expired at ")


@pytest.mark.parametrize("rubbish", [b"", b"not json", b'{"header": {}}', b"\xff\xfe"])
async def test_rubbish_in_an_inbox_is_buried_and_harms_nobody(bus: Bus, rubbish: bytes) -> None:
    recorder = Recorder()
    consumer = await _consume(bus, recorder)
    await bus.redis.xadd("hlink:{a}:p2", {"m": rubbish})
    await bus.publish(note("good"))
    await until(lambda: recorder.handled)
    await until(lambda: consumer.statistics()["P2"]["buried"] == 1)
    await consumer.stop()
    assert recorder.handled == ["good"]
    assert (await _reasons(bus))[0].startswith("not a message: ")


async def test_a_dead_letter_can_be_sent_again(bus: Bus) -> None:
    recorder = Recorder()
    recorder.fail_with = Undeliverable("not now")
    consumer = await _consume(bus, recorder)
    sent = note("again")
    await bus.publish(sent)
    await until(lambda: consumer.statistics()["P2"]["buried"] == 1)
    recorder.fail_with = None
    letter = await dead.find(bus.redis, str(sent.header.msg_id))
    await dead.resend(bus.redis, letter)
    await until(lambda: recorder.handled)
    await consumer.stop()
    assert await _reasons(bus) == []
    assert [each.resent async for each in dead.dead_letters(bus.redis, include_resent=True)] == [
        True
    ]


async def test_what_one_consumer_left_is_taken_over_by_the_next(bus: Bus) -> None:
    never = asyncio.Event()
    begun: list[str] = []

    async def hang(message: Message) -> None:
        begun.append(message.payload.content)
        await never.wait()

    first = await _consume(bus, hang)
    for number in range(100):
        await bus.publish(note(str(number)))
    await until(lambda: len(begun) == CONCURRENCY[Priority.P2])
    await first.stop(grace=0)
    recorder = Recorder()
    second = await _consume(bus, recorder)
    await until(lambda: len(recorder.handled) == 100)
    await second.stop()
    assert sorted(recorder.handled, key=int) == [str(number) for number in range(100)]
    assert await _pending(bus) == 0


async def test_what_is_acknowledged_is_trimmed(bus: Bus) -> None:
    recorder = Recorder()
    consumer = await _consume(bus, recorder)
    for _ in range(4):
        await asyncio.gather(*(bus.publish(note(str(number))) for number in range(1000)))
    await until(lambda: len(recorder.handled) == 4000)
    await consumer.stop()
    assert await bus.redis.xlen("hlink:{a}:p2") < 2500
    stream: Any = await bus.redis.xinfo_stream("hlink:{a}:p2")
    assert stream["max-deleted-entry-id"] == b"0-0", "XTRIM, never XDEL"


async def test_redis_goes_away_and_comes_back(
    bus: Bus, redis_server: PrivateRedis, tmp_path: Any
) -> None:
    recorder = Recorder()
    outages: list[float] = []
    bus.on_outage(lambda: outages.append(time.monotonic()))
    heard: list[Message] = []
    await bus.listen("user:anna", heard.append)
    consumer = await _consume(bus, recorder)
    await bus.publish(note("before"))
    await until(lambda: recorder.handled)
    await redis_server.stop()
    await until(lambda: outages, seconds=3)
    again = PrivateRedis(tmp_path / "redis")
    await again.start()
    try:
        await bus.publish(note("after"))
        await until(lambda: len(recorder.handled) == 2)

        async def speak() -> None:
            while not heard:
                await bus.publish(note(recipient="user:anna"))
                await asyncio.sleep(0.05)

        await asyncio.wait_for(speak(), 5)
        await consumer.stop()
        assert recorder.handled == ["before", "after"]
    finally:
        await again.stop()


async def test_a_redis_that_comes_back_empty_gets_its_inboxes_again(
    redis_server: PrivateRedis,
) -> None:
    bus = connect(redis_server.url)
    recorder = Recorder()
    consumer = await _consume(bus, recorder)
    await bus.redis.flushall()
    await bus.publish(note("after"))
    await until(lambda: recorder.handled)
    await consumer.stop()
    await bus.close()
    assert recorder.handled == ["after"]


async def test_who_begins_to_listen_in_an_outage_is_refused_and_may_try_again(
    bus: Bus, redis_server: PrivateRedis, tmp_path: Any
) -> None:
    heard: list[Message] = []
    other: list[Message] = []
    await bus.listen("user:other", other.append)
    await redis_server.stop()
    with pytest.raises(BusUnavailable):
        await bus.listen("user:anna", heard.append)
    # Nothing of before is there any more.
    shutil.rmtree(tmp_path / "redis")
    again = PrivateRedis(tmp_path / "redis")
    await again.start()
    try:
        async with asyncio.timeout(5):
            while True:
                try:
                    await bus.listen("user:anna", heard.append)
                    break
                except BusUnavailable:
                    await asyncio.sleep(0.05)
            while not (heard and other):
                await bus.publish(note(recipient="user:anna"))
                await bus.publish(note(recipient="user:other"))
                await asyncio.sleep(0.05)
    finally:
        await again.stop()


async def test_listening_ends_and_begins_again_many_times(bus: Bus) -> None:
    for number in range(200):
        heard: list[Message] = []
        stop = await bus.listen("user:anna", heard.append)
        await bus.publish(note(str(number), recipient="user:anna"))
        await until(lambda heard=heard: heard)  # type: ignore[misc]
        assert [message.payload.content for message in heard] == [str(number)]
        asyncio.ensure_future(stop())  # noqa: RUF006 - as a turn that ends beside one that begins
