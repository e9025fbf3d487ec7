"""The arguments of what an agent can call, and how large they may be."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from hairem_core.errors import HairemError
from hairem_core.hotplug.errors import AgentFailed
from hairem_core.sdk.chat import ChatRequest, ToolCall
from hairem_core.sdk.message import Address, MessageType, Metadata, Priority, Topic
from hairem_core.sdk.recollection import MemoryKind

LONGEST_CONTENT = 100_000
"""Characters of one message: more is no speech, and would cost clients their connection."""
LARGEST_DATA = 256 * 1024
"""Bytes of a message's data, as JSON."""
LONGEST_NOTE = 8_000
"""Characters of one thing to remember."""
LARGEST_STATE = 64 * 1024
"""Bytes of one state value, as JSON."""
MOST_STATE_KEYS = 1_000
"""Of one agent."""


def _at_most(value: Any, largest: int) -> Any:
    size = len(to_json(value))
    if size > largest:
        raise ValueError(f"{size:,} bytes of JSON; {largest // 1024} KiB are allowed")
    return value


def _check_data(data: dict[str, Any]) -> dict[str, Any]:
    return _at_most(data, LARGEST_DATA)  # type: ignore[no-any-return]


def _check_state(value: Any) -> Any:
    return _at_most(value, LARGEST_STATE)


def _check_pose(name: str) -> str:
    if not name.isprintable() or not name.strip():
        raise ValueError("a pose is a word that can be printed, such as `happy`")
    return name


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Says(_Arguments):
    """What every message has."""

    topic: Topic
    type: MessageType
    content: str = Field(max_length=LONGEST_CONTENT)
    data: Annotated[dict[str, Any], AfterValidator(_check_data)]
    metadata: Metadata


class Publish(Says):
    """Of `bus.publish`."""

    recipient: Address
    priority: Priority
    conversation_id: str | None


class Answer(Says):
    """Of `bus.answer`."""

    parent_id: UUID


class Pose(_Arguments):
    """Of `visual.pose`."""

    name: Annotated[str, Field(max_length=64), AfterValidator(_check_pose)]


class Recent(_Arguments):
    """Of `memory.recent`."""

    conversation_id: str | None = None
    limit: int | None = Field(default=None, ge=1, le=100)


class Recall(_Arguments):
    """Of `memory.recall`."""

    query: str
    limit: int | None = Field(default=None, ge=1, le=100)
    exclude: list[UUID] = Field(default_factory=list)
    shared: bool = False
    kinds: list[MemoryKind] = Field(default_factory=list)
    about: str | None = Field(default=None, max_length=256)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    as_of: AwareDatetime | None = None
    include_archived: bool = False


class Remember(_Arguments):
    """Of `memory.remember`."""

    content: str = Field(max_length=LONGEST_NOTE, pattern=r"\S")
    about: str | None = Field(default=None, max_length=256)
    importance: float = Field(ge=0, le=1)
    confidence: float = Field(ge=0, le=1)
    shared: bool
    pinned: bool
    replaces: UUID | None


class OneFragment(_Arguments):
    """Of `memory.history` and `memory.forget`."""

    fragment_id: UUID


class Stream(_Arguments):
    """Of `llm.stream`."""

    request: ChatRequest


class CallTools(_Arguments):
    """Of `home.call_tools`."""

    parent_id: UUID
    calls: list[ToolCall] = Field(min_length=1, max_length=64)


class GetState(_Arguments):
    """Of `state.get`."""

    key: str = Field(max_length=256, pattern=r"^[^\x00-\x1f]+$")


class SetState(GetState):
    """Of `state.set`."""

    value: Annotated[Any, AfterValidator(_check_state)]


def wrong_arguments(method: str, err: ValidationError) -> HairemError:
    """Return what to tell an agent whose arguments of `method` are wrong."""
    first = err.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return AgentFailed(f"ctx.{method}: {key}: {first['msg'].removeprefix('Value error, ')}")
