"""An agent that does whatever a test tells it to, and the test's hold on it."""

import asyncio
import os
import signal
import textwrap
from typing import Any

from hairem_core.core import Core
from hairem_core.hotplug.registry import AgentRecord
from tests.hotplug.helpers import ask, from_test
from tests.support.bus import until
from tests.support.core import Client

PUPPET = '''
import asyncio, ctypes, errno, json, math, mmap, os, resource, select, signal, socket, struct
import subprocess, sys, threading, time
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
    for name in os.listdir("/proc/self/fd")[:-1]:
        if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
            continue
        found = socket.socket(fileno=os.dup(int(name)))
        peer, *_ = struct.unpack("3i", found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if peer != os.getpid():
            return found
        found.close()


def send(body, connection):
    """Write bytes on the socket to H-Core, past everything that hAIrem wraps around it."""
    rest = memoryview(body)
    while rest:
        try:
            rest = rest[connection.send(rest):]
        except BlockingIOError:
            select.select([], [connection], [])


def framed(body):
    return struct.pack(">I", len(body)) + body


def frame(**fields):
    return framed(json.dumps(fields).encode())


def call(number, method, **arguments):
    return frame(kind="call", call=number, method=method, arguments=arguments)


class Agent(BaseAgent):
    async def on_message(self, message):
        scope = globals() | {"self": self, "ctx": self.ctx, "message": message}
        exec(message.payload.content, scope)
        try:
            result = await scope["attack"]()
        except Exception as err:
            result = f"{type(err).__name__}: {err}"
        is_spoken = message.header.topic is Topic.USER_UTTERANCE
        await self.ctx.bus.answer(
            message,
            topic=Topic.NARRATIVE_TEXT if is_spoken else Topic.AGENT_NOTE,
            content=repr(result)[:1000],
            data={"result": result},
        )
'''
"""Does what a message says, in Python."""


class Hostile:
    """One agent that does harm."""

    def __init__(self, core: Core, client: Client, agent_id: str) -> None:
        self._core = core
        self._client = client
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
        return self._core.control.details(self.id)

    @property
    def log(self) -> list[str]:
        """The lines of its log, oldest first."""
        return [line.text for line in self._core.control.log(self.id).lines()]

    def is_kept_from(self, what: str) -> bool:
        """Return whether this system has a protection; where it has not, that must be said."""
        words = self.details["process"]["protections"][what]
        if words.startswith("active"):
            return True
        assert words.startswith("inactive: "), words
        return False

    async def do(self, attack: str) -> Any:
        """Have a puppet do something and return what came of it."""
        (answer,) = await ask(self._core, from_test(self.id, _function(attack)))
        return answer.payload.data["result"]

    async def start(self, attack: str) -> None:
        """Have a puppet do something that does not end, or not well."""
        await self._core.bus.publish(from_test(self.id, _function(attack)))

    async def turn(self, attack: str = "return 'here'") -> dict[str, Any]:
        """Have a puppet do something as a person would ask for it; return the turn's last event.

        What a person asked for is not tried again when the agent ends over it.
        """
        return (await self._client.turn(self.id, _function(attack)))[-1]

    async def begin_turn(self, attack: str = "return 'here'") -> int:
        """Have a puppet do something as a person would ask for it; return the turn's number."""
        turn = await self._client.send("converse", agent_id=self.id, text=_function(attack))
        assert (await self._client.receive_for(turn))["success"]
        return turn

    async def is_in(self, state: str, seconds: float = 20.0) -> None:
        await until(lambda: self.record.state == state, seconds)

    async def put_down(self) -> None:
        """Kill its process and wait for the next, when a test is done with the first."""
        restarts = self.record.restarts
        os.kill(self.pid, signal.SIGKILL)
        await self.restarted("", ends=restarts + 1)

    async def restarted(self, reason: str, ends: int = 1, seconds: float = 20.0) -> None:
        """Wait until it has ended `ends` times and lives again."""
        await until(lambda: self.record.restarts >= ends and self.record.state == "live", seconds)
        assert reason in (self.record.last_error or ""), self.record

    async def says(self, words: str, seconds: float = 10.0) -> None:
        """Wait until a line of its log holds `words`."""
        async with asyncio.timeout(seconds):
            while not any(words in line for line in self.log):
                await asyncio.sleep(0.02)


def _function(attack: str) -> str:
    return "async def attack():\n" + textwrap.indent(textwrap.dedent(attack), "    ")
