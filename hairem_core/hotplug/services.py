"""What H-Core does for an agent, after looking at its permissions."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hairem_core.config import MemoryConfig
from hairem_core.errors import HairemError
from hairem_core.hlink.bus import Bus
from hairem_core.hotplug.bundle import Bundle
from hairem_core.hotplug.errors import AgentFailed
from hairem_core.sdk.chat import ChatRequest, Delta, ToolCall, ToolResult
from hairem_core.sdk.errors import PermissionDenied
from hairem_core.sdk.message import Address, Message, MessageType, Metadata, Priority, Topic
from hairem_core.sdk.recollection import Recollection

_REMEMBERED_MESSAGES = 1024
_LONGEST_CONTENT = 100_000
"""Characters of one message: more is no speech, and would cost clients their connection."""


class Models(Protocol):
    """The language models, as the gateway offers them."""

    def stream(self, agent_id: str, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Yield the answer of the model that serves this agent."""
        ...


class Memory(Protocol):
    """The memory, as its store offers it."""

    async def record(self, message: Message) -> bool:
        """Keep a message; False if it was there already."""
        ...

    async def recent(
        self, agent_id: str, *, conversation_id: str | None, limit: int
    ) -> list[Recollection]:
        """Return the last things said, oldest first."""
        ...

    async def recall(
        self, agent_id: str, query: str, *, limit: int, exclude: Collection[UUID] = ()
    ) -> list[Recollection]:
        """Return what fits `query`, best first."""
        ...

    async def get_state(self, agent_id: str, key: str) -> Any:
        """Return what was set under `key`, else None."""
        ...

    async def set_state(self, agent_id: str, key: str, value: Any) -> None:
        """Keep a JSON value under `key`; None removes it."""
        ...


class Home(Protocol):
    """The house, as the link to Home Assistant offers it."""

    async def call_tools(
        self, agent_id: str, turn: Message, calls: Sequence[ToolCall]
    ) -> list[ToolResult]:
        """Return a result for each of `calls`."""
        ...


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Says(_Arguments):
    topic: Topic
    type: MessageType
    content: str = Field(max_length=_LONGEST_CONTENT)
    data: dict[str, Any]
    metadata: Metadata


class _Publish(_Says):
    recipient: Address
    priority: Priority
    conversation_id: str | None


class _Answer(_Says):
    parent_id: UUID


class _Recent(_Arguments):
    conversation_id: str | None = None
    limit: int | None = Field(default=None, ge=1, le=100)


class _Recall(_Arguments):
    query: str
    limit: int | None = Field(default=None, ge=1, le=100)
    exclude: list[UUID] = Field(default_factory=list)


class _Stream(_Arguments):
    request: ChatRequest


class _CallTools(_Arguments):
    parent_id: UUID
    calls: list[ToolCall] = Field(min_length=1, max_length=64)


class _GetState(_Arguments):
    key: str = Field(max_length=256, pattern=r"^[^\x00-\x1f]+$")


class _SetState(_GetState):
    value: Any


class AgentServices:
    """Carries out one agent's calls. The methods are those of `ctx`.

    Every error raised is a HairemError, whose `code` and text go back to the agent.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        bus: Bus,
        models: Models,
        memory: Memory,
        home: Home,
        limits: MemoryConfig,
    ) -> None:
        self._bundle = bundle
        self._agent_id = bundle.agent_id
        self._bus = bus
        self._models = models
        self._memory = memory
        self._home = home
        self._limits = limits
        self._received: OrderedDict[UUID, Message] = OrderedDict()
        self.answered: set[UUID] = set()
        """Messages under way that the agent has answered in whole."""

    def receive(self, message: Message) -> None:
        """Note a message that is about to be delivered: the agent may answer it."""
        self._received[message.header.msg_id] = message
        if len(self._received) > _REMEMBERED_MESSAGES:
            self._received.popitem(last=False)

    async def record(self, message: Message) -> None:
        """Keep what was said in memory."""
        if _is_said(message):
            await self._memory.record(_without_request(message))

    async def call(self, method: str, arguments: dict[str, Any], cause: UUID | None) -> Any:
        """Return the result of one call. Raises HairemError."""
        try:
            match method:
                case "bus.publish":
                    return await self._publish(_Publish.model_validate(arguments), cause)
                case "bus.answer":
                    return await self._answer(_Answer.model_validate(arguments))
                case "memory.recent":
                    return await self._recent(_Recent.model_validate(arguments))
                case "memory.recall":
                    return await self._recall(_Recall.model_validate(arguments))
                case "home.call_tools":
                    return await self._call_tools(_CallTools.model_validate(arguments))
                case "state.get":
                    key = _GetState.model_validate(arguments).key
                    return await self._memory.get_state(self._agent_id, key)
                case "state.set":
                    state = _SetState.model_validate(arguments)
                    return await self._memory.set_state(self._agent_id, state.key, state.value)
        except ValidationError as err:
            raise _wrong_arguments(method, err) from err
        raise AgentFailed(f"ctx has no {method!r}")

    def iterate(self, method: str, arguments: dict[str, Any]) -> AsyncGenerator[Any]:
        """Yield the items of one call. Raises HairemError, here or while iterating."""
        if method != "llm.stream":
            raise AgentFailed(f"ctx has no {method!r}")
        self._require("llm")
        try:
            request = _Stream.model_validate(arguments).request
        except ValidationError as err:
            raise _wrong_arguments(method, err) from err
        return self._models.stream(self._agent_id, request)

    def _require(self, permission: str) -> None:
        if permission not in self._bundle.manifest.permissions:
            raise PermissionDenied(
                f"{self._agent_id} may not use this",
                where=str(self._bundle.folder / "manifest.yaml"),
                hint=f"Add `- {permission}` under `permissions:`.",
            )

    async def _publish(self, says: _Publish, cause: UUID | None) -> str:
        message = Message.create(
            sender=f"agent:{self._agent_id}",
            recipient=says.recipient,
            type=says.type,
            topic=says.topic,
            content=says.content,
            data=says.data,
            metadata=says.metadata,
            priority=says.priority,
            conversation_id=says.conversation_id,
        )
        # What an agent sends while it handles a message is caused by it: loops must show.
        if cause is not None and (parent := self._received.get(cause)):
            hops = parent.header.hops + 1
            header = message.header.model_copy(update={"hops": hops, "parent_id": cause})
            message = message.model_copy(update={"header": header})
        return await self._send(message)

    async def _answer(self, says: _Answer) -> str:
        parent = self._parent(says.parent_id)
        message = parent.answer(
            sender=f"agent:{self._agent_id}",
            type=says.type,
            topic=says.topic,
            content=says.content,
            data=says.data,
            metadata=says.metadata,
        )
        if _is_said(message):
            self.answered.add(says.parent_id)
        return await self._send(message)

    async def _send(self, message: Message) -> str:
        if _is_said(message):
            await self._memory.record(message)
        await self._bus.publish(message)
        return str(message.header.msg_id)

    def _parent(self, msg_id: UUID) -> Message:
        parent = self._received.get(msg_id)
        if parent is None:
            raise AgentFailed(f"{self._agent_id} did not receive a message {msg_id}")
        return parent

    async def _recent(self, wanted: _Recent) -> list[Recollection]:
        limit = self._limits.recent_turns if wanted.limit is None else wanted.limit
        if limit == 0:
            return []
        return await self._memory.recent(
            self._agent_id, conversation_id=wanted.conversation_id, limit=limit
        )

    async def _recall(self, wanted: _Recall) -> list[Recollection]:
        limit = self._limits.recall_results if wanted.limit is None else wanted.limit
        if limit == 0:
            return []
        return await self._memory.recall(
            self._agent_id, wanted.query, limit=limit, exclude=wanted.exclude
        )

    async def _call_tools(self, wanted: _CallTools) -> list[ToolResult]:
        self._require("home.act")
        turn = self._parent(wanted.parent_id)
        return await self._home.call_tools(self._agent_id, turn, wanted.calls)


def _is_said(message: Message) -> bool:
    """Return whether `message` is a whole thing that was said, which memory keeps."""
    header = message.header
    return header.type is not MessageType.STREAM and header.topic in (
        Topic.USER_UTTERANCE,
        Topic.NARRATIVE_TEXT,
    )


def _without_request(message: Message) -> Message:
    """Return an utterance without what came along for this one answer.

    Tools and instructions are the client's, tens of kilobytes with each sentence; history was
    recorded when it was said.
    """
    data = {
        key: value
        for key, value in message.payload.data.items()
        if key not in ("tools", "instructions", "history")
    }
    return message.model_copy(update={"payload": message.payload.model_copy(update={"data": data})})


def _wrong_arguments(method: str, err: ValidationError) -> HairemError:
    first = err.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return AgentFailed(f"ctx.{method}: {key}: {first['msg']}")
