"""One dream at a time, told as it goes on, stopped between two batches, begun at night."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hairem_core.config.system import DreamConfig
from hairem_core.memory.dream.dreamer import Dreamer
from hairem_core.memory.dream.parts import STEPS, DreamProgress, DreamStopped
from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.chat import ChatRequest
from tests.memory.dream.scene import (
    NOW,
    Archive,
    Clock,
    ScriptedModel,
    dreamer,
    dreams,
    everything,
    fragment,
    furnish,
    keep,
)
from tests.memory.messages import said


@pytest.fixture
def url(folder_url: str) -> str:
    """What is asked of the engine here is asked of both in `test_dream.py`."""
    return folder_url


async def test_its_progress_goes_from_nothing_to_all_and_never_back(
    store: MemoryStore, archive: Archive
) -> None:
    await furnish(store, things=3, weeks=2, talk=20)
    told: list[DreamProgress] = []
    house = dreamer(store, archive, model=ScriptedModel(), publish=told.append)
    digest = await house.dream("night")

    fractions = [each.fraction for each in told]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert list(dict.fromkeys(each.step for each in told)) == list(STEPS)
    assert [each.state for each in told] == ["running"] * (len(told) - 1) + ["done"]
    assert {each.dream_id for each in told} == {digest.dream_id}
    assert {each.reason for each in told} == {"night"}
    assert all(0 <= each.done <= each.total for each in told)


async def test_a_second_request_joins_the_dream_under_way(store: MemoryStore) -> None:
    await furnish(store, things=3, weeks=2, talk=20)
    house = dreamer(store)
    first, second, third = await asyncio.gather(house.dream(), house.dream("night"), house.dream())
    assert first.dream_id == second.dream_id == third.dream_id
    assert await dreams(store) == 1
    assert (await house.dream()).dream_id != first.dream_id


async def test_who_asked_may_go_away(store: MemoryStore) -> None:
    await furnish(store, things=3, weeks=2, talk=20)
    house = dreamer(store)
    impatient = asyncio.create_task(house.dream())
    patient = asyncio.create_task(house.dream())
    await asyncio.sleep(0)
    impatient.cancel()
    digest = await patient
    assert impatient.cancelled()
    assert digest.merged_count > 0


async def test_whoever_follows_sees_it_to_the_end(store: MemoryStore) -> None:
    await furnish(store, things=3, weeks=2, talk=20)
    house = dreamer(store)
    assert [each async for each in house.follow()] == []
    dreaming = asyncio.create_task(house.dream())
    await asyncio.sleep(0)
    seen = [each async for each in house.follow()]
    await dreaming
    assert seen[-1].state == "done"
    assert len(seen) > len(STEPS)


async def test_a_listener_that_fails_harms_nobody(store: MemoryStore) -> None:
    told: list[DreamProgress] = []

    def fail(progress: DreamProgress) -> None:
        raise ValueError("no room")

    house = dreamer(store, publish=fail)
    unsubscribe = house.subscribe(told.append)
    await house.dream()
    assert told[-1].state == "done"
    unsubscribe()
    unsubscribe()
    count = len(told)
    await house.dream()
    assert len(told) == count


class _StopAt:
    """Stops a dream when it comes to a step."""

    def __init__(self, step: str, done: int) -> None:
        self.step, self.done = step, done
        self.house: Dreamer | None = None
        self.stopping: asyncio.Task[None] | None = None

    def __call__(self, progress: DreamProgress) -> None:
        is_there = progress.step == self.step and progress.done >= self.done
        if is_there and self.stopping is None and self.house is not None:
            self.stopping = asyncio.create_task(self.house.stop())


@pytest.mark.parametrize(
    ("step", "done"),
    [("merge", 0), ("merge", 3), ("synthesis", 0), ("synthesis", 1), ("archive", 0), ("verify", 0)],
)
async def test_stopped_it_goes_on_where_it_was(
    store: MemoryStore, archive: Archive, step: str, done: int
) -> None:
    await furnish(store, things=3, weeks=3, talk=20)
    stop = _StopAt(step, done)
    stop.house = dreamer(store, archive, model=ScriptedModel(), publish=stop)
    with pytest.raises(DreamStopped):
        await stop.house.dream()
    assert stop.stopping is not None
    await stop.stopping
    with pytest.raises(DreamStopped):
        await stop.house.dream()

    told: list[DreamProgress] = []
    again = dreamer(store, archive, model=ScriptedModel(), publish=told.append)
    digest = await again.dream()
    assert await dreams(store) == 1
    assert told[0].step == step
    assert told[0].fraction > 0
    assert digest.merged_count == 12
    assert digest.contradicted_count == 12
    assert digest.synthesised_count == 10
    assert digest.failures == []


async def test_a_model_that_hangs_does_not_keep_the_house_from_stopping(store: MemoryStore) -> None:
    await furnish(store, things=1, weeks=1, talk=1)
    model = ScriptedModel(answers=["hang"])
    house = dreamer(store, model=model)
    dreaming = asyncio.create_task(house.dream())
    while not model.asked:
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await house.stop()
    with pytest.raises(DreamStopped):
        await dreaming


async def test_the_interpreter_catches_up_first(store: MemoryStore) -> None:
    class Interpreter:
        async def settle(self) -> None:
            await keep(store, [fragment("Anna is tall", kind="fact", subject="anna", days=0)])

    digest = await dreamer(store, interpreter=Interpreter()).dream()
    assert [each.content for each in digest.learned] == ["Anna is tall"]


async def test_an_interpreter_that_fails_keeps_nothing_else_back(store: MemoryStore) -> None:
    class Interpreter:
        async def settle(self) -> None:
            raise ZeroDivisionError("by zero")

    await keep(store, [fragment("good night", days=1.1), fragment("Good night", days=1)])
    digest = await dreamer(store, interpreter=Interpreter()).dream()
    assert [(each.step, each.what) for each in digest.failures] == [
        ("interpret", "ZeroDivisionError: by zero")
    ]
    assert digest.merged_count == 1


async def test_what_is_said_meanwhile_is_recorded(store: MemoryStore) -> None:
    await furnish(store, things=3, weeks=3, talk=20)

    class Chatty(ScriptedModel):
        async def complete(self, agent_id: str, request: ChatRequest) -> str:
            await store.record(said(f"sentence {len(self.asked)}", at=NOW))
            return await super().complete(agent_id, request)

    model = Chatty()
    digest = await dreamer(store, model=model).dream()
    assert len(model.asked) == 10
    assert digest.chain is not None
    assert digest.chain.is_whole
    assert digest.chain.checked == 30 + 10
    spoken = [each for each in (await everything(store)).values() if "sentence" in each.content]
    assert len(spoken) == 10


class _Turning:
    """Turns the clock by as much as somebody sleeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def __call__(self, seconds: float) -> None:
        self._clock.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)


async def _until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


async def test_it_dreams_each_night_by_itself(store: MemoryStore, clock: Clock) -> None:
    clock.at = datetime(2026, 6, 1, 0, 30, tzinfo=UTC)  # 02:30 in Paris
    await store.record(said("good evening", at=clock.at - timedelta(hours=5)))
    told: list[DreamProgress] = []
    config = DreamConfig(time_zone="Europe/Paris")
    house = dreamer(store, config=config, sleep=_Turning(clock), publish=told.append)
    # Yesterday's is made up first.
    await house.start()
    await _until(lambda: sum(each.state == "done" for each in told) >= 3)
    await house.stop()
    began = [row["started_at"] for row in await store.database.query("SELECT * FROM dream")]
    first, *nights = sorted(began)
    assert first == datetime(2026, 6, 1, 1, 30, tzinfo=UTC)
    assert nights[0] == datetime(2026, 6, 2, 1, 30, tzinfo=UTC)


async def test_it_waits_while_somebody_speaks(store: MemoryStore, clock: Clock) -> None:
    clock.at = datetime(2026, 6, 1, 1, 0, tzinfo=UTC)
    await store.record(said("good evening", at=clock.at - timedelta(days=1)))
    told: list[DreamProgress] = []
    turning = _Turning(clock)

    async def talk(seconds: float) -> None:
        if clock.at < datetime(2026, 6, 1, 2, 0, tzinfo=UTC):
            await store.record(said(f"it is {clock.at}", at=clock.at))
        await turning(seconds)

    config = DreamConfig(time_zone="Europe/Paris")
    house = dreamer(store, config=config, sleep=talk, publish=told.append)
    await house.start()
    await _until(lambda: any(each.state == "done" for each in told))
    await house.stop()
    latest = house.latest()
    assert latest is not None
    began = latest.started_at
    quiet = datetime(2026, 6, 1, 2, 9, tzinfo=UTC)
    assert quiet <= began <= quiet + timedelta(minutes=2)
    assert latest.reason in ("night", "idle")


async def test_its_status_is_json(store: MemoryStore, clock: Clock) -> None:
    clock.at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    house = dreamer(store)
    assert house.status() == {"state": "awake", "next": "2026-06-02T01:30:00+00:00", "last": None}
    seen: list[Any] = []
    house.subscribe(lambda progress: seen.append(house.status()))
    await house.dream()
    assert seen[0]["state"] == "dreaming"
    assert seen[0]["step"] == "interpret"
    after = house.status()
    assert (after["state"], after["last"]) == ("awake", "2026-06-01T12:00:00+00:00")
    assert after["chain"] == "whole"
