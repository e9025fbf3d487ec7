"""`ctx`: everything that an agent can reach, and its only way out of its process."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from hairem_core.sdk.chat import ChatRequest, Delta, ToolCall, ToolResult
from hairem_core.sdk.message import Message, MessageType, Metadata, Priority, Topic
from hairem_core.sdk.persona import Persona
from hairem_core.sdk.recollection import MemoryKind, Recollection


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
    """What this agent heard and said, and what it makes of it."""

    async def recent(
        self, *, conversation_id: str | None = None, limit: int | None = None
    ) -> list[Recollection]:
        """Return the last messages, oldest first, of one conversation or of all."""
        ...

    async def recall(
        self,
        query: str,
        *,
        limit: int | None = None,
        exclude: Collection[UUID] = (),
        shared: bool = False,
        kinds: Collection[MemoryKind] = (),
        about: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        as_of: datetime | None = None,
        include_archived: bool = False,
    ) -> list[Recollection]:
        """Return what fits `query` of what this agent holds to be so, best first, and why it came.

        `exclude` leaves out what comes from these messages, by their `msg_id`s; `kinds`, `about`
        (whom or what it is about), `since` and `until` (both included) limit it. `as_of` asks what
        was held at that time, archived or not; `include_archived` looks in the cold archive too,
        which takes longer. While the archive is away, only what is not archived comes. With
        `shared` also what others of the crew share: permission `memory.shared`. Raises
        PermissionDenied.
        """
        ...

    async def remember(
        self,
        content: str,
        *,
        about: str | None = None,
        importance: float = 0.7,
        confidence: float = 1.0,
        shared: bool = False,
        pinned: bool = False,
        replaces: UUID | None = None,
    ) -> Recollection:
        """Keep something, and return it. What was said to this agent is kept without being asked.

        `importance` and `confidence` are from 0 to 1; what matters fades more slowly, what is
        `pinned` not at all. `shared` lets others of the crew recall it: permission `memory.shared`.
        `replaces` names the fragment that holds no more, archived or not. Raises PermissionDenied,
        and RemoteError `unknown_fragment`, `memory_refused` or `archive_unavailable`.
        """
        ...

    async def history(self, fragment_id: UUID) -> list[Recollection]:
        """Return what replaced what, the oldest first, of the chain that a fragment is part of.

        While the archive is away, the chain ends where it leads into it. Raises RemoteError
        `unknown_fragment`, or `archive_unavailable` if it is not known whether it is there.
        """
        ...

    async def forget(self, fragment_id: UUID) -> None:
        """Let go of a fragment of this agent's own, archived or not. What happened stays in the log
        of the house.

        Raises RemoteError `unknown_fragment`, or `archive_unavailable` if it is not known whether
        it is there.
        """
        ...


class LlmAccess(Protocol):
    """The language model that the house gives this agent. Needs permission `llm`."""

    def stream(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Yield a model's answer as it arrives; closing the generator stops the model.

        Raises RemoteError with a `model_…` code, PermissionDenied.
        """
        ...


class HomeAccess(Protocol):
    """What only Home Assistant may do, with the rights of the person who spoke.

    Tools that only read need permission `home.read`, those that act `home.act`; with
    `home.act: [light]` they reach entities of that domain alone.
    """

    async def call_tools(self, message: Message, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Have the speaker's client execute `calls`, tools that came with `message`.

        Returns a receipt for each call, in their order: `data`, or an `error` in words. Raises
        RemoteError `tool_timeout` when nobody executes them, PermissionDenied.
        """
        ...


class VisualAccess(Protocol):
    """How the agent looks."""

    async def pose(self, name: str) -> UUID:
        """Tell the house, with a `visual.pose` message, which pose to show this agent in.

        Returns the `msg_id`. `name` is a word of the author's choice, such as `happy`.
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
    """The Task Nursery: starts background work that ends with the agent."""

    def __call__(
        self, coroutine: Coroutine[Any, Any, Any], *, name: str | None = None
    ) -> asyncio.Task[Any]:
        """Run `coroutine` in the background and return its task.

        What is spawned in `setup()` begins when the agent goes live: while a new version is being
        tried, the old one's tasks still run, and an event must not be answered by both. A failure
        is logged and counted; on unload the task is cancelled.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class AgentContext:
    """What an agent is given."""

    persona: Persona
    bus: BusAccess
    memory: MemoryAccess
    llm: LlmAccess
    ha: HomeAccess
    visual: VisualAccess
    state: StateAccess
    logger: logging.Logger
    spawn_task: TaskSpawner
    config: Mapping[str, Any]
    """The manifest's `config`."""
    secrets: Mapping[str, str]
    """The secrets that have a value, by their names in the manifest."""
    folder: Path
    """The bundle's files, for reading only: `ctx.folder / "assets/avatar.png"`."""

    @property
    def agent_id(self) -> str:
        """The stable id of this agent."""
        return self.persona.agent_id
