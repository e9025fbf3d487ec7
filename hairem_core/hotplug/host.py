"""Keeps one agent alive, brings it its messages, and swaps its generations."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from hairem_core.config.system import AgentsConfig
from hairem_core.errors import HairemError
from hairem_core.hlink.bus import Bus
from hairem_core.hlink.consumer import Consumer
from hairem_core.hlink.errors import Undeliverable
from hairem_core.hotplug.bundle import Bundle
from hairem_core.hotplug.errors import (
    AgentCrashed,
    AgentGone,
    AgentUnavailable,
    ForkserverError,
    StartFailed,
)
from hairem_core.hotplug.forkserver import Forkserver
from hairem_core.hotplug.generation import Generation
from hairem_core.hotplug.handover import Handover
from hairem_core.hotplug.log import AgentLog
from hairem_core.hotplug.output import AgentOutput
from hairem_core.hotplug.process import AgentProcess
from hairem_core.hotplug.registry import AgentRecord, AgentRegistry, AgentState
from hairem_core.hotplug.report import Finding, Step
from hairem_core.hotplug.revival import Revival
from hairem_core.hotplug.sandbox import SandboxSpec
from hairem_core.hotplug.services import AgentServices
from hairem_core.sdk.message import Message, MessageType, Priority, Topic

_LOGGER = logging.getLogger(__name__)
_WAIT_FOR_PROCESS = 5.0
"""Seconds a message for which someone waits, waits itself for an agent that is being restarted."""
_LAST_WORD_TO_REDIS = 2.0
"""Seconds."""
_LAST_LINES = 5
"""Lines of the log that a quarantine's reason shows."""
_LONGEST_WORDS = 500
"""Characters of each."""


class AgentHost:
    """Runs one agent.

    Its consumer reads the inboxes for as long as the agent is enabled, whatever happens to its
    processes: a message waits, or goes to the generation that is current at that moment.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        bus: Bus,
        create_services: Callable[[Bundle], AgentServices],
        create_spec: Callable[[Bundle], SandboxSpec],
        forkserver: Forkserver,
        registry: AgentRegistry,
        config: AgentsConfig,
        log: AgentLog,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._agent_id = agent_id
        self._bus = bus
        self._create_services = create_services
        self._create_spec = create_spec
        self._forkserver = forkserver
        self._registry = registry
        self._config = config
        self._redact = redact
        self._log = log
        self._consumer = Consumer(bus, agent_id, self._handle)
        self._bundle: Bundle | None = None
        """The last one that was good, which a restart takes."""
        self._current: Generation | None = None
        self._live = asyncio.Event()
        self._handover = Handover(agent_id)
        self._watchers: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()
        self._revival = Revival()
        self._reviving: asyncio.Task[None] | None = None
        self._under_way: dict[UUID, asyncio.Task[None]] = {}
        self._cancelled_early: deque[UUID] = deque(maxlen=256)
        self._fatal: deque[UUID] = deque(maxlen=256)
        self._stop_listening: Callable[[], Awaitable[None]] | None = None
        self._started = registry[agent_id].generation
        self._failed = 0
        self._is_stopping = False
        self._has_lived = False

    @property
    def pid(self) -> int | None:
        """The current process's id, None while there is none."""
        return self._current.process.pid if self._current else None

    @property
    def bundle(self) -> Bundle | None:
        """What the agent runs, or ran last."""
        return self._bundle

    def bundles(self) -> list[Bundle]:
        """Return the bundles whose files are in use."""
        found = [generation.bundle for generation in self._handover.draining]
        return [*found, self._bundle] if self._bundle else found

    async def open(self) -> None:
        """Begin to read the inboxes. Raises BusUnavailable."""
        self._stop_listening = await self._bus.listen(f"agent:{self._agent_id}", self._on_live)
        await self._consumer.start()

    async def stop(self) -> None:
        """Finish what is under way, tear the agent down, end its processes."""
        self._is_stopping = True
        self._set(AgentState.DRAINING)
        await self._stop_reviving()
        await self._consumer.stop()
        async with self._changing:
            generations = [*self._handover.draining, *([self._current] if self._current else [])]
            await asyncio.gather(*(each.process.stop() for each in generations))
            await self._handover.stop()
            for task in self._watchers:
                task.cancel()
            await asyncio.gather(*self._watchers, return_exceptions=True)
            self._current = None
        if self._stop_listening is not None:
            with suppress(TimeoutError):  # a Redis that hangs must not hold up the end
                async with asyncio.timeout(_LAST_WORD_TO_REDIS):
                    await self._stop_listening()
        self._set(AgentState.STOPPED, running_hash=None)

    async def run(self, bundle: Bundle) -> Finding | None:
        """Make `bundle` what the agent is; return why it cannot be, None when it lives.

        A generation that lives goes on until the new one is ready, and for good if it never is.
        """
        await self._stop_reviving()
        async with self._changing:
            if self._is_stopping:
                return None
            self._revival.forgive()
            try:
                await self._replace_in_spite_of_the_forkserver(bundle)
            except (StartFailed, ForkserverError) as err:
                return self._did_not_start(bundle, err)
            return None

    async def _replace_in_spite_of_the_forkserver(self, bundle: Bundle) -> None:
        """Start a generation, a second time where the forkserver's end ended the first."""
        losses = self._forkserver.losses
        try:
            await self._replace(bundle)
        except StartFailed, ForkserverError:
            if self._forkserver.losses == losses:
                raise
            await self._replace(bundle)

    async def wait_for_room(self) -> None:
        """Return when one more generation may finish what it holds beside a new one."""
        await self._handover.wait_for_room()

    def cancel(self, msg_id: UUID) -> None:
        """Stop the agent's work on one message; it counts as handled."""
        if task := self._under_way.get(msg_id):
            task.cancel()
        else:
            self._cancelled_early.append(msg_id)

    def details(self) -> dict[str, Any]:
        """Return its live figures, as JSON values."""
        lanes = self._consumer.statistics().values()
        return {
            **(self._current.as_dict() if self._current else {}),
            "draining": [each.as_dict() for each in self._handover.draining],
            "messages_handled": sum(lane["handled"] for lane in lanes),
            "messages_failed": self._failed,
            "messages_dead": sum(lane["buried"] for lane in lanes),
        }

    # --- generations -----------------------------------------------------------------------------

    async def _replace(self, bundle: Bundle) -> None:
        """Start a generation, hand over to it, let the old one drain."""
        self._started += 1
        if self._current is None:
            self._set(AgentState.STARTING)
        services = self._create_services(bundle)
        output = AgentOutput(
            self._agent_id,
            self._log,
            kb_per_second=self._config.limits.log_kb_per_second,
            redact=self._redact,
            snapshot=bundle.folder,
        )
        process = AgentProcess(
            bundle, services, config=self._config, output=output, redact=self._redact
        )
        fresh = Generation(self._started, bundle, services, process, self._config, self._forkserver)
        await fresh.start(self._create_spec(bundle), is_successor=self._current is not None)
        # From here on new messages go to the new one. The old one may have ended meanwhile.
        old, self._current, self._bundle = self._current, fresh, bundle
        self._live.set()
        self._has_lived = True
        self._handover.begin(old, fresh)
        self._log.add("INFO", f"generation {fresh.number} is live")
        watcher = asyncio.create_task(
            self._watch(fresh), name=f"agent {self._agent_id} generation {fresh.number}"
        )
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        record = AgentRecord.of(bundle.manifest, known=self._registry[self._agent_id])
        self._registry.put(
            replace(
                record,
                state=AgentState.LIVE,
                reason=None,
                running_hash=process.hash,
                generation=fresh.number,
                # What was found when it was last tried holds no more.
                findings=tuple(each for each in record.findings if each.step is not Step.HEARTBEAT),
            )
        )

    async def _watch(self, generation: Generation) -> None:
        reason = await asyncio.shield(generation.process.ended)
        if generation is not self._current or self._is_stopping:
            return
        self._current = None
        self._live.clear()
        self._set(AgentState.CRASHED, reason, running_hash=None, last_error=reason)
        self._revive_after(reason, is_to_blame=generation.is_to_blame)

    def _did_not_start(self, bundle: Bundle, err: HairemError) -> Finding:
        file = err.file if isinstance(err, StartFailed) else ""
        line = err.line if isinstance(err, StartFailed) else None
        finding = Finding(
            step=Step.HEARTBEAT,
            rule="start-failed",
            file=file,
            line=line,
            what=err.what,
            hint=err.hint or "See its log.",
        )
        if self._current is None:
            if not self._has_lived:
                self._bundle = bundle  # of those that never lived, the last is the one meant
            self._revive_after(str(finding), is_to_blame=isinstance(err, StartFailed))
        return finding

    # --- restarting ------------------------------------------------------------------------------

    def _revive_after(self, reason: str, *, is_to_blame: bool) -> None:
        if self._reviving not in (None, asyncio.current_task()) and not self._reviving.done():
            return
        restarts = self._registry[self._agent_id].restarts + 1
        pause = self._revival.after_an_end(is_to_blame=is_to_blame)
        if pause is None:
            self._quarantine(reason)
            return
        _LOGGER.error("%s %s; starting again in %.1f s", self._agent_id, reason, pause)
        self._log.add("ERROR", f"{reason}; starting again in {pause:.1f} s")
        self._set(AgentState.CRASHED, reason, restarts=restarts)
        self._reviving = asyncio.create_task(
            self._revive(pause), name=f"agent {self._agent_id} is restarted"
        )

    async def _revive(self, pause: float) -> None:
        await asyncio.sleep(pause)
        async with self._changing:
            if self._current is not None or self._bundle is None or self._is_stopping:
                return
            try:
                await self._replace(self._bundle)
            except (StartFailed, ForkserverError) as err:
                self._revive_after(str(err), is_to_blame=isinstance(err, StartFailed))
            except Exception as err:
                _LOGGER.exception("%s cannot be restarted", self._agent_id)
                self._revive_after(f"{type(err).__name__}: {err}", is_to_blame=True)

    async def _stop_reviving(self) -> None:
        if self._reviving is not None:
            self._reviving.cancel()
            await asyncio.gather(self._reviving, return_exceptions=True)
            self._reviving = None

    def _quarantine(self, reason: str) -> None:
        words = [f"{reason}; it ended {Revival.MOST_ENDS} times within a minute."]
        if lines := self._log.lines(_LAST_LINES):
            words += ["Its last words:", *(line.text[:_LONGEST_WORDS] for line in lines)]
        _LOGGER.error("%s is quarantined: %s", self._agent_id, reason)
        self._set(AgentState.QUARANTINED, "\n".join(words))

    # --- messages --------------------------------------------------------------------------------

    def _on_live(self, message: Message) -> None:
        header = message.header
        # Another agent, which got the same message, has no say in what this one does with it.
        if header.sender.startswith("agent:"):
            return
        if header.topic is Topic.TURN_CANCELLED and header.parent_id:
            self.cancel(header.parent_id)

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
            self._failed += 1
            self._note(last_error=str(err))
            if isinstance(err, AgentCrashed) and self._is_poison(msg_id):
                raise Undeliverable(f"its agent ended over it twice: {err}") from err
            if message.header.topic is not Topic.USER_UTTERANCE:
                raise
            await self._tell_failure(message, err)
            raise Undeliverable(f"{err.code}: {err}") from err
        finally:
            del self._under_way[msg_id]

    def _is_poison(self, msg_id: UUID) -> bool:
        """Return whether a second process ended while it handled this message.

        A third would put the agent into quarantine; the dead letters keep the message.
        """
        if msg_id in self._fatal:
            return True
        self._fatal.append(msg_id)
        return False

    async def _deliver(self, message: Message) -> None:
        while True:
            generation = await self._wait_for_generation(message)
            try:
                await generation.handle(message)
            except AgentGone:
                # It had ended before it got the message, and `_watch` is about to notice.
                await asyncio.wait([generation.process.ended])
                await asyncio.sleep(0)
            else:
                return

    async def _wait_for_generation(self, message: Message) -> Generation:
        """Return the current generation.

        A message for which nobody waits, waits for as long as it takes: it is not lost because its
        agent is in quarantine. Raises AgentUnavailable for others.
        """
        is_urgent = message.header.priority in (Priority.P0, Priority.P1)
        while self._current is None:
            state = self._registry[self._agent_id].state
            if is_urgent and state is AgentState.QUARANTINED:
                raise self._unavailable()
            try:
                async with asyncio.timeout(_WAIT_FOR_PROCESS if is_urgent else None):
                    await self._live.wait()
            except TimeoutError:
                raise self._unavailable() from None
        return self._current

    def _unavailable(self) -> AgentUnavailable:
        record = self._registry[self._agent_id]
        why = f": {record.reason}" if record.reason else ""
        return AgentUnavailable(f"{self._agent_id} is {record.state.value}{why}")

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

    def _set(self, state: AgentState, reason: str | None = None, **changes: object) -> None:
        self._note(state=state, reason=reason, **changes)

    def _note(self, **changes: object) -> None:
        if self._registry.get(self._agent_id) is not None:
            self._registry.update(self._agent_id, **changes)
