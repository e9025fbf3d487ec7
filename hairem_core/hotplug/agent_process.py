"""The agent's end: load the bundle, serve messages, until told to stop."""

import asyncio
import contextvars
import importlib.util
import logging
import socket
import sys
import traceback
from pathlib import Path
from typing import Any
from uuid import UUID

from hairem_core.hotplug import frames
from hairem_core.hotplug.handled import HandledLog
from hairem_core.hotplug.remote import Remote, create_context
from hairem_core.sdk.agent import BaseAgent
from hairem_core.sdk.errors import AgentError
from hairem_core.sdk.message import Message

current_message: contextvars.ContextVar[UUID | None] = contextvars.ContextVar(
    "current_message", default=None
)


def run(connection: socket.socket) -> None:
    """Be an agent until the host says stop or goes away."""
    asyncio.run(_serve(connection))


async def _serve(connection: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=connection, limit=2**20)
    remote = Remote(writer, current_message)
    logger = _logger(remote)
    start = await frames.read_to_agent(reader)
    assert isinstance(start, frames.Start)
    tasks: set[asyncio.Task[Any]] = set()
    # Frames are read while setup() runs: what it asks of the host comes back over them.
    reading = asyncio.create_task(_Reader(remote, logger).read(reader))
    try:
        agent = _load(start)(create_context(remote, start.persona, logger, tasks))
        setup = asyncio.create_task(agent.setup())
        await asyncio.wait([setup, reading], return_when=asyncio.FIRST_COMPLETED)
        if not setup.done():
            return
        setup.result()
    except Exception as err:  # noqa: BLE001 - the edge of the process: told to the host
        remote.send(frames.StartFailed(error=_say(err), traceback=traceback.format_exc()))
        await writer.drain()
        return
    remote.send(frames.Ready())
    handlers = _Handlers(agent, remote, HandledLog(Path(".handled")))
    remote.on_deliver = handlers.deliver
    remote.on_cancel = handlers.cancel
    host_is_there = await reading
    # Without a host nothing that a handler still does could be known to anyone.
    await handlers.finish(seconds=5.0 if host_is_there else 0.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    try:
        await asyncio.wait_for(agent.teardown(), 5)
    except Exception:
        logger.exception("teardown() failed")
    writer.close()


class _Reader:
    def __init__(self, remote: Remote, logger: logging.Logger) -> None:
        self._remote = remote
        self._logger = logger

    async def read(self, reader: asyncio.StreamReader) -> bool:
        """Read until the host says stop (True) or is gone (False)."""
        while True:
            try:
                frame = await frames.read_to_agent(reader)
            except EOFError:
                return False
            match frame:
                case frames.Stop():
                    return True
                case frames.Deliver(message=message):
                    self._remote.on_deliver(message)
                case frames.Cancel(msg_id=msg_id):
                    self._remote.on_cancel(msg_id)
                case _:
                    self._remote.receive(frame)


class _Handlers:
    """The messages under way, each in a task of its own."""

    def __init__(self, agent: BaseAgent, remote: Remote, handled: HandledLog) -> None:
        self._agent = agent
        self._remote = remote
        self._handled = handled
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    def deliver(self, message: Message) -> None:
        msg_id = message.header.msg_id
        if msg_id in self._handled:
            self._remote.send(frames.Done(msg_id=msg_id))
            return
        task = asyncio.create_task(self._handle(message), name=f"message {msg_id}")
        self._tasks[msg_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(msg_id, None))

    def cancel(self, msg_id: UUID) -> None:
        if task := self._tasks.get(msg_id):
            task.cancel()

    async def finish(self, seconds: float) -> None:
        """Let the handlers that run finish for `seconds`, then cancel them."""
        if running := list(self._tasks.values()):
            _, late = await asyncio.wait(running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.wait(running, timeout=0.5)
        self._handled.close()

    async def _handle(self, message: Message) -> None:
        msg_id = message.header.msg_id
        current_message.set(msg_id)
        try:
            await self._agent.on_message(message)
        except asyncio.CancelledError:
            self._fail(msg_id, "cancelled", "cancelled", "")
        except AgentError as err:
            self._fail(msg_id, err.code, str(err), traceback.format_exc())
        except Exception as err:  # noqa: BLE001 - the edge of the process: told to the host
            self._fail(msg_id, "agent_failed", _say(err), traceback.format_exc())
        else:
            self._handled.add(msg_id)
            self._remote.send(frames.Done(msg_id=msg_id))

    def _fail(self, msg_id: UUID, code: str, error: str, trace: str) -> None:
        self._remote.send(frames.Failed(msg_id=msg_id, code=code, error=error, traceback=trace))


def _load(start: frames.Start) -> type[BaseAgent]:
    if not start.has_logic:
        return BaseAgent
    folder = Path(start.folder)
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("logic", folder / "logic.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["logic"] = module
    spec.loader.exec_module(module)
    agent = getattr(module, "Agent", None)
    if not (isinstance(agent, type) and issubclass(agent, BaseAgent)):
        raise AgentError(
            "there is no class Agent derived from BaseAgent",
            where=str(folder / "logic.py"),
            hint="Write `class Agent(BaseAgent): …`.",
        )
    return agent


def _logger(remote: Remote) -> logging.Logger:
    class ToHost(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            remote.send(frames.Log(level=record.levelno, text=self.format(record)[:16_384]))

    root = logging.getLogger()
    root.handlers[:] = [ToHost()]
    root.setLevel(logging.INFO)
    return logging.getLogger("agent")


def _say(err: BaseException) -> str:
    return f"{type(err).__name__}: {err}"
