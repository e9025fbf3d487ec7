"""An agent that does nothing wrong, and how long its answers take."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from hairem_core.core import Core
from hairem_core.sdk.message import Message
from tests.hotplug.helpers import HEAD
from tests.support.bus import note
from tests.support.core import Client

NEIGHBOUR = (
    HEAD
    + """
class Agent(BaseAgent):
    async def on_message(self, message):
        if not message.header.sender.startswith("user:"):
            return
        is_spoken = message.header.topic is Topic.USER_UTTERANCE
        await self.ctx.bus.answer(
            message,
            topic=Topic.NARRATIVE_TEXT if is_spoken else Topic.AGENT_NOTE,
            content=message.payload.content,
        )
"""
)
_PAUSE = 0.04
"""Seconds between two questions: no agent may say more than 50 things a second."""
_LOST_SECONDS = 15.0
_FEWEST = 12
"""Answers by either way, below which a percentile says nothing."""
_FRESH, _KEPT = 4, 60
"""Answers before an attack: those that are new, and those that count."""
_TOLERATED_MS = 250.0
_BUS = "user:probe"


class Slowed(AssertionError):
    """The neighbour answered more slowly than before. The machine may be at fault."""


@dataclass
class Latency:
    """How long answers took, in milliseconds."""

    taken: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.taken)

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.taken, n=20, method="inclusive")[-1]

    def __str__(self) -> str:
        return f"{self.median:5.1f}/{self.p95:5.1f} ms ({len(self.taken)})"


class Neighbour:
    """Asks the neighbour without a pause, over the bus and over the bridge."""

    def __init__(self, core: Core, client: Client) -> None:
        self._core = core
        self._client = client
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._asked = 0
        self._quiet = Latency(), Latency()
        """Over the bus and over the bridge, before attacks: the last ones."""

    @classmethod
    @asynccontextmanager
    async def meet(cls, core: Core) -> AsyncIterator[Self]:
        assert core.new_token
        async with Client.connect(core.address, core.new_token) as client:
            neighbour = cls(core, client)
            stop = await core.bus.listen(_BUS, neighbour._hear)
            yield neighbour
            await stop()

    @asynccontextmanager
    async def answers_as_before(self, what: str) -> AsyncIterator[None]:
        """Raises Slowed when it answers more slowly within, TimeoutError when it does not."""
        before = await self._before()
        done = asyncio.Event()
        during = asyncio.create_task(self._measure(done.wait, _FEWEST))
        try:
            yield
        finally:
            done.set()
            bus, bridge = await during
        print(f"\n{what}: bus {before[0]} -> {bus}, bridge {before[1]} -> {bridge}")  # noqa: T201
        for way, was, now in (("bus", before[0], bus), ("bridge", before[1], bridge)):
            if now.p95 > max(3 * was.p95, _TOLERATED_MS):
                raise Slowed(f"{way}: median/p95 {was} before, {now} during: {what}")

    async def _before(self) -> tuple[Latency, Latency]:
        fewest = _FRESH if self._quiet[0].taken else _FEWEST
        fresh = await self._measure(lambda: asyncio.sleep(0), fewest)
        for known, new in zip(self._quiet, fresh, strict=True):
            known.taken[:] = [*known.taken, *new.taken][-_KEPT:]
        return self._quiet

    async def _measure(
        self, wait: Callable[[], Awaitable[object]], fewest: int
    ) -> tuple[Latency, Latency]:
        bus, bridge = Latency(), Latency()
        waiting = asyncio.ensure_future(wait())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self._ask_by_bus, bus, waiting, fewest))
            group.create_task(self._repeat(self._ask_by_bridge, bridge, waiting, fewest))
        return bus, bridge

    async def _repeat(
        self,
        ask: Callable[[], Awaitable[None]],
        latency: Latency,
        until: asyncio.Future[object],
        fewest: int,
    ) -> None:
        while not until.done() or len(latency.taken) < fewest:
            started = time.perf_counter()
            async with asyncio.timeout(_LOST_SECONDS):
                await ask()
            latency.taken.append((time.perf_counter() - started) * 1000)
            await asyncio.sleep(_PAUSE)

    async def _ask_by_bus(self) -> None:
        self._asked += 1
        words = str(self._asked)
        heard = self._waiting[words] = asyncio.get_running_loop().create_future()
        await self._core.bus.publish(note(words, sender=_BUS, recipient="agent:neighbour"))
        await heard
        del self._waiting[words]

    async def _ask_by_bridge(self) -> None:
        events = await self._client.turn("neighbour", "still there?")
        assert [each["kind"] for each in events][-1] == "done", events

    def _hear(self, message: Message) -> None:
        if (future := self._waiting.get(message.payload.content)) and not future.done():
            future.set_result(None)
