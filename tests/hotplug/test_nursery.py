"""Background tasks: named, supervised, held until the agent is live, ended with it."""

import asyncio
import gc
import logging
import time

import pytest

from hairem_core.hotplug.nursery import Nursery
from hairem_core.sdk.errors import AgentError

LOGGER = logging.getLogger("test.nursery")


@pytest.fixture
async def nursery() -> Nursery:
    return Nursery(LOGGER)


async def note(log: list[str], text: str) -> str:
    log.append(text)
    return text


async def rest() -> None:
    await asyncio.sleep(60)


async def test_a_task_waits_for_the_beginning_and_then_runs(nursery: Nursery) -> None:
    log: list[str] = []
    task = nursery.spawn(note(log, "ran"), name="note")
    await asyncio.sleep(0.01)
    assert (log, nursery.held, len(nursery)) == ([], ["note"], 1)
    nursery.begin()
    assert await task == "ran"
    await asyncio.sleep(0)
    assert (nursery.held, len(nursery)) == ([], 0)


async def test_after_the_beginning_a_task_runs_at_once(nursery: Nursery) -> None:
    nursery.begin()
    log: list[str] = []
    nursery.spawn(note(log, "ran"))
    await asyncio.sleep(0)
    assert log == ["ran"]


async def test_a_task_is_named_after_its_coroutine(nursery: Nursery) -> None:
    tasks = [nursery.spawn(rest()), nursery.spawn(rest(), name="mine")]
    assert nursery.names == ["mine", "rest"]
    assert isinstance(tasks[0], asyncio.Task)
    await nursery.close(1)


@pytest.mark.parametrize("steps", [0, 3])
async def test_a_held_task_that_is_cancelled_leaves_no_complaint(
    nursery: Nursery, steps: int
) -> None:
    # "coroutine … was never awaited" would be a warning, and warnings are errors here.
    task = nursery.spawn(rest())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    gc.collect()
    assert len(nursery) == nursery.failures == 0


async def test_a_failure_is_logged_with_its_traceback_and_counted(
    nursery: Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    async def break_down() -> None:
        raise ValueError("on purpose")

    nursery.begin()
    task = nursery.spawn(break_down(), name="fragile")
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert nursery.failures == 1
    assert "Task fragile failed" in caplog.text
    assert "in break_down" in caplog.text
    assert "ValueError: on purpose" in caplog.text


async def test_a_cancelled_task_is_no_failure(
    nursery: Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    nursery.begin()
    tasks = [nursery.spawn(rest()) for _ in range(20)]
    await asyncio.sleep(0)
    await nursery.close(1)
    assert all(task.cancelled() for task in tasks)
    assert (nursery.failures, caplog.text) == (0, "")


@pytest.mark.alone
async def test_a_task_that_resists_is_named_and_waited_for_no_longer(
    nursery: Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    async def resist() -> None:
        for _ in range(20):
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue

    nursery.begin()
    task = nursery.spawn(resist(), name="stubborn")
    await asyncio.sleep(0)
    started = time.monotonic()
    await nursery.close(0.2)
    assert 0.15 < time.monotonic() - started < 0.8
    assert "Task stubborn goes on 0.2 s after it was cancelled" in caplog.text
    await task


async def test_nothing_is_spawned_once_it_is_closed(nursery: Nursery) -> None:
    refused: list[AgentError] = []

    async def spawn_at_the_end() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            try:
                nursery.spawn(rest(), name="late")
            except AgentError as err:
                refused.append(err)

    nursery.begin()
    nursery.spawn(spawn_at_the_end())
    await asyncio.sleep(0)
    await nursery.close(1)
    gc.collect()
    assert "task late cannot be started: this version of the agent is ending" in str(refused[0])


async def test_what_is_no_coroutine_is_refused_with_what_to_write(nursery: Nursery) -> None:
    with pytest.raises(TypeError, match=r"call the method: `ctx.spawn_task\(self.watch\(\)\)`"):
        nursery.spawn(rest)  # type: ignore[arg-type]


async def test_a_thread_is_told_where_to_spawn(nursery: Nursery) -> None:
    with pytest.raises(AgentError, match="cannot be started from a thread"):
        await asyncio.to_thread(nursery.spawn, rest())
    gc.collect()
