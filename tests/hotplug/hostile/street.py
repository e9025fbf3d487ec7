"""A whole H-Core with an agent that behaves, and beside it one after another that does not."""

import asyncio
import ctypes
import functools
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import psutil

from hairem_core.core import Core
from hairem_core.sdk.chat import ChatRequest, Delta, ModelRole, ToolCall
from hairem_core.sdk.message import Message, Topic
from tests.hotplug.hostile.neighbour import NEIGHBOUR, Neighbour, Slowed
from tests.hotplug.hostile.puppet import PUPPET, Hostile
from tests.support.bus import note, until
from tests.support.core import Client, OpenGate, running_core, write_agent

MOST_MEMORY_MB = 128
"""By which H-Core's own may grow while it is attacked once."""
_MOST_LEFT_MB = 64
"""Of all attacks together."""
_WARM_UP = 60
"""Things said, after which memory's engine and index have taken the room that they keep."""
_MOST_POOLED = 100
"""Connections to Redis: H-Core keeps those that were needed at once for the next time."""

SLOWLY = "take your time"
"""What the model answers only after an hour."""
LIMITS = {"memory_mb": 320, "open_files": 64, "processes": 24, "file_mb": 16}
CONFIG: dict[str, Any] = {
    "heartbeat_timeout": 3,
    "start_timeout": 4,
    "teardown_timeout": 1,
    "limits": LIMITS,
}


def once_more[**P](test: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
    """Run a test a second time when the neighbour was slow: others use this machine too."""

    @functools.wraps(test)
    async def run(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            await test(*arguments, **options)
        except Slowed as err:
            print(f"once more, for {err}")  # noqa: T201
            await asyncio.sleep(2)
            await test(*arguments, **options)

    return run


class Chatter:
    """Stands for a language model: it uses the first tool that it is given, and talks."""

    async def stream(self, agent_id: str, request: ChatRequest) -> AsyncGenerator[Delta]:
        if request.messages[-1].content == SLOWLY:
            await asyncio.sleep(3600)
        if request.tools and request.messages[-1].role != "tool":
            yield Delta(tool_calls=[ToolCall(id="1", name=request.tools[0].name)])
        for _ in range(20):
            yield Delta(content="so to say ")

    def has_model(self, agent_id: str | None, role: ModelRole) -> bool:
        return True


@dataclass
class Footprint:
    """What H-Core itself uses."""

    descriptors: int
    """But for those of its connections to Redis, and of memory's engine, which keeps its files even
    when it is closed."""
    connections: int
    tasks: int
    memory: int

    @classmethod
    async def of(cls, core: Core) -> Self:
        info: Any = await core.bus.redis.info("clients")
        connections = info["connected_clients"]
        tasks = [task for task in asyncio.all_tasks() if not task.done()]
        files = [each for each in _open_files() if "/data/memory/" not in each]
        return cls(len(files) - connections, connections, len(tasks), _memory())

    def is_within(self, other: Footprint) -> bool:
        """Return whether nothing is here that is not in the other one."""
        return self.descriptors <= other.descriptors and self.tasks <= other.tasks


class Street:
    """Where the neighbour lives."""

    given_back: ClassVar[int] = 0
    """Bytes, by all streets of this process."""

    def __init__(
        self, core: Core, agents: Path, data: Path, neighbour: Neighbour, client: Client
    ) -> None:
        self.core = core
        self.data = data
        self.client = client
        self._agents = agents
        self._neighbour = neighbour
        self.own_descriptors = 0
        """Those that a test itself has opened."""
        self._number = 0
        self._at_first: Footprint | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, **agents_config: Any) -> AsyncIterator[Self]:
        agents = folder / "agents"
        agents.mkdir(parents=True)
        write_agent(agents, "neighbour", NEIGHBOUR)
        async with (
            running_core(
                folder,
                agents=agents,
                gatekeeper=OpenGate(),
                models=Chatter(),
                agents_config=CONFIG | agents_config,
            ) as core,
            Neighbour.meet(core) as neighbour,
            Client.connect(core.address, core.new_token or "") as client,
        ):
            street = cls(core, agents, folder / "data", neighbour, client)
            # What is imported and pooled at a first time is so before anything is measured.
            for _ in range(_WARM_UP):
                await core.memory.record(_small_talk())
                await core.memory.recall("neighbour", "fine day", limit=1)
            async with street.hostile("warm-up") as guest:
                assert await guest.do("return 1") == 1
            street._at_first = await Footprint.of(core)
            yield street
            before = _memory()
            _give_back()
            grown = _memory() - street._at_first.memory
            assert grown < _MOST_LEFT_MB * 2**20, f"all in all {grown / 2**20:.0f} MiB are left"
            # What was given back will be taken again: that is no growth of the next street's.
            cls.given_back += max(0, before - _memory())

    @property
    def next_number(self) -> int:
        """The number in the id of the next agent."""
        return self._number

    @asynccontextmanager
    async def hostile(
        self, what: str, logic: str = PUPPET, permissions: str = "[]", **fields: Any
    ) -> AsyncIterator[Hostile]:
        """Yield an agent; check that the neighbour and H-Core do not suffer, and what is left.

        Raises Slowed and AssertionError.
        """
        async with self.gang(what, [logic], permissions, **fields) as (hostile,):
            yield hostile

    @asynccontextmanager
    async def gang(
        self,
        what: str,
        logics: Sequence[str],
        permissions: str = "[]",
        *,
        state: str | None = "live",
        most_mb: int = MOST_MEMORY_MB,
    ) -> AsyncIterator[list[Hostile]]:
        """Yield several agents that do harm at the same time, each when it is in `state`.

        `most_mb` is by how much H-Core's own memory may grow meanwhile.
        """
        ids = [f"hostile_{self._number + index}" for index in range(len(logics))]
        self._number += len(ids)
        before = _memory()
        neighbour = self.core.agent_pid("neighbour")
        gang = [Hostile(self.core, self.client, agent_id) for agent_id in ids]
        peak = asyncio.create_task(_peak())
        try:
            async with self._neighbour.answers_as_before(what):
                for agent_id, logic in zip(ids, logics, strict=True):
                    write_agent(self._agents, agent_id, logic, permissions)
                await until(lambda: all(self.core.registry.get(each) for each in ids))
                if state is not None:
                    await asyncio.gather(*(each.is_in(state) for each in gang))
                yield gang
        finally:
            peak.cancel()
            for agent_id in ids:
                shutil.rmtree(self._agents / agent_id)
            await until(lambda: not any(self.core.registry.get(each) for each in ids), 20)
        assert self.core.agent_pid("neighbour") == neighbour
        assert self.core.registry["neighbour"].state == "live"
        assert not self.core.registry["neighbour"].restarts
        await self._nothing_is_left(ids)
        if self._at_first is None:
            return
        grown, left = await peak - before, _memory() - before
        print(f"    H-Core: {grown / 2**20:+.0f} MiB at most, {left / 2**20:+.0f} MiB after")  # noqa: T201
        assert grown < most_mb * 2**20 + self.given_back

    async def _nothing_is_left(self, ids: Sequence[str]) -> None:
        try:
            async with asyncio.timeout(5):
                while self._processes_of(ids) or not await self._is_as_before():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            now = await Footprint.of(self.core)
            raise AssertionError(
                f"left: {self._processes_of(ids)}, {self._at_first} became {now}"
            ) from None

    async def _is_as_before(self) -> bool:
        now = await Footprint.of(self.core)
        assert now.connections < _MOST_POOLED
        now.descriptors -= self.own_descriptors
        return self._at_first is None or now.is_within(self._at_first)

    def _processes_of(self, ids: Sequence[str]) -> list[int]:
        """Return the processes in the agents' working folders, whoever started them."""
        folders = [self.data / "agents" / agent_id for agent_id in ids]
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    if (entry / "cwd").readlink() in folders:
                        found.append(int(entry.name))
        return found


def _open_files() -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that is open for this look at them
            found.append(str(entry.readlink()))
    return found


def _memory() -> int:
    return int(psutil.Process().memory_info().rss)


def _give_back() -> None:
    """Have the C library give back what it holds and does not need, so that a leak shows."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


async def _peak() -> int:
    """Return the most memory that this process had, in bytes, when it is cancelled."""
    most = 0
    try:
        while True:
            most = max(most, _memory())
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return most


def _small_talk() -> Message:
    return note(
        "It was a fine day " * 5,
        sender="user:test",
        recipient="agent:neighbour",
        topic=Topic.USER_UTTERANCE,
    )
