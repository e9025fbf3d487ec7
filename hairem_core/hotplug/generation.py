"""One generation of an agent: a process, and the services that go with its bundle."""

import asyncio
import logging
from typing import Any

from hairem_core.config.system import AgentsConfig
from hairem_core.hotplug.bundle import Bundle
from hairem_core.hotplug.countdown import time_limit
from hairem_core.hotplug.errors import AgentFailed, TurnTimeout
from hairem_core.hotplug.forkserver import Forkserver
from hairem_core.hotplug.process import AgentProcess
from hairem_core.hotplug.sandbox import SandboxSpec
from hairem_core.hotplug.services import AgentServices
from hairem_core.sdk.message import Message, Topic

_LOGGER = logging.getLogger(__name__)


class Generation:
    """Handles messages until it is retired, and then what it holds."""

    def __init__(
        self,
        number: int,
        bundle: Bundle,
        services: AgentServices,
        process: AgentProcess,
        config: AgentsConfig,
        forkserver: Forkserver,
    ) -> None:
        self.number = number
        self.bundle = bundle
        self.services = services
        self.process = process
        self._config = config
        self._forkserver = forkserver
        self._forkserver_losses = forkserver.losses
        self._held = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self, spec: SandboxSpec, *, is_successor: bool) -> None:
        """Start its process. Raises StartFailed, ForkserverError, with nothing left of it."""
        try:
            await self.process.start(self._forkserver, spec, is_successor=is_successor)
        except BaseException:
            await self.process.abort()
            raise

    @property
    def is_to_blame(self) -> bool:
        """Whether the end of its process was its own, and not the forkserver's."""
        return self._forkserver_losses == self._forkserver.losses

    async def handle(self, message: Message) -> None:
        """Have the agent handle a message.

        Raises AgentCrashed, AgentFailed, HandlerFailed, TurnTimeout.
        """
        msg_id = message.header.msg_id
        self._held += 1
        self._idle.clear()
        self.services.receive(message)
        # Beside the agent's work, not before it: a person waits. Both are done before it returns,
        # and so before the message is acknowledged.
        recording = asyncio.ensure_future(self.services.record(message))
        try:
            async with time_limit(self._config.turn_timeout, self.services.paused):
                await self.process.handle(self.services.shown(message))
            if message.header.topic is Topic.USER_UTTERANCE and (
                msg_id not in self.services.answered
            ):
                raise AgentFailed(f"{self.bundle.agent_id} gave no answer")
        except TimeoutError:
            raise TurnTimeout(
                f"{self.bundle.agent_id} took longer than {self._config.turn_timeout:g} s",
                hint="agents.turn_timeout in system.yaml is the limit.",
            ) from None
        finally:
            self.services.answered.discard(msg_id)
            self._held -= 1
            if not self._held:
                self._idle.set()
            await recording

    async def drain(self) -> None:
        """Let it finish what it holds, tear down and exit."""
        await self._idle.wait()
        await self.process.stop()
        _LOGGER.debug("%s: generation %d is over", self.bundle.agent_id, self.number)

    def as_dict(self) -> dict[str, Any]:
        """Return what is known of it, as JSON values."""
        return {
            "generation": self.number,
            "hash": self.process.hash,
            "pid": self.process.pid,
            "messages_held": self._held,
            "protections": dict(self.process.protections),
            **self.process.vitals.as_dict(),
        }
