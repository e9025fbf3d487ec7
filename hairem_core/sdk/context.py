"""`ctx`: everything that an agent can reach, and its only way out of its process."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from hairem_core.sdk.chat import ChatRequest, Delta, ToolCall, ToolResult
from hairem_core.sdk.message import Message, MessageType, Metadata, Priority, Topic
from hairem_core.sdk.persona import Persona
from hairem_core.sdk.recollection import Recollection


class BusAccess(Protocol):
    """Sending messages. The sender is stamped by the host: an agent cannot forge it."""

    async def publish(
        self,
        recipient: str,
        *,
        topic: Topic,
        type: MessageType = MessageType.SUBJECTIVE,
        content: str = "",
        data: dict[str, Any] | None = None,
        metadata: Metadata | None = None,
        priority: Priority = Priority.P2,
        conversation_id: str | None = None,
    ) -> UUID:
        """Send a message that answers nothing and return its `msg_id`."""
        ...

    async def answer(
        self,
        message: Message,
        *,
        topic: Topic,
        type: MessageType = MessageType.SUBJECTIVE,
        content: str = "",
        data: dict[str, Any] | None = None,
        metadata: Metadata | None = None,
    ) -> UUID:
        """Send an answer to a message that this agent received, and return its `msg_id`."""
        ...


class MemoryAccess(Protocol):
    """What this agent heard and said."""

    async def recent(
        self, *, conversation_id: str | None = None, limit: int | None = None
    ) -> list[Recollection]:
        """Return the last messages, oldest first, of one conversation or of all."""
        ...

    async def recall(
        self, query: str, *, limit: int | None = None, exclude: Collection[UUID] = ()
    ) -> list[Recollection]:
        """Return what fits `query`, best first."""
        ...


class LlmAccess(Protocol):
    """The language model that the house gives this agent. Needs permission `llm`."""

    def stream(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Yield a model's answer as it arrives; closing the generator stops the model.

        Raises RemoteError with a `model_…` code, PermissionDenied.
        """
        ...


class HomeAccess(Protocol):
    """What only Home Assistant may do. Needs permission `home.act`."""

    async def call_tools(self, message: Message, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Have the speaker's client execute `calls`, tools that came with `message`.

        Raises RemoteError `tool_timeout` when nobody executes them, PermissionDenied.
        """
        ...


class StateAccess(Protocol):
    """Small values of this agent's own that outlive its process."""

    async def get(self, key: str, default: Any = None) -> Any:
        """Return what was set under `key`, else `default`."""
        ...

    async def set(self, key: str, value: Any) -> None:
        """Keep a JSON value under `key`; None removes it."""
        ...


class TaskSpawner(Protocol):
    """Starts background work that ends with the agent."""

    def __call__(
        self, coroutine: Coroutine[Any, Any, Any], *, name: str | None = None
    ) -> asyncio.Task[Any]:
        """Run `coroutine` in the background; its failure is logged, its end is the agent's."""
        ...


@dataclass(frozen=True, kw_only=True)
class AgentContext:
    """What an agent is given."""

    persona: Persona
    bus: BusAccess
    memory: MemoryAccess
    llm: LlmAccess
    home: HomeAccess
    state: StateAccess
    logger: logging.Logger
    spawn_task: TaskSpawner

    @property
    def agent_id(self) -> str:
        """The stable id of this agent."""
        return self.persona.agent_id
