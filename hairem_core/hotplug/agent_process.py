"""The agent's end: load the bundle, serve messages, until told to stop."""

import asyncio
import logging
import socket
import sys
import traceback
from pathlib import Path
from typing import Any
from uuid import UUID

from hairem_core.hotplug import frames
from hairem_core.hotplug.bundle_code import BundleCode
from hairem_core.hotplug.connection import HostConnection, current_message
from hairem_core.hotplug.fingerprint import fingerprint
from hairem_core.hotplug.handled import HandledLog
from hairem_core.hotplug.nursery import Nursery
from hairem_core.hotplug.rates import TokenBucket
from hairem_core.hotplug.remote import create_context
from hairem_core.sdk.agent import BaseAgent
from hairem_core.sdk.errors import AgentError
from hairem_core.sdk.message import Message

_HANDLER_SECONDS = 5.0
"""How long handlers may go on after the host said stop."""
_RETIRE_SECONDS = 1.0
"""How long background tasks may take to end after they were cancelled for a successor."""
_CUT_SECONDS = 0.5
"""How long handlers and tasks that were cancelled may take to end at a stop."""
_LAST_SECONDS = 0.2
"""How long the last words may take. With all of these a stop takes at most 6 s and what
`teardown()` may take, after which the host kills."""
_LINES_PER_SECOND = 1_000
"""Lines of the log. More would make the signs of life wait behind them."""
_SETUP_HINT_SECONDS = 3.0
_BEAT_SECONDS = 1.0
_LOOKS_PER_BEAT = 4
"""How often the loop's lag is looked at between two heartbeats: a short block must not hide."""


def run(connection: socket.socket) -> None:
    """Be an agent until the host says stop or goes away; the caller ends the process then.

    Nothing of the loop is cleaned up here: a task that does not let itself be cancelled, or a
    thread that goes on, would keep the process alive.
    """
    logging.captureWarnings(True)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a line is told at once
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(_serve(connection))
    except BaseException:
        # The socket may be gone: the host reads this as the last words of the log.
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()


async def _serve(connection: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=connection, limit=2**20)
    try:
        start = await frames.read_to_agent(reader)
    except EOFError:
        return
    assert isinstance(start, frames.Start)
    await _AgentEnd(start, HostConnection(writer)).live(reader)


class _AgentEnd:
    """One life of an agent: setup, messages, the end."""

    def __init__(self, start: frames.Start, host: HostConnection) -> None:
        self._start = start
        self._host = host
        self._code = BundleCode(start)
        self._logger = _take_logs(host, self._code)
        self._nursery = Nursery(self._logger)
        self._handlers: _Handlers | None = None
        self._stop = asyncio.Event()
        self._retiring: asyncio.Task[None] | None = None
        self._heart: asyncio.Task[None] | None = None

    async def live(self, reader: asyncio.StreamReader) -> None:
        """Be the agent, from its code's loading to its teardown."""
        # Frames are read all along: what setup(), handlers and teardown() ask of the host comes
        # back over them.
        reading = asyncio.create_task(self._read(reader), name="host")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        agent = await self._set_up(reading, stopping)
        if agent is not None:
            await asyncio.wait([reading, stopping], return_when=asyncio.FIRST_COMPLETED)
            await self._end(agent, reading)
        await self._host.close(_LAST_SECONDS)
        if reading.done() and (err := reading.exception()):
            raise err

    async def _set_up(
        self, reading: asyncio.Task[None], stopping: asyncio.Task[Any]
    ) -> BaseAgent | None:
        """Return the agent after its `setup()`; None if that failed, or the host went meanwhile."""
        try:
            taken = fingerprint(Path(self._start.folder))
            agent = self._code.create_agent(
                create_context(self._host, self._start, self._logger, self._nursery)
            )
            setup = asyncio.create_task(agent.setup(), name="setup()")
            hint = asyncio.get_running_loop().call_later(_SETUP_HINT_SECONDS, self._hint_at_held)
            await asyncio.wait([setup, reading, stopping], return_when=asyncio.FIRST_COMPLETED)
            hint.cancel()
            if not setup.done():
                return None
            setup.result()
            handled = HandledLog(Path(".handled"), is_shared=self._start.is_successor)
        except (Exception, asyncio.CancelledError, SystemExit) as err:  # noqa: BLE001 - the edge
            file, line = self._code.locate(err)
            self._host.send(
                frames.StartFailed(
                    error=self._code.describe(err, where=False),
                    traceback=self._code.trace(err),
                    file=file,
                    line=line,
                )
            )
            return None
        self._handlers = _Handlers(agent, self._host, handled, self._code)
        self._host.send(frames.Ready(hash=taken))
        self._heart = asyncio.create_task(self._beat(taken), name="heartbeat")
        return agent

    async def _end(self, agent: BaseAgent, reading: asyncio.Task[None]) -> None:
        assert self._handlers is not None
        # Without a host nothing that a handler still does could be known to anyone.
        await self._handlers.finish(seconds=0.0 if reading.done() else _HANDLER_SECONDS)
        await asyncio.gather(self._handlers.cut(), self._nursery.close(_CUT_SECONDS))
        teardown = asyncio.create_task(agent.teardown(), name="teardown()")
        seconds = self._start.teardown_timeout
        await asyncio.wait([teardown], timeout=seconds)
        if not teardown.done():
            teardown.cancel()
            await asyncio.wait([teardown], timeout=_LAST_SECONDS)
            self._logger.error("teardown() was cut: it took longer than %g s", seconds)
        elif not teardown.cancelled() and (err := teardown.exception()):
            self._logger.error("teardown() failed", exc_info=err)
        self._handlers.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Take what the host says until it is gone. Raises FrameError."""
        while True:
            try:
                frame = await frames.read_to_agent(reader)
            except EOFError:
                return
            match frame:
                case frames.Begin():
                    self._nursery.begin()
                case frames.Retire():
                    self._retiring = asyncio.create_task(self._retire(), name="retire")
                case frames.Stop():
                    self._stop.set()
                case frames.Deliver(message=message):
                    if self._handlers is not None:
                        self._handlers.deliver(message)
                case frames.Cancel(msg_id=msg_id):
                    if self._handlers is not None:
                        self._handlers.cancel(msg_id)
                case _:
                    self._host.receive(frame)

    async def _retire(self) -> None:
        await self._nursery.close(_RETIRE_SECONDS)
        self._host.send(frames.Retired())

    async def _beat(self, taken: str) -> None:
        """Say every second that this process lives, and how its loop does."""
        loop = asyncio.get_running_loop()
        pause = _BEAT_SECONDS / _LOOKS_PER_BEAT
        lag = 0.0
        while True:
            self._host.send(
                frames.Heartbeat(
                    hash=taken,
                    lag_ms=round(lag * 1000, 1),
                    tasks=len(self._nursery),
                    task_failures=self._nursery.failures,
                )
            )
            lag = 0.0
            for _ in range(_LOOKS_PER_BEAT):
                due = loop.time() + pause
                await asyncio.sleep(pause)
                lag = max(lag, loop.time() - due)

    def _hint_at_held(self) -> None:
        if held := self._nursery.held:
            self._logger.warning(
                "setup() has taken %g s. Tasks spawned in it begin when the agent is live (%s): "
                "do not wait for one of them in setup().",
                _SETUP_HINT_SECONDS,
                ", ".join(held),
            )


class _Handlers:
    """The messages under way, each in a task of its own."""

    def __init__(
        self, agent: BaseAgent, host: HostConnection, handled: HandledLog, code: BundleCode
    ) -> None:
        self._agent = agent
        self._host = host
        self._handled = handled
        self._code = code
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._dropped: dict[UUID, list[int]] = {}

    def deliver(self, message: Message) -> None:
        """Handle `message`, unless this agent did so already."""
        msg_id = message.header.msg_id
        if msg_id in self._handled:
            self._host.send(frames.Done(msg_id=msg_id))
            return
        task = asyncio.create_task(self._handle(message), name=f"message {msg_id}")
        self._tasks[msg_id] = task
        task.add_done_callback(lambda task: self._ended(msg_id, task))

    def cancel(self, msg_id: UUID) -> None:
        """Stop handling a message; the host is told as soon as that is so."""
        if task := self._tasks.get(msg_id):
            self._dropped[msg_id] = self._host.calls_of(msg_id)
            task.cancel()

    async def finish(self, seconds: float) -> None:
        """Wait until the handlers that run have finished, or for `seconds`."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=seconds)

    async def cut(self) -> None:
        """Cancel the handlers that still run."""
        if late := list(self._tasks.values()):
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=_CUT_SECONDS)

    def close(self) -> None:
        """Let go of the file of handled messages."""
        self._handled.close()

    async def _handle(self, message: Message) -> None:
        msg_id = message.header.msg_id
        current_message.set(msg_id)
        try:
            await self._agent.on_message(message)
        except asyncio.CancelledError:
            self._fail(msg_id, "cancelled", "cancelled", "")
        except AgentError as err:
            self._fail(msg_id, err.code, self._code.describe(err), self._code.trace(err))
        except Exception as err:  # noqa: BLE001 - the edge of the process: told to the host
            text, trace = self._code.describe(err), self._code.trace(err)
            self._fail(msg_id, AgentError.code, text, trace)
        else:
            self._finish(msg_id)

    def _finish(self, msg_id: UUID) -> None:
        try:
            self._handled.add(msg_id)
        except OSError as err:
            logging.getLogger().error("Cannot note that %s is handled: %s", msg_id, err)
        self._host.send(frames.Done(msg_id=msg_id))

    def _ended(self, msg_id: UUID, task: asyncio.Task[None]) -> None:
        self._tasks.pop(msg_id, None)
        # What the handler left in the background would wait for ever for calls that the host, with
        # the message, has dropped.
        self._host.refuse(self._dropped.pop(msg_id, []))
        # Cancelled before its first step, a task never reaches the code that says so.
        if task.cancelled():
            self._fail(msg_id, "cancelled", "cancelled", "")

    def _fail(self, msg_id: UUID, code: str, error: str, trace: str) -> None:
        self._host.send(frames.Failed(msg_id=msg_id, code=code, error=error, traceback=trace))


class _ToHost(logging.Handler):
    """Sends what is logged to the host, which has the log."""

    def __init__(self, host: HostConnection, code: BundleCode) -> None:
        super().__init__()
        self._host = host
        self._code = code
        self._bucket = TokenBucket(_LINES_PER_SECOND, 2 * _LINES_PER_SECOND)
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._host.is_congested or not self._bucket.take():
                self._dropped += 1
                return
            text = self._code.shown(self.format(record))
        except Exception:  # noqa: BLE001 - as logging's own handlers do: a log line harms nobody
            self.handleError(record)
            return
        if self._dropped:
            text = (
                f"({self._dropped:,} lines before this one were dropped: too many at once)\n{text}"
            )
            self._dropped = 0
        self._host.send(frames.Log(level=record.levelno, text=text))


def _take_logs(host: HostConnection, code: BundleCode) -> logging.Logger:
    root = logging.getLogger()
    root.handlers[:] = [_ToHost(host, code)]
    root.setLevel(logging.INFO)
    return logging.getLogger("agent")
