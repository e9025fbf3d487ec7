"""The host's end of one agent process."""

import asyncio
import logging
import math
import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from hairem_core.config.system import AgentsConfig
from hairem_core.errors import HairemError
from hairem_core.hotplug import frames
from hairem_core.hotplug.bundle import Bundle
from hairem_core.hotplug.calls import Calls
from hairem_core.hotplug.errors import AgentCrashed, AgentFailed, AgentGone, StartFailed
from hairem_core.hotplug.forkserver import Child, Forkserver
from hairem_core.hotplug.intake import Intake
from hairem_core.hotplug.output import AgentOutput
from hairem_core.hotplug.sandbox import SandboxSpec
from hairem_core.hotplug.services import AgentServices
from hairem_core.hotplug.vitals import Vitals
from hairem_core.sdk.message import Message

_CANCEL_SECONDS = 3.0
_RETIRE_SECONDS = 2.0
_LAST_WORDS_SECONDS = 1.0
"""How long the last words of a process that ended may take to arrive."""
_FINISH_SECONDS = 6.0
"""What an agent may take to finish its handlers, beside the time for `teardown()`."""
_MOST_UNREAD = 32 * 2**20
"""Bytes that may wait for a process to read them."""
_LONGEST_ERROR = 2_000
"""Characters of what a process says went wrong: it goes to clients and into the registry."""
_LONG_WAIT = 0.5
"""Seconds."""
_SAID_EVERY = 30.0
"""Seconds between two lines of the log that say the same of a process."""
_CODE = re.compile(r"[a-z][a-z_]{0,63}")


class HandlerFailed(HairemError):
    """The agent's code reported that it could not handle a message; `code` says how."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code  # type: ignore[misc]  # the class's constant, told by the agent


class AgentProcess:
    """One process of one agent: delivers messages, carries out its calls, notices its end."""

    def __init__(
        self,
        bundle: Bundle,
        services: AgentServices,
        *,
        config: AgentsConfig,
        output: AgentOutput,
        redact: Callable[[str], str] = str,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._bundle = bundle
        self._config = config
        self._output = output
        self._redact = redact
        self.ended: asyncio.Future[str] = loop.create_future()
        """Done when the process has ended and nothing is left of it; its value says how."""
        self.vitals = Vitals(
            config,
            with_children="processes" in bundle.permissions,
            on_ill=self._end_ill,
        )
        self.protections: dict[str, str] = {}
        """What shields the house from this process, and which of it is active."""
        self.hash: str | None = None
        """The hash of its bundle, as the process itself took it."""
        self._child: Child | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._ready: asyncio.Future[None] = loop.create_future()
        self._retired: asyncio.Future[None] = loop.create_future()
        self._handling: dict[UUID, asyncio.Future[None]] = {}
        self._calls = Calls(
            services, send=self._send, drain=self._drain, on_limit=self._say_sometimes
        )
        self._supervisor: asyncio.Task[None] | None = None
        self._waited = 0.0
        self._said: dict[str, float] = {}
        self._has_ended = False
        self._ill = ""

    @property
    def pid(self) -> int | None:
        """The process id, None before the start."""
        return self._child.pid if self._child else None

    async def start(
        self, forkserver: Forkserver, spec: SandboxSpec, *, is_successor: bool = False
    ) -> None:
        """Fork, load the bundle, run `setup()`; its background tasks wait for `begin`.

        Raises StartFailed when the agent's code fails, ForkserverError when nothing can be forked.
        """
        await asyncio.to_thread(spec.working_folder.mkdir, parents=True, exist_ok=True)
        self._child = await forkserver.fork(spec)
        self.protections = self._child.protections
        # What waits here delays the signs of life behind it: little does.
        reader, self._writer = await asyncio.open_connection(sock=self._child.socket, limit=2**16)
        self._supervisor = asyncio.create_task(
            self._supervise(self._child, reader), name=f"agent {self._bundle.agent_id}"
        )
        self._introduce(is_successor=is_successor)
        timeout = self._config.start_timeout
        try:
            await asyncio.wait_for(asyncio.shield(self._ready), timeout)
        except TimeoutError:
            self._ready.cancel()
            raise StartFailed(
                f"was not ready within {timeout:g} s: its imports and setup() take too long",
                file="logic.py",
                hint="Start what takes long with ctx.spawn_task; do not wait for it in setup().",
            ) from None
        if self._bundle.hash and self.hash != self._bundle.hash:
            raise StartFailed("runs another bundle than the one that was checked")
        self.vitals.watch(self._child.pid)

    def _introduce(self, *, is_successor: bool) -> None:
        """Send the first frame. Raises StartFailed when the bundle's texts are no text."""
        bundle = self._bundle
        try:
            self._send(
                frames.Start(
                    folder=str(bundle.folder.resolve()),
                    has_logic=bundle.has_logic,
                    persona=bundle.persona,
                    config=bundle.settings,
                    secrets=bundle.secrets,
                    libraries=str(bundle.libraries) if bundle.libraries else None,
                    teardown_timeout=self._config.teardown_timeout,
                    is_successor=is_successor,
                )
            )
        except ValueError as err:
            raise StartFailed(f"its texts cannot be sent to its process: {err}") from err

    def begin(self) -> None:
        """Let the tasks run that `setup()` spawned."""
        self._send(frames.Begin())

    async def retire(self) -> None:
        """Have it cancel its background tasks; return when it has, or after two seconds."""
        self._send(frames.Retire())
        ends: list[asyncio.Future[Any]] = [self._retired, self.ended]
        await asyncio.wait(ends, timeout=_RETIRE_SECONDS, return_when=asyncio.FIRST_COMPLETED)

    async def handle(self, message: Message) -> None:
        """Deliver `message` and wait until the agent has handled it.

        Cancelling this stops the agent's work on it, and first of all what H-Core does for it.
        Raises AgentCrashed, HandlerFailed.
        """
        msg_id = message.header.msg_id
        if self._has_ended or self._writer is None:
            raise AgentGone(f"{self._bundle.agent_id} has ended")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handling[msg_id] = future
        try:
            self._send(frames.Deliver(message=message))
            await asyncio.shield(future)
        except asyncio.CancelledError:
            self._calls.abandon_those_of(msg_id)
            self._send(frames.Cancel(msg_id=msg_id))
            await asyncio.wait([future], timeout=_CANCEL_SECONDS)
            if not future.done():
                self._end_ill(
                    "did not let go of a cancelled message: its loop is blocked, or its code goes "
                    "on when it is cancelled"
                )
            raise
        finally:
            del self._handling[msg_id]
            if future.done() and not future.cancelled():
                future.exception()  # known, so that asyncio does not complain of it

    async def stop(self) -> None:
        """Ask the agent to finish and tear down; kill it when it takes too long."""
        if self._child is None:
            return
        self._send(frames.Stop())
        grace = _FINISH_SECONDS + self._config.teardown_timeout
        try:
            await asyncio.wait_for(asyncio.shield(self._child.ended), grace)
        except TimeoutError:
            self._output.say(logging.WARNING, f"did not stop within {grace:g} s; killed")
            self.kill()
        await self._over()

    async def abort(self) -> None:
        """End a process that did not start well, and wait until nothing is left of it."""
        self.kill()
        await self._over()

    async def _over(self) -> None:
        """Return when nothing is left of it, which comes about whether or not anybody waits."""
        if self._supervisor is not None:
            await asyncio.shield(self._supervisor)

    def kill(self) -> None:
        """End the process and whatever it started, at once."""
        if self._child is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        if not self._child.ended.done():
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGKILL)

    def _end_ill(self, reason: str) -> None:
        self._ill = self._ill or reason
        self._output.say(logging.ERROR, f"{reason}; ending it")
        self.kill()

    def _send(self, frame: Any) -> None:
        if self._writer is None or self._writer.is_closing():
            return
        self._writer.write(frames.encode(frame))
        unread = self._writer.transport.get_write_buffer_size()
        if unread > _MOST_UNREAD and not self._ill:
            self._end_ill(f"does not read what it is sent: {unread // 2**20} MiB wait")

    async def _drain(self) -> None:
        if self._writer is not None:
            await self._writer.drain()

    async def _supervise(self, child: Child, reader: asyncio.StreamReader) -> None:
        """Read what the agent says until it ends, then end what it leaves behind.

        A process that the agent started may hold the socket and the pipe beyond the agent's end, so
        neither says for sure that it lives.
        """
        reading = asyncio.create_task(self._read(reader))
        output = asyncio.create_task(self._output.read(child.output))
        ends: list[asyncio.Future[Any]] = [reading, child.ended]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(ends, timeout=_LAST_WORDS_SECONDS)
        self.vitals.stop()
        self.kill()
        await asyncio.wait([reading, output], timeout=_LAST_WORDS_SECONDS)
        for task in (reading, output):
            task.cancel()
        await asyncio.gather(reading, output, return_exceptions=True)
        reason = "" if reading.cancelled() else reading.result()
        await self._ended(self._ill or reason)

    async def _read(self, reader: asyncio.StreamReader) -> str:
        """Take frames until there are no more; return why, where the agent is to blame."""
        intake = Intake(reader, on_wait=self._on_wait)
        try:
            while True:
                frame, size = await intake.read()
                # Its sign of life may wait behind more of these.
                self.vitals.excuse(0.0)
                self._take(frame, size)
        except EOFError:
            return ""
        except frames.FrameError as err:
            self.kill()
            return f"broke the protocol: {self._worded(str(err))}"

    def _on_wait(self, seconds: float) -> None:
        self.vitals.excuse(seconds)
        self._waited += seconds
        if self._waited > _LONG_WAIT:
            self._waited = 0.0
            self._say_sometimes("says more than H-Core takes of one agent, and has to wait")

    def _say_sometimes(self, words: str) -> None:
        now = time.monotonic()
        if now - self._said.get(words, -math.inf) > _SAID_EVERY:
            self._said[words] = now
            self._output.say(logging.WARNING, words)

    def _take(self, frame: Any, size: int) -> None:
        match frame:
            case frames.Call():
                self._calls.take(frame, size)
            case frames.Abandon(call=number):
                self._calls.abandon(number)
            case frames.Log(level=level, text=text):
                self._output.take(level, text)
            case frames.Heartbeat(hash=hash) if hash != self.hash:
                raise frames.FrameError("it claims to run another bundle than it was started with")
            case frames.Heartbeat():
                self.vitals.take(frame)
            case frames.Done() | frames.Failed():
                self._take_outcome(frame)
            case frames.Retired() if not self._retired.done():
                self._retired.set_result(None)
            case frames.Ready(hash=hash) if not self._ready.done():
                self.hash = hash
                self._ready.set_result(None)
            case frames.StartFailed() if not self._ready.done():
                error = self._worded(frame.error)
                self._output.say(logging.ERROR, f"does not start: {error}\n{frame.traceback}")
                failed = StartFailed(error, file=frame.file[:256], line=frame.line)
                self._ready.set_exception(failed)

    def _take_outcome(self, frame: frames.Done | frames.Failed) -> None:
        match frame:
            case frames.Done(msg_id=msg_id):
                self._settle(msg_id, None)
            case frames.Failed(msg_id=msg_id, code=code, error=error, traceback=trace):
                error = self._worded(error)
                code = code if _CODE.fullmatch(code) else AgentFailed.code
                if code == AgentFailed.code:
                    self._output.say(logging.ERROR, f"failed: {error}\n{trace}")
                self._settle(msg_id, HandlerFailed(code, error))

    def _worded(self, text: str) -> str:
        """Return what the process said, as others may see it."""
        text = self._redact(text)  # before it is cut: half a secret is not recognised
        return text if len(text) <= _LONGEST_ERROR else f"{text[:_LONGEST_ERROR]}…"

    def _settle(self, msg_id: UUID, error: HairemError | None) -> None:
        future = self._handling.get(msg_id)
        if future is None or future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    async def _ended(self, reason: str) -> None:
        assert self._child is not None
        assert self._writer is not None
        self._has_ended = True
        self._writer.close()
        try:
            status = await asyncio.wait_for(asyncio.shield(self._child.ended), 5)
        except TimeoutError:
            status = -signal.SIGKILL
        reason = reason or _describe_status(status)
        self._calls.abandon_all()
        if not self._ready.done():
            self._ready.set_exception(StartFailed(f"ended while starting: {reason}"))
            self._ready.exception()  # known, where nobody waits any more
        for future in self._handling.values():
            if not future.done():
                future.set_exception(AgentCrashed(f"{self._bundle.agent_id} {reason}"))
        self.ended.set_result(reason)


def _describe_status(status: int) -> str:
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = "a real-time signal"  # most of them have no name
        return f"was killed by signal {-status} ({name})"
    return f"ended with exit code {status}"
