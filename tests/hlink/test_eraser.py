"""What is erased from the bus is in neither its memory nor its files, and nothing else is lost."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hairem_core.hlink import keys
from hairem_core.hlink.bus import Bus
from hairem_core.hlink.consumer import Consumer
from hairem_core.hlink.dead import bury, dead_letters, find, resend
from hairem_core.hlink.eraser import Eraser
from hairem_core.hlink.server import PrivateRedis
from hairem_core.sdk.message import Message, Priority
from tests.support.bus import connect, note, until

SECRET = "xylophone-4711"


def is_secret(message: Message) -> bool:
    return SECRET in message.payload.content


def has_secret(text: str) -> bool:
    return SECRET in text


def files_with(folder: Path, needle: bytes) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert any("aof" in path.name for path in paths)
    return [path.name for path in paths if needle in path.read_bytes()]


async def contents(bus: Bus, stream: str) -> list[str]:
    entries: Any = await bus.redis.xrange(stream)
    return [Message.model_validate_json(fields[b"m"]).payload.content for _, fields in entries]


async def test_it_is_in_neither_memory_nor_files(bus: Bus, tmp_path: Path) -> None:
    await bus.register("a")
    for number in range(300):
        text = f"{SECRET} {number}" if number % 3 == 0 else f"harmless {number}"
        await bus.publish(note(text))
    raw = note(SECRET).model_dump_json()
    await bury(bus.redis, raw, reason="nobody")
    await bury(bus.redis, note("fine").model_dump_json(), reason=f"failed: {SECRET}")
    await bury(bus.redis, f"rubbish {SECRET}", reason="not a message")
    await bury(bus.redis, note("kept").model_dump_json(), reason="nobody")
    assert files_with(tmp_path / "redis", SECRET.encode())
    eraser = Eraser(bus.redis, is_private=True)
    assert await eraser.count(is_secret, has_secret) == 203

    assert await eraser.erase(is_secret, has_secret) == 203

    assert not files_with(tmp_path / "redis", SECRET.encode())
    harmless = [f"harmless {number}" for number in range(300) if number % 3]
    assert await contents(bus, keys.JOURNAL) == harmless
    assert await contents(bus, keys.inbox("a", Priority.P2)) == harmless
    assert [each.reason async for each in dead_letters(bus.redis)] == ["nobody"]
    assert await eraser.erase(is_secret, has_secret) == 0


async def test_what_waits_and_what_is_under_way_stays_in_order_and_is_handled_once(
    bus: Bus, redis_server: PrivateRedis
) -> None:
    handled: list[str] = []
    go_on = asyncio.Event()

    async def handler(message: Message) -> None:
        if message.payload.content in ("0", f"{SECRET} under way"):
            await go_on.wait()
        handled.append(message.payload.content)

    consumer = Consumer(bus, "a", handler, retry_pause=0.01)
    await consumer.start()
    await bus.publish(note("first"))
    await until(lambda: handled == ["first"])
    await bus.publish(note("0", conversation_id="one"))
    await bus.publish(note(f"{SECRET} under way", conversation_id="two"))
    for number in range(1, 200):
        await bus.publish(note(str(number), conversation_id="one"))
        await bus.publish(note(f"{SECRET} {number}", conversation_id="three"))

    async def publish_meanwhile() -> None:
        for number in range(200, 300):
            await bus.publish(note(str(number), conversation_id="one"))

    meanwhile = asyncio.create_task(publish_meanwhile())
    await Eraser(bus.redis, is_private=True).erase(is_secret, has_secret)
    await meanwhile
    go_on.set()
    await until(lambda: "299" in handled)
    await consumer.stop()

    in_order = [each for each in handled if each.isdigit()]
    assert in_order == [str(number) for number in range(300)]
    pending: Any = await bus.redis.xpending(keys.inbox("a", Priority.P2), keys.GROUP)
    assert pending["pending"] == 0
    # A consumer that comes after it finds nothing to do again.
    other = connect(redis_server.url)
    again = Consumer(other, "a", handler)
    await again.start()
    await bus.publish(note("last"))
    await until(lambda: "last" in handled)
    await again.stop()
    await other.close()
    assert handled.count("0") == 1
    assert handled.count("first") == 1


async def test_the_numbers_of_a_stream_go_on(bus: Bus) -> None:
    await bus.register("a")
    stream = keys.inbox("a", Priority.P2)
    await bus.publish(note("kept"))
    await bus.publish(note(SECRET))
    before: Any = await bus.redis.xinfo_stream(stream)

    await Eraser(bus.redis, is_private=False).erase(is_secret, has_secret)

    after: Any = await bus.redis.xinfo_stream(stream)
    assert after["last-generated-id"] == before["last-generated-id"]
    assert after["entries-added"] == before["entries-added"] == 2
    groups: Any = await bus.redis.xinfo_groups(stream)
    assert groups[0]["name"] == keys.GROUP.encode()
    assert await contents(bus, stream) == ["kept"]


async def test_a_stream_that_is_empty_afterwards_still_takes_messages(bus: Bus) -> None:
    await bus.register("a")
    await bus.publish(note(SECRET))
    await Eraser(bus.redis, is_private=True).erase(is_secret, has_secret)

    await bus.publish(note("later"))

    assert await contents(bus, keys.inbox("a", Priority.P2)) == ["later"]
    assert await contents(bus, keys.JOURNAL) == ["later"]


async def test_inboxes_of_agents_that_are_gone_and_resent_letters(bus: Bus) -> None:
    await bus.register("a")
    await bury(bus.redis, note(SECRET).model_dump_json(), reason="nobody")
    (letter,) = [each async for each in dead_letters(bus.redis)]
    await resend(bus.redis, await find(bus.redis, letter.entry_id))
    await bus.unregister("a")

    assert await Eraser(bus.redis, is_private=True).erase(is_secret, has_secret) == 2

    assert await contents(bus, keys.inbox("a", Priority.P2)) == []
    assert await bus.redis.hlen(keys.RESENT) == 0


async def test_an_observer_goes_on_where_it_was(bus: Bus) -> None:
    seen: list[str] = []

    async def observe() -> None:
        last: Any = "0"
        while len(seen) < 4:
            replies: Any = await bus.redis.xread({keys.JOURNAL: last}, count=10, block=5_000)
            for _, entries in replies:
                for entry_id, fields in entries:
                    seen.append(Message.model_validate_json(fields[b"m"]).payload.content)
                    last = entry_id

    await bus.register("a")
    watching = asyncio.create_task(observe())
    for text in ("one", SECRET, "two"):
        await bus.publish(note(text))
    await until(lambda: len(seen) == 3)
    await Eraser(bus.redis, is_private=True).erase(is_secret, has_secret)
    await bus.publish(note("three"))
    await watching
    assert seen == ["one", SECRET, "two", "three"]


@pytest.mark.parametrize("is_private", [True, False])
async def test_it_says_whether_it_reaches_the_files(bus: Bus, is_private: bool) -> None:
    assert Eraser(bus.redis, is_private=is_private).reaches_files is is_private
