"""A whole H-Core with an agent that behaves, and beside it one after another that does not."""

import asyncio
import functools
import os
import shutil
import textwrap
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from hairem_core.core import Core
from hairem_core.hotplug.registry import AgentRecord
from hairem_core.sdk.chat import ChatRequest, Delta
from hairem_core.sdk.message import Message, Topic
from tests.hotplug.helpers import ask, from_test
from tests.hotplug.hostile.neighbour import NEIGHBOUR, Neighbour, Slowed
from tests.support.bus import note, until
from tests.support.core import OpenGate, running_core, write_agent

PUPPET = '''
import asyncio, ctypes, errno, gc, json, mmap, os, resource, select, signal, socket, struct, sys
import threading, time, traceback
from pathlib import Path
from uuid import UUID, uuid4
from hairem_core.sdk import *


def attempt(action, *arguments, **options):
    """Return "ok", or the symbol of the error that the system gave."""
    try:
        action(*arguments, **options)
    except OSError as err:
        return errno.errorcode.get(err.errno, repr(err))
    return "ok"


def host_socket():
    """Return the socket to H-Core, by its descriptor: the one whose other end is not here."""
    for name in os.listdir("/proc/self/fd"):
        try:
            found = socket.socket(fileno=os.dup(int(name)))
            peer, *_ = struct.unpack("3i", found.getsockopt(socket.SOL_SOCKET, 17, 12))
        except OSError:
            continue
        if peer != os.getpid():
            return found
        found.close()


def send(body, connection=None):
    """Write bytes on the socket to H-Core, past everything that hAIrem wraps around it."""
    connection = connection or host_socket()
    rest = memoryview(body)
    while rest:
        try:
            rest = rest[connection.send(rest):]
        except BlockingIOError:
            select.select([], [connection], [])


def frame(**fields):
    body = json.dumps(fields).encode()
    return struct.pack(">I", len(body)) + body


class Agent(BaseAgent):
    async def on_message(self, message):
        scope = globals() | {"self": self, "ctx": self.ctx, "message": message}
        exec(message.payload.content, scope)
        try:
            result = await scope["attack"]()
        except Exception as err:
            result = f"{type(err).__name__}: {err}"
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, data={"result": result})
'''
"""Does what a message says, in Python."""

_MOST_MEMORY_MB = 96
"""By which H-Core's own may grow while it is attacked."""
_MOST_LEFT_MB = 48
_WARM_UP = 60
"""Things said, after which memory's engine and index have taken the room that they keep."""
_POOLED = 6
"""Connections to Redis that H-Core may come to hold: it keeps one that was needed at once."""

CONFIG: dict[str, Any] = {
    "heartbeat_timeout": 4,
    "start_timeout": 4,
    "teardown_timeout": 1,
    "limits": {"memory_mb": 160, "open_files": 64, "processes": 24, "file_mb": 16},
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


@dataclass
class Footprint:
    """What H-Core itself uses."""

    descriptors: int
    tasks: int
    memory: int

    @classmethod
    def now(cls) -> Self:
        tasks = [task for task in asyncio.all_tasks() if not task.done()]
        memory = psutil.Process().memory_info().rss
        return cls(len(os.listdir("/proc/self/fd")), len(tasks), memory)


class Chatter:
    """Stands for a language model that says a lot."""

    async def stream(self, agent_id: str, request: ChatRequest) -> AsyncGenerator[Delta]:
        for _ in range(200):
            yield Delta(content="so to say " * 20)
            await asyncio.sleep(0.001)


class Hostile:
    """One agent that does harm."""

    def __init__(self, core: Core, agent_id: str) -> None:
        self._core = core
        self.id = agent_id

    @property
    def record(self) -> AgentRecord:
        return self._core.registry[self.id]

    @property
    def pid(self) -> int:
        pid = self._core.agent_pid(self.id)
        assert pid is not None
        return pid

    @property
    def details(self) -> dict[str, Any]:
        process = self._core.control.details(self.id)["process"]
        assert isinstance(process, dict)
        return process

    @property
    def protections(self) -> dict[str, str]:
        protections = self.details["protections"]
        assert isinstance(protections, dict)
        return protections

    @property
    def log(self) -> list[str]:
        return [line.text for line in self._core.control.log(self.id).lines()]

    async def start(self, attack: str, **fields: Any) -> None:
        """Have a puppet do something, without waiting for the end of it."""
        body = textwrap.indent(textwrap.dedent(attack), "    ")
        await self._core.bus.publish(
            from_test(self.id, f"async def attack():\n{body}", **fields)
        )

    async def do(self, attack: str) -> Any:
        """Have a puppet do something and return what came of it."""
        body = textwrap.indent(textwrap.dedent(attack), "    ")
        message = from_test(self.id, f"async def attack():\n{body}")
        (answer,) = await ask(self._core, message)
        return answer.payload.data["result"]

    async def is_in(self, state: str, seconds: float = 15.0) -> None:
        await until(lambda: self.record.state == state, seconds)

    async def ended(self, reason: str, ends: int = 1, seconds: float = 20.0) -> None:
        """Wait until it has ended `ends` times and lives again."""
        await until(
            lambda: self.record.restarts >= ends and self.record.state == "live", seconds
        )
        assert reason in (self.record.last_error or ""), self.record


class Street:
    """Where the neighbour lives."""

    def __init__(self, core: Core, agents: Path, data: Path, neighbour: Neighbour) -> None:
        self.core = core
        self.data = data
        self._agents = agents
        self._neighbour = neighbour
        self._number = 0
        self._at_first = Footprint.now()

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, **agents_config: Any) -> AsyncIterator[Self]:
        agents = folder / "agents"
        agents.mkdir()
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
        ):
            # What is imported and pooled at a first time is so before anything is measured.
            street = cls(core, agents, folder / "data", neighbour)
            for _ in range(_WARM_UP):
                await core.memory.record(_small_talk())
                await core.memory.recall("neighbour", "fine day", limit=1)
            async with street.hostile("warm-up") as guest:
                assert await guest.do("return 1") == 1
            street._at_first = Footprint.now()
            yield street

    @asynccontextmanager
    async def hostile(
        self,
        what: str,
        logic: str = PUPPET,
        permissions: str = "[]",
        *,
        state: str = "live",
    ) -> AsyncIterator[Hostile]:
        """Yield an agent; check that the neighbour and H-Core do not suffer, and what is left.

        Raises Slowed and AssertionError.
        """
        self._number += 1
        agent_id = f"hostile_{self._number}"
        before = Footprint.now()
        neighbour = self.core.agent_pid("neighbour")
        hostile = Hostile(self.core, agent_id)
        peak = asyncio.create_task(_peak())
        try:
            async with self._neighbour.answers_as_before(what):
                write_agent(self._agents, agent_id, logic, permissions)
                await until(lambda: self.core.registry.get(agent_id) is not None)
                await hostile.is_in(state)
                yield hostile
        finally:
            peak.cancel()
            shutil.rmtree(self._agents / agent_id)
            await until(lambda: self.core.registry.get(agent_id) is None, 20)
        assert self.core.agent_pid("neighbour") == neighbour
        assert self.core.registry["neighbour"].state == "live"
        assert not self.core.registry["neighbour"].restarts
        await self._nothing_is_left(agent_id, before, await peak)

    async def _nothing_is_left(self, agent_id: str, before: Footprint, peak: int) -> None:
        most = self._at_first.descriptors + _POOLED
        try:
            await until(lambda: not self._processes_of(agent_id), 5)
            await until(lambda: Footprint.now().tasks <= self._at_first.tasks, 5)
            await until(lambda: Footprint.now().descriptors <= most, 5)
        except TimeoutError:
            raise AssertionError(
                f"left: {self._processes_of(agent_id)}, {self._at_first} became {Footprint.now()}"
            ) from None
        after = Footprint.now()
        print(  # noqa: T201
            f"    H-Core: {(peak - before.memory) / 2**20:+.0f} MiB at most, "
            f"{(after.memory - before.memory) / 2**20:+.0f} MiB after"
        )
        assert peak - before.memory < _MOST_MEMORY_MB * 2**20
        assert after.memory - before.memory < _MOST_LEFT_MB * 2**20

    def _processes_of(self, agent_id: str) -> list[int]:
        """Return the processes in an agent's working folder, whoever started them."""
        folder = str(self.data / "agents" / agent_id)
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.readlink(entry / "cwd").startswith(folder):
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found


async def _peak() -> int:
    """Return the most memory that this process had, in bytes, when it is cancelled."""
    most = 0
    try:
        while True:
            most = max(most, Footprint.now().memory)
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
