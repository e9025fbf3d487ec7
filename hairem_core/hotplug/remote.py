"""`ctx` as the agent's process has it: every wish travels to the host over the one socket."""

import copy
import logging
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

from hairem_core.hotplug.connection import HostConnection
from hairem_core.hotplug.frames import Start
from hairem_core.hotplug.nursery import Nursery
from hairem_core.sdk.chat import ChatRequest, Delta, ToolCall, ToolResult
from hairem_core.sdk.context import AgentContext
from hairem_core.sdk.errors import SecretMissing
from hairem_core.sdk.message import Message, MessageType, Metadata, Priority, Topic
from hairem_core.sdk.recollection import MemoryKind, Recollection


def create_context(
    remote: HostConnection, start: Start, logger: logging.Logger, nursery: Nursery
) -> AgentContext:
    """Return the `ctx` of the agent that `start` describes."""
    return AgentContext(
        persona=start.persona,
        bus=_Bus(remote),
        memory=_Memory(remote),
        llm=_Llm(remote),
        ha=_Home(remote),
        visual=_Visual(remote),
        state=_State(remote),
        logger=logger,
        spawn_task=nursery.spawn,
        config=MappingProxyType(copy.deepcopy(start.config)),
        secrets=Secrets(start.persona.agent_id, start.secrets),
        folder=Path(start.folder),
    )


class Secrets(Mapping[str, str]):
    """`ctx.secrets`: what is printed of it are the names."""

    def __init__(self, agent_id: str, values: Mapping[str, str]) -> None:
        self._agent_id = agent_id
        self._values = dict(values)

    def __getitem__(self, name: str) -> str:
        try:
            return self._values[name]
        except KeyError:
            raise SecretMissing(
                f"{self._agent_id} has no value for the secret {name!r}",
                where="manifest.yaml",
                hint=f"Declare `{name}:` under `secrets:`, and give it a value there with "
                f"`!secret <name in secrets.yaml>`, or in H-Core's environment as "
                f"{self._agent_id.upper()}_{name}.",
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<secrets {', '.join(sorted(self._values)) or 'none'}>"


class _Bus:
    def __init__(self, remote: HostConnection) -> None:
        self._remote = remote

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
        return UUID(
            await self._remote.call(
                "bus.publish",
                recipient=recipient,
                topic=topic,
                type=type,
                content=content,
                data=data or {},
                metadata=metadata or Metadata(),
                priority=priority,
                conversation_id=conversation_id,
            )
        )

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
        return UUID(
            await self._remote.call(
                "bus.answer",
                parent_id=message.header.msg_id,
                topic=topic,
                type=type,
                content=content,
                data=data or {},
                metadata=metadata or Metadata(),
            )
        )


class _Memory:
    def __init__(self, remote: HostConnection) -> None:
        self._remote = remote

    async def recent(
        self, *, conversation_id: str | None = None, limit: int | None = None
    ) -> list[Recollection]:
        found = await self._remote.call(
            "memory.recent", conversation_id=conversation_id, limit=limit
        )
        return [Recollection.model_validate(each) for each in found]

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
        found = await self._remote.call(
            "memory.recall",
            query=query,
            limit=limit,
            exclude=list(exclude),
            shared=shared,
            kinds=list(kinds),
            about=about,
            since=since,
            until=until,
            as_of=as_of,
            include_archived=include_archived,
        )
        return [Recollection.model_validate(each) for each in found]

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
        kept = await self._remote.call(
            "memory.remember",
            content=content,
            about=about,
            importance=importance,
            confidence=confidence,
            shared=shared,
            pinned=pinned,
            replaces=replaces,
        )
        return Recollection.model_validate(kept)

    async def history(self, fragment_id: UUID) -> list[Recollection]:
        found = await self._remote.call("memory.history", fragment_id=fragment_id)
        return [Recollection.model_validate(each) for each in found]

    async def forget(self, fragment_id: UUID) -> None:
        await self._remote.call("memory.forget", fragment_id=fragment_id)


class _Llm:
    def __init__(self, remote: HostConnection) -> None:
        self._remote = remote

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        items = self._remote.iterate("llm.stream", request=request)
        try:
            async for item in items:
                yield Delta.model_validate(item)
        finally:
            await items.aclose()


class _Home:
    def __init__(self, remote: HostConnection) -> None:
        self._remote = remote

    async def call_tools(self, message: Message, calls: Sequence[ToolCall]) -> list[ToolResult]:
        found = await self._remote.call(
            "home.call_tools", parent_id=message.header.msg_id, calls=list(calls)
        )
        return [ToolResult.model_validate(each) for each in found]


class _Visual:
    def __init__(self, remote: HostConnection) -> None:
        self._remote = remote

    async def pose(self, name: str) -> UUID:
        return UUID(await self._remote.call("visual.pose", name=name))


class _State:
    def __init__(self, remote: HostConnection) -> None:
        self._remote = remote

    async def get(self, key: str, default: Any = None) -> Any:
        value = await self._remote.call("state.get", key=key)
        return default if value is None else value

    async def set(self, key: str, value: Any) -> None:
        await self._remote.call("state.set", key=key, value=value)
