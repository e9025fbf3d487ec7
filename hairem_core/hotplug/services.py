"""What H-Core does for an agent, after looking at its permissions."""

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from pydantic import ValidationError

from hairem_core.config.system import AgentLimits, MemoryConfig
from hairem_core.hlink.bus import Bus
from hairem_core.hotplug import _arguments as args
from hairem_core.hotplug.bundle import MANIFEST_NAMES, Bundle, find_manifest
from hairem_core.hotplug.countdown import Paused
from hairem_core.hotplug.errors import AgentFailed
from hairem_core.hotplug.home_rules import ACT, READ, Refusal, decide, usable
from hairem_core.hotplug.memory_calls import MEMORY_METHODS, Memory, MemoryCalls
from hairem_core.hotplug.permissions import line_to_add
from hairem_core.hotplug.rates import RateLimited, TokenBucket
from hairem_core.hotplug.secrets import SecretStore, redact_request
from hairem_core.hotplug.topics import check_topic
from hairem_core.sdk.chat import ChatRequest, Delta, ModelRole, ToolCall, ToolResult, ToolSpec
from hairem_core.sdk.errors import PermissionDenied
from hairem_core.sdk.message import CREW, Message, MessageType, Metadata, Priority, Topic
from hairem_core.sdk.utterance import Utterance

_REMEMBERED_MESSAGES = 1024
_BURST_SECONDS = 4
"""What may be sent at once after a quiet time, in seconds of the rate."""
_CALLS_PER_MESSAGE = 40
"""A model's answer, told word by word, makes hundreds of calls; a runaway loop makes more."""


class Models(Protocol):
    """The language models, as the gateway offers them."""

    def stream(self, agent_id: str, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Yield the answer of the model that serves this agent."""
        ...

    def has_model(self, agent_id: str | None, role: ModelRole) -> bool:
        """Return whether a language model serves this role, and not the offline brain."""
        ...


class Home(Protocol):
    """The house, as the link to Home Assistant offers it."""

    async def call_tools(
        self, agent_id: str, turn: Message, calls: Sequence[ToolCall]
    ) -> list[ToolResult]:
        """Return a result for each of `calls`."""
        ...


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
        agent_limits: AgentLimits,
        secrets: SecretStore,
        clock: Callable[[], float] = time.monotonic,
        paused: Paused = lambda: 0.0,
    ) -> None:
        """`paused` tells for how many seconds nobody could write to memory, all in all."""
        self.paused = paused
        self._permissions = bundle.permissions
        self._manifest = (
            bundle.source / (find_manifest(bundle.folder) or Path(MANIFEST_NAMES[0])).name
        )
        self._agent_id = bundle.agent_id
        self._bus = bus
        self._models = models
        self._memory = memory
        self._home = home
        self._secrets = secrets
        self._rate = agent_limits.messages_per_second
        self._messages = TokenBucket(self._rate, _BURST_SECONDS * self._rate, clock)
        calls = _CALLS_PER_MESSAGE * self._rate
        self._calls = TokenBucket(calls, _BURST_SECONDS * calls, clock)
        self._remembering = MemoryCalls(
            bundle.agent_id, memory, limits, require=self._require, redact=secrets.redact
        )
        self._received: OrderedDict[UUID, Message] = OrderedDict()
        self.answered: set[UUID] = set()
        """Messages under way that the agent has answered in whole."""

    def receive(self, message: Message) -> None:
        """Note a message that is about to be delivered: the agent may answer it."""
        self._received[message.header.msg_id] = message
        if len(self._received) > _REMEMBERED_MESSAGES:
            self._received.popitem(last=False)

    def shown(self, message: Message) -> Message:
        """Return a message as the agent should get it: without tools that it may not use.

        Its model would try them, and a person would hear of a permission instead of an answer.
        """
        if self._has_the_whole_house:
            return message
        offered = _offered(message)
        kept = {spec.name for spec in usable(self._permissions, offered)}
        if len(kept) == len(offered):
            return message
        tools = [tool for tool in message.payload.data["tools"] if tool["name"] in kept]
        return _with_data(message, {**message.payload.data, "tools": tools})

    @property
    def _has_the_whole_house(self) -> bool:
        permitted = self._permissions
        return READ in permitted and ACT in permitted and permitted.domains is None

    async def record(self, message: Message) -> None:
        """Keep what was said in memory."""
        if _is_said(message):
            await self._memory.record(_without_request(message))

    async def call(self, method: str, arguments: dict[str, Any], cause: UUID | None) -> Any:
        """Return the result of one call. Raises HairemError."""
        self._count_call()
        try:
            match method:
                case "bus.publish":
                    return await self._publish(args.Publish.model_validate(arguments), cause)
                case "bus.answer":
                    return await self._answer(args.Answer.model_validate(arguments))
                case "visual.pose":
                    return await self._pose(args.Pose.model_validate(arguments), cause)
                case str() if method in MEMORY_METHODS:
                    return await self._remembering.call(method, arguments, self._asker(cause))
                case "home.call_tools":
                    return await self._call_tools(args.CallTools.model_validate(arguments))
        except ValidationError as err:
            raise args.wrong_arguments(method, err) from err
        raise AgentFailed(f"ctx has no {method!r}")

    def iterate(self, method: str, arguments: dict[str, Any]) -> AsyncGenerator[Any]:
        """Yield the items of one call. Raises HairemError, here or while iterating."""
        self._count_call()
        if method != "llm.stream":
            raise AgentFailed(f"ctx has no {method!r}")
        self._require("llm")
        try:
            request = args.Stream.model_validate(arguments).request
        except ValidationError as err:
            raise args.wrong_arguments(method, err) from err
        return self._stream(redact_request(request, self._secrets))

    async def _stream(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        is_offline = not self._models.has_model(self._agent_id, request.role)
        async with aclosing(self._models.stream(self._agent_id, request)) as deltas:
            async for delta in deltas:
                yield delta.model_copy(update={"is_offline": True}) if is_offline else delta

    def _require(self, permission: str) -> None:
        if permission not in self._permissions:
            raise self._denied([permission])

    def _denied(self, permissions: Iterable[str]) -> PermissionDenied:
        lines = " ".join(line_to_add(each) for each in dict.fromkeys(permissions))
        return PermissionDenied(
            f"{self._agent_id} may not use this", where=str(self._manifest), hint=lines
        )

    def _count_call(self) -> None:
        if not self._calls.take():
            most = f"{_CALLS_PER_MESSAGE * self._rate:,} calls of ctx"
            raise _too_often(f"more than {most} a second: {_CALLS_PER_MESSAGE} for each message")

    async def _publish(self, says: args.Publish, cause: UUID | None) -> str:
        check_topic(says.topic, says.recipient)
        if self._secrets.holds_secret(says.recipient):
            raise AgentFailed("ctx.bus.publish: recipient: a secret is no address")
        conversation_id = says.conversation_id
        message = Message.create(
            sender=f"agent:{self._agent_id}",
            recipient=says.recipient,
            type=says.type,
            topic=says.topic,
            priority=says.priority,
            conversation_id=conversation_id and self._secrets.redact(conversation_id),
            **self._clean(says),
        )
        # What an agent sends while it handles a message is caused by it: loops must show.
        if cause is not None and (parent := self._received.get(cause)):
            hops = parent.header.hops + 1
            header = message.header.model_copy(update={"hops": hops, "parent_id": cause})
            message = message.model_copy(update={"header": header})
        return await self._send(message)

    async def _answer(self, says: args.Answer) -> str:
        parent = self._parent(says.parent_id)
        check_topic(says.topic, parent.header.sender)
        message = parent.answer(
            sender=f"agent:{self._agent_id}",
            type=says.type,
            topic=says.topic,
            **self._clean(says),
        )
        msg_id = await self._send(message)
        if _is_said(message):
            self.answered.add(says.parent_id)
        return msg_id

    async def _pose(self, pose: args.Pose, cause: UUID | None) -> str:
        says = args.Publish(
            recipient=CREW,
            topic=Topic.VISUAL_POSE,
            type=MessageType.SUBJECTIVE,
            priority=Priority.P3,
            content=pose.name,
            data={},
            metadata=Metadata(),
            conversation_id=None,
        )
        return await self._publish(says, cause)

    def _clean(self, says: args.Says) -> dict[str, Any]:
        """Return what an agent says, without secrets: others read it, and it is kept."""
        hint = says.metadata.pose_hint
        metadata = says.metadata.model_copy(
            update={"pose_hint": hint and self._secrets.redact(hint)}
        )
        return {
            "content": self._secrets.redact(says.content),
            "data": self._secrets.redact_json(says.data),
            "metadata": metadata,
        }

    async def _send(self, message: Message) -> str:
        is_counted = message.header.type is not MessageType.STREAM and not self._is_due(message)
        if is_counted and not self._messages.take():
            raise _too_often(f"more than {self._rate:,} messages a second")
        if _is_said(message):
            await self._memory.record(message)
        await self._bus.publish(message)
        return str(message.header.msg_id)

    def _is_due(self, message: Message) -> bool:
        """Return whether a person waits for this very answer: no flood of notes costs them it."""
        cause = message.header.parent_id
        parent = self._received.get(cause) if cause is not None else None
        return (
            _is_said(message)
            and parent is not None
            and parent.header.topic is Topic.USER_UTTERANCE
            and parent.header.msg_id not in self.answered
        )

    def _asker(self, cause: UUID | None) -> str | None:
        """Return the address of the person whose words the agent is handling."""
        parent = self._received.get(cause) if cause is not None else None
        if parent is None or parent.header.topic is not Topic.USER_UTTERANCE:
            return None
        return parent.header.sender

    def _parent(self, msg_id: UUID) -> Message:
        parent = self._received.get(msg_id)
        if parent is None:
            raise AgentFailed(f"{self._agent_id} did not receive a message {msg_id}")
        return parent

    async def _call_tools(self, wanted: args.CallTools) -> list[ToolResult]:
        turn = self._parent(wanted.parent_id)
        offered = _offered(turn)
        decided = [self._decide(call, offered) for call in wanted.calls]
        refusals = [each for each in decided if isinstance(each, Refusal)]
        if len(refusals) == len(decided) and all(each.is_whole for each in refusals):
            raise self._denied(each.permission for each in refusals)
        allowed = [each for each in decided if isinstance(each, ToolCall)]
        made = await self._home.call_tools(self._agent_id, turn, allowed) if allowed else []
        results = iter(made)
        return [
            ToolResult(id=call.id, name=call.name, error=each.error)
            if isinstance(each, Refusal)
            else next(results)
            for call, each in zip(wanted.calls, decided, strict=True)
        ]

    def _decide(self, call: ToolCall, offered: Sequence[ToolSpec]) -> ToolCall | Refusal:
        # Masked, it would act on something else; in clear, Home Assistant would show and keep it.
        if self._secrets.holds_secret([call.id, call.name, call.arguments]):
            error = "a secret must not be given to a tool of Home Assistant"
            return Refusal(permission="", is_whole=False, error=error)
        return decide(call, self._permissions, offered)


def _offered(message: Message) -> list[ToolSpec]:
    """Return the tools that came with a message."""
    if message.header.topic is not Topic.USER_UTTERANCE:
        return []
    try:
        return Utterance.of(message).tools
    except ValidationError:
        return []  # and no turn: the agent will say so


def _too_often(what: str) -> RateLimited:
    return RateLimited(
        what,
        where="agents.limits.messages_per_second",
        hint="Do it less often, or raise the limit in system.yaml.",
    )


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
    return _with_data(message, data)


def _with_data(message: Message, data: dict[str, Any]) -> Message:
    return message.model_copy(update={"payload": message.payload.model_copy(update={"data": data})})
