"""Trying again: how soon, how often, and when not."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from custom_components.hairem.errors import CannotConnect, InvalidAuth
from custom_components.hairem.reconnect import (
    JITTER,
    MAX_DELAY,
    MIN_DELAY,
    ReconnectLogic,
    reconnect_delay,
)


class FakeLink:
    """A link that a test cuts."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def wait_closed(self) -> None:
        await self.gone.wait()

    async def close(self) -> None:
        self.gone.set()


class Opener:
    """Opens links, after as many failures as a test wants."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.links: list[FakeLink] = []

    async def __call__(self) -> FakeLink:
        if self.failures:
            raise self.failures.pop(0)
        self.links.append(FakeLink())
        return self.links[-1]


class Sleep:
    """Writes down what was waited, and takes no time over it."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    async def __call__(self, delay: float) -> None:
        self.delays.append(delay)
        await asyncio.sleep(0)


def nothing() -> None:
    """Be told and do nothing."""


def logic(
    opener: Opener,
    on_down: Callable[[], None] = nothing,
    on_up: Callable[[], None] = nothing,
    sleep: Sleep | None = None,
) -> ReconnectLogic[FakeLink]:
    return ReconnectLogic(
        opener, on_down=on_down, on_up=on_up, chance=lambda: 0, sleep=sleep or Sleep()
    )


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_delays_grow_with_the_outage_and_stay_within_bounds() -> None:
    delays = [reconnect_delay(outage, 0) for outage in (0, 1, 5, 10, 60, 3600, 10**7)]
    assert delays[0] == MIN_DELAY
    assert delays[-1] == MAX_DELAY
    assert all(before <= after for before, after in pairwise(delays))


@pytest.mark.parametrize("outage", [0.0, 0.5, 3.0, 10.0])
def test_after_a_short_outage_the_wait_is_at_most_a_second(outage: float) -> None:
    assert reconnect_delay(outage, 0) <= 1


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
def test_chance_only_shortens_a_wait(chance: float) -> None:
    full = reconnect_delay(100, 0)
    assert full * (1 - JITTER) <= reconnect_delay(100, chance) <= full


async def test_tells_down_and_up_once_per_outage() -> None:
    told: list[str] = []
    opener = Opener(*[CannotConnect("refused")] * 3)
    first = FakeLink()
    sleep = Sleep()
    reconnect = logic(opener, lambda: told.append("down"), lambda: told.append("up"), sleep)
    task = asyncio.create_task(reconnect.run(first))
    await settle()
    assert told == []

    await first.close()
    await settle()
    assert told == ["down", "up"]
    assert len(sleep.delays) == 4
    statistics = reconnect.statistics()
    assert (statistics.outages, statistics.failed_tries) == (1, 3)
    assert statistics.down_since is None
    assert statistics.last_error == "refused"

    await opener.links[0].close()
    await settle()
    assert told == ["down", "up"] * 2
    assert reconnect.statistics().outages == 2
    assert reconnect.statistics().failed_tries == 0
    await stop(task)


async def test_says_that_it_is_down_while_it_is() -> None:
    opener = Opener(*[CannotConnect("refused")] * 10**5)
    first = FakeLink()
    reconnect = logic(opener)
    task = asyncio.create_task(reconnect.run(first))
    await first.close()
    await settle()
    assert reconnect.statistics().down_since is not None
    assert reconnect.statistics().failed_tries > 1
    await stop(task)


async def test_a_link_that_fails_at_once_is_not_reopened_without_a_wait() -> None:
    class Stillborn(Opener):
        async def __call__(self) -> FakeLink:
            link = await super().__call__()
            await link.close()
            return link

    opener = Stillborn()
    first = FakeLink()
    await first.close()
    sleep = Sleep()
    task = asyncio.create_task(logic(opener, sleep=sleep).run(first))
    await settle()
    assert len(opener.links) > 1
    assert len(sleep.delays) >= len(opener.links)
    assert min(sleep.delays) >= MIN_DELAY
    await stop(task)


async def test_gives_up_where_another_try_is_useless() -> None:
    first = FakeLink()
    await first.close()
    with pytest.raises(InvalidAuth):
        await logic(Opener(CannotConnect("refused"), InvalidAuth("no"))).run(first)


async def test_closes_the_link_when_it_is_cancelled() -> None:
    first = FakeLink()
    task = asyncio.create_task(logic(Opener()).run(first))
    await settle()
    await stop(task)
    assert first.gone.is_set()
