"""A house that changes 5,000 times a second, and somebody who thinks slowly.

The server stands for a Home Assistant busier than this machine could run one; it speaks as the real
one does, many changes to a frame.
"""

import asyncio
import itertools
import json
import time
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve

from agents.electra.drivers.changes import ChangeQueue
from agents.electra.drivers.home_assistant import HomeAssistant, StateChanged, Synchronised
from agents.electra.drivers.states import State
from tests.agents.homes import running, synchronised
from tests.support.bus import until

ENTITIES = 500
PER_FRAME = 50


def entity(number: int) -> str:
    return f"sensor.s{number}"


@asynccontextmanager
async def flooding_house(rate: int) -> AsyncGenerator[str]:
    """Yield the address of a server that sends `rate` changes a second to whoever subscribes."""

    async def flood(socket: ServerConnection) -> None:
        await socket.send(json.dumps({"type": "auth_required", "ha_version": "2026.10.4"}))
        assert json.loads(await socket.recv())["type"] == "auth"
        await socket.send(json.dumps({"type": "auth_ok", "ha_version": "2026.10.4"}))
        while True:
            command = json.loads(await socket.recv())
            is_config = command["type"] == "get_config"
            result = {"state": "RUNNING", "language": "fr"} if is_config else None
            answer = {"id": command["id"], "type": "result", "success": True, "result": result}
            await socket.send(json.dumps(answer))
            if command["type"] == "subscribe_entities":
                break
        number: int = command["id"]
        everything = {
            entity(each): {"s": "0", "a": {"device_class": "power"}, "c": "x", "lc": 1.0}
            for each in range(ENTITIES)
        }
        await socket.send(json.dumps({"id": number, "type": "event", "event": {"a": everything}}))
        count = itertools.count(1)
        started = time.perf_counter()
        for frame in itertools.count(1):
            changes = [next(count) for _ in range(PER_FRAME)]
            await socket.send(
                json.dumps(
                    [
                        {
                            "id": number,
                            "type": "event",
                            "event": {
                                "c": {entity(each % ENTITIES): {"+": {"s": f"{each}", "lc": each}}}
                            },
                        }
                        for each in changes
                    ]
                )
            )
            await asyncio.sleep(max(0, started + frame * PER_FRAME / rate - time.perf_counter()))

    async with serve(flood, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}"


async def test_a_flood_fills_neither_memory_nor_the_loop() -> None:
    async with (
        flooding_house(5_000) as url,
        running(HomeAssistant(url, "token", limit=1_000)) as driver,
    ):
        await synchronised(driver)
        # Nobody takes anything: a model is being asked for words.
        await until(lambda: driver.statistics().received > 3_000)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        lags: list[float] = []
        begin = driver.statistics().received
        end = time.perf_counter() + 2
        while time.perf_counter() < end:
            asked = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - asked - 0.005)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        statistics = driver.statistics()
        assert statistics.received - begin > 2_000, "the flood was no flood"
        assert statistics.waiting <= 1_000 + ENTITIES + 1
        assert statistics.merged > 0
        assert after - before < 4 * 2**20
        assert sorted(lags)[len(lags) * 95 // 100] < 0.1

        # What waited is whole: each entity ends where the house has it now.
        last: dict[str, StateChanged] = {}
        for _ in range(statistics.waiting):
            event = await driver.next_event(1)
            assert isinstance(event, StateChanged)
            if event.entity_id in last:
                assert event.old == last[event.entity_id].new, "the chain of changes broke"
            last[event.entity_id] = event
        assert len(last) == ENTITIES


async def test_the_queue_loses_neither_beginning_nor_end() -> None:
    def change(name: str, old: str, new: str) -> StateChanged:
        return StateChanged(
            entity_id=name,
            old=State(entity_id=name, state=old),
            new=State(entity_id=name, state=new),
        )

    queue = ChangeQueue(limit=2)
    for event in (
        change("a.a", "0", "1"),
        change("a.b", "0", "1"),
        change("a.a", "1", "2"),
        change("a.c", "0", "1"),
        change("a.a", "2", "3"),
        Synchronised(first=False),
        change("a.a", "3", "4"),
    ):
        queue.put(event)
    taken = [await queue.get() for _ in range(len(queue))]
    first = taken[0]
    assert isinstance(first, StateChanged)
    assert first.old
    assert first.new
    assert (first.old.state, first.new.state, first.merged) == ("0", "3", 2)
    assert [each.entity_id for each in taken if isinstance(each, StateChanged)] == [
        "a.a",
        "a.b",
        "a.c",
        "a.a",
    ]
    assert isinstance(taken[3], Synchronised)
    assert queue.merged == 2
