"""An agent's process, started without a forkserver, and the test as its host."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hairem_core.hotplug import frames
from hairem_core.sdk.message import Message, MessageType, Topic
from hairem_core.sdk.persona import Persona

ROOT = Path(__file__).parents[2]
_CODE = """
import os, socket, sys
from hairem_core.hotplug import agent_process
status = 1
try:
    agent_process.run(socket.socket(fileno=int(sys.argv[1])))
    status = 0
finally:
    sys.stderr.flush()
    os._exit(status)
"""
HEAD = "import asyncio\nfrom hairem_core.sdk import *\n"


def method(body: str, *, name: str = "setup") -> str:
    """Return a bundle's code with one method of this body."""
    parameters = "self, message" if name == "on_message" else "self"
    lines = "".join(f"        {line}\n" for line in body.strip().splitlines())
    return f"{HEAD}\nclass Agent(BaseAgent):\n    async def {name}({parameters}):\n{lines}"


class Host:
    """What a host would be to the process: it notes every frame, and answers calls."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._next_id = 0
        self.heard: list[Any] = []
        self.calls: list[frames.Call] = []
        self.answers: dict[str, Any] = {}
        """By method, what its calls return; a method that is not there gets no answer."""
        self.streams: dict[str, list[list[Any]]] = {}
        """By method, the items of each of its calls, in order."""
        self._changed = asyncio.Event()
        self.reading = asyncio.create_task(self._read())

    def send(self, frame: Any) -> None:
        self._writer.write(frames.encode(frame))

    def deliver(
        self, content: str = "", *, topic: Topic = Topic.AGENT_NOTE, **fields: Any
    ) -> Message:
        message = Message.create(
            sender="user:test",
            recipient="agent:barkeep",
            type=MessageType.RAW,
            topic=topic,
            content=content,
            **fields,
        )
        self.send(frames.Deliver(message=message))
        return message

    async def hear[F](self, kind: type[F], *, seconds: float = 10, **wanted: Any) -> F:
        """Return the first frame of a kind with these values, waiting for it."""
        async with asyncio.timeout(seconds):
            while True:
                for frame in self.heard:
                    if isinstance(frame, kind) and all(
                        getattr(frame, key) == value for key, value in wanted.items()
                    ):
                        return frame
                self._changed.clear()
                if self.reading.done():
                    raise AssertionError(f"it ended without a {kind.__name__}: {self.heard}")
                change = asyncio.create_task(self._changed.wait())
                await asyncio.wait([change, self.reading], return_when=asyncio.FIRST_COMPLETED)
                change.cancel()

    async def hear_log(self, part: str) -> frames.Log:
        """Return the first line of the log that holds `part`, waiting for it."""
        async with asyncio.timeout(10):
            while True:
                for line in self.logs:
                    if part in line.text:
                        return line
                await asyncio.sleep(0.01)

    def all[F](self, kind: type[F]) -> list[F]:
        """Return the frames of a kind that came so far."""
        return [frame for frame in self.heard if isinstance(frame, kind)]

    @property
    def logs(self) -> list[frames.Log]:
        return self.all(frames.Log)

    @property
    def notes(self) -> list[str]:
        """What the agent published, in order."""
        return [call.arguments["content"] for call in self.calls if call.method.startswith("bus.")]

    def hang_up(self) -> None:
        self._writer.close()

    async def ended(self, seconds: float = 10) -> int:
        """Return the exit code, waiting for the end."""
        return await asyncio.to_thread(self._process.wait, seconds)

    async def _read(self) -> None:
        while True:
            try:
                frame = await frames.read_to_host(self._reader)
            except EOFError:
                return
            self.heard.append(frame)
            self._changed.set()
            if isinstance(frame, frames.Call):
                self.calls.append(frame)
                self._answer(frame)

    def _answer(self, call: frames.Call) -> None:
        if call.method in self.streams:
            for item in self.streams[call.method].pop(0):
                self.send(frames.Item(call=call.call, value=item))
            self.send(frames.Result(call=call.call))
        elif call.method in self.answers:
            self.send(frames.Result(call=call.call, value=self.answers[call.method]))


@asynccontextmanager
async def agent_end(folder: Path, files: dict[str, str], **start: Any) -> AsyncIterator[Host]:
    """Start the process of a bundle with these files, in `folder`; end it however it goes."""
    bundle = folder / "snapshot"
    working = folder / "working"
    working.mkdir(parents=True, exist_ok=True)
    bundle.mkdir(exist_ok=True)
    for name, text in files.items():
        path = bundle / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    ours, theirs = socket.socketpair()
    with theirs, (folder / "output").open("wb") as output:
        process = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-P", "-c", _CODE, str(theirs.fileno())],
            env={"PYTHONPATH": str(ROOT)},
            cwd=working,
            pass_fds=[theirs.fileno()],
            stdout=output,
            stderr=output,
        )
    reader, writer = await asyncio.open_connection(sock=ours)
    host = Host(process, reader, writer)
    host.answers["bus.publish"] = host.answers["bus.answer"] = str(
        Message.create(
            sender="core:test", recipient="crew", type=MessageType.RAW, topic=Topic.AGENT_NOTE
        ).header.msg_id
    )
    host.send(
        frames.Start(
            folder=str(bundle),
            has_logic=(bundle / "logic.py").exists(),
            persona=Persona(agent_id="barkeep", name="Basil", languages=["en", "fr"]),
            **start,
        )
    )
    try:
        yield host
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)
        host.hang_up()
        host.reading.cancel()
        await asyncio.gather(host.reading, return_exceptions=True)
