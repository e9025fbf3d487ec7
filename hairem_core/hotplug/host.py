"""Keeps one agent alive and brings it its messages."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

from hairem_core.config import AgentsConfig
from hairem_core.errors import HairemError
from hairem_core.hlink.bus import Bus
from hairem_core.hlink.consumer import Consumer
from hairem_core.hlink.errors import Undeliverable
from hairem_core.hotplug.bundle import Bundle
from hairem_core.hotplug.errors import (
    AgentCrashed,
    AgentFailed,
    AgentUnavailable,
    BundleError,
    ForkserverError,
    TurnTimeout,
)
from hairem_core.hotplug.forkserver import Forkserver
from hairem_core.hotplug.process import AgentProcess
from hairem_core.hotplug.registry import AgentRegistry, AgentState
from hairem_core.hotplug.services import AgentServices
from hairem_core.sdk.message import Message, MessageType, Topic

_LOGGER = logging.getLogger(__name__)
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 30.0
_HEALTHY_SECONDS = 30.0
"""A process that lived this long has proved itself: the next restart is quick again."""
_WAIT_FOR_PROCESS = 5.0
"""Seconds a message waits for an agent that is being restarted."""


class AgentHost:
    """Runs one agent: starts its process, restarts it with growing pauses, feeds it its inboxes."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        bus: Bus,
        services: AgentServices,
        forkserver: Forkserver,
        registry: AgentRegistry,
        config: AgentsConfig,
        working_folder: Path,
    ) -> None:
        self._bundle = bundle
        self._agent_id = bundle.agent_id
        self._bus = bus
        self._services = services
        self._forkserver = forkserver
        self._registry = registry
        self._config = config
        self._working_folder = working_folder
        self._consumer = Consumer(bus, bundle.agent_id, self._handle)
        self._process: AgentProcess | None = None
        self._live = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._under_way: dict[UUID, asyncio.Task[None]] = {}
        self._cancelled_early: deque[UUID] = deque(maxlen=256)
        self._stop_listening: Callable[[], Awaitable[None]] | None = None

    @property
    def pid(self) -> int | None:
        """The agent's process id, None while it has no process."""
        return self._process.pid if self._process and self._live.is_set() else None

    async def start(self) -> None:
        """Begin: the process starts in the background. Raises BusUnavailable."""
        self._stop_listening = await self._bus.listen(f"agent:{self._agent_id}", self._on_live)
        self._keeper = asyncio.create_task(self._keep(), name=f"agent {self._agent_id} keeper")
        await self._consumer.start()

    async def stop(self) -> None:
        """Finish what is under way, tear the agent down, end its process."""
        self._set(AgentState.DRAINING)
        await self._consumer.stop()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._process is not None:
            await self._process.stop()
        if self._stop_listening is not None:
            await self._stop_listening()
        self._set(AgentState.STOPPED)

    def cancel(self, msg_id: UUID) -> None:
        """Stop the agent's work on one message; it counts as handled."""
        if task := self._under_way.get(msg_id):
            task.cancel()
        else:
            self._cancelled_early.append(msg_id)

    def _set(self, state: AgentState, reason: str | None = None, **changes: object) -> None:
        if self._registry.get(self._agent_id) is not None:
            self._registry.update(self._agent_id, state=state, reason=reason, **changes)

    async def _keep(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            started = time.monotonic()
            reason = await self._run_once()
            if reason is None:
                assert self._process is not None
                reason = await asyncio.shield(self._process.ended)
                self._live.clear()
            if time.monotonic() - started > _HEALTHY_SECONDS:
                pause = _FIRST_PAUSE
            restarts = self._registry[self._agent_id].restarts + 1
            _LOGGER.error("%s %s; starting again in %.1f s", self._agent_id, reason, pause)
            self._set(AgentState.CRASHED, reason, restarts=restarts)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _run_once(self) -> str | None:
        """Start a process; return why it did not, None when it lives."""
        generation = self._registry[self._agent_id].generation + 1
        self._set(AgentState.STARTING, generation=generation)
        self._process = process = AgentProcess(self._bundle, self._services)
        try:
            await process.start(self._forkserver, self._working_folder, self._config.start_timeout)
        except (BundleError, ForkserverError) as err:
            await process.abort()
            return str(err)
        except Exception as err:
            _LOGGER.exception("%s cannot be started", self._agent_id)
            await process.abort()
            return f"cannot be started: {type(err).__name__}: {err}"
        self._live.set()
        self._set(AgentState.LIVE)
        return None

    def _on_live(self, message: Message) -> None:
        if message.header.topic is Topic.TURN_CANCELLED and message.header.parent_id:
            self.cancel(message.header.parent_id)

    async def _handle(self, message: Message) -> None:
        """Handle one message from an inbox.

        A person who waits is told at once when it fails, and nothing happens behind their back
        later: such a message goes to the dead letters. Any other is tried again.
        """
        msg_id = message.header.msg_id
        if msg_id in self._cancelled_early:
            return
        self._under_way[msg_id] = asyncio.ensure_future(self._deliver(message))
        try:
            await asyncio.shield(self._under_way[msg_id])
        except asyncio.CancelledError:
            task = self._under_way[msg_id]
            if task.cancelled():
                return  # by the person who asked
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        except HairemError as err:
            if message.header.topic is not Topic.USER_UTTERANCE:
                raise
            await self._tell_failure(message, err)
            raise Undeliverable(f"{err.code}: {err}") from err
        finally:
            del self._under_way[msg_id]
            self._services.answered.discard(msg_id)

    async def _deliver(self, message: Message) -> None:
        try:
            async with asyncio.timeout(_WAIT_FOR_PROCESS):
                await self._live.wait()
        except TimeoutError:
            record = self._registry[self._agent_id]
            why = f": {record.reason}" if record.reason else ""
            raise AgentUnavailable(f"{self._agent_id} is {record.state.value}{why}") from None
        process = self._process
        if process is None:
            raise AgentCrashed(f"{self._agent_id} has no process")
        self._services.receive(message)
        # Beside the agent's work, not before it: a person waits. Both are done before it returns,
        # and so before the message is acknowledged.
        recording = asyncio.ensure_future(self._services.record(message))
        try:
            async with asyncio.timeout(self._config.turn_timeout):
                await process.handle(message)
        except TimeoutError:
            raise TurnTimeout(
                f"{self._agent_id} took longer than {self._config.turn_timeout:g} s",
                hint="agents.turn_timeout in system.yaml is the limit.",
            ) from None
        finally:
            await recording
        if (
            message.header.topic is Topic.USER_UTTERANCE
            and message.header.msg_id not in self._services.answered
        ):
            raise AgentFailed(f"{self._agent_id} gave no answer")

    async def _tell_failure(self, message: Message, err: HairemError) -> None:
        await self._bus.publish(
            message.answer(
                sender="core:host",
                type=MessageType.STREAM,
                topic=Topic.TURN_FAILED,
                content=str(err),
                data={"code": err.code},
            )
        )
