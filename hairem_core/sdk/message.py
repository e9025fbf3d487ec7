"""The H-Link envelope: what every message between agents, people and the house looks like.

The format is written down in `docs/h-link.md`; both ends validate, and unknown fields are refused.
"""

import re
import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
)

ADDRESS_KINDS = ("agent", "user", "home", "core", "area")
CREW = "crew"
_ADDRESS = re.compile(rf"(?:{'|'.join(ADDRESS_KINDS)}):[A-Za-z0-9][A-Za-z0-9_.@-]{{0,127}}|{CREW}")


class MessageType(StrEnum):
    """What kind of thing a message is."""

    RAW = "RAW"
    """A fact from outside, never changed: a person's words, a state change."""
    SUBJECTIVE = "SUBJECTIVE"
    """One agent's reading of facts: an answer, an opinion, a note."""
    STREAM = "STREAM"
    """A piece of something under way. Delivered live only, never stored in an inbox."""
    DIRECTIVE = "DIRECTIVE"
    """An instruction: a whisper, a lifecycle order, a request."""


class Priority(StrEnum):
    """The lane a message travels in. A lower lane never delays a higher one."""

    P0 = "P0"
    """Emergency."""
    P1 = "P1"
    """A person is waiting."""
    P2 = "P2"
    """Normal."""
    P3 = "P3"
    """Background."""


class Topic(StrEnum):
    """What a message is about. The table with senders and payloads is in `docs/h-link.md`."""

    USER_UTTERANCE = "user.utterance"
    NARRATIVE_TEXT = "narrative.text"
    NARRATIVE_ACTION = "narrative.action"
    AGENT_NOTE = "agent.note"
    AGENT_DISCUSSION = "agent.discussion"
    SYSTEM_WHISPER = "system.whisper"
    SYSTEM_HEARTBEAT = "system.heartbeat"
    SYSTEM_LIFECYCLE = "system.lifecycle"
    SYSTEM_EMERGENCY = "system.emergency"
    HOME_STATE_CHANGED = "home.state_changed"
    HOME_EVENT = "home.event"
    TOOL_CALL = "tool.call"
    TOOL_RECEIPT = "tool.receipt"
    TURN_CANCELLED = "turn.cancelled"
    TURN_FAILED = "turn.failed"
    VISUAL_POSE = "visual.pose"
    VISUAL_ASSET = "visual.asset"
    DREAM_PROGRESS = "dream.progress"
    MEMORY_ERASED = "memory.erased"


def check_address(value: str) -> str:
    """Return `value` if it is an H-Link address, else raise ValueError."""
    if not _ADDRESS.fullmatch(value):
        kinds = ", ".join(f"{kind}:<id>" for kind in ADDRESS_KINDS)
        raise ValueError(f"{value!r} is not an address; use {kinds} or {CREW}")
    return value


type Address = Annotated[str, AfterValidator(check_address)]


def _to_milliseconds(value: datetime) -> datetime:
    utc = value.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def _rfc3339(value: datetime) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


type Timestamp = Annotated[
    AwareDatetime,
    AfterValidator(_to_milliseconds),
    PlainSerializer(_rfc3339, return_type=str, when_used="json"),
]
"""RFC 3339, UTC, milliseconds."""


def now() -> datetime:
    """Return the present moment as messages carry it: UTC, whole milliseconds."""
    return _to_milliseconds(datetime.now(UTC))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Header(_Strict):
    """Where a message comes from, where it goes, and what it belongs to."""

    msg_id: uuid.UUID = Field(default_factory=uuid.uuid7)
    parent_id: uuid.UUID | None = None
    timestamp: Timestamp = Field(default_factory=now)
    sender: Address
    recipient: Address
    type: MessageType
    topic: Topic
    priority: Priority = Priority.P2
    conversation_id: str | None = Field(default=None, max_length=128)
    hops: int = Field(default=0, ge=0)
    expires_at: Timestamp | None = None


class Metadata(_Strict):
    """What the sender thinks of its own words."""

    confidence: float | None = Field(default=None, ge=0, le=1)
    importance: float | None = Field(default=None, ge=0, le=1)
    pose_hint: str | None = Field(default=None, max_length=64)


class Payload(_Strict):
    """What a message says: text for people, data for programs."""

    content: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    metadata: Metadata = Metadata()


class Message(_Strict):
    """One H-Link message."""

    header: Header
    payload: Payload = Payload()

    @classmethod
    def create(
        cls,
        *,
        sender: str,
        recipient: str,
        type: MessageType,
        topic: Topic,
        content: str = "",
        data: dict[str, Any] | None = None,
        metadata: Metadata | None = None,
        priority: Priority = Priority.P2,
        conversation_id: str | None = None,
        expires_at: datetime | None = None,
    ) -> Self:
        """Return a new message that answers nothing. Raises pydantic.ValidationError."""
        return cls(
            header=Header(
                sender=sender,
                recipient=recipient,
                type=type,
                topic=topic,
                priority=priority,
                conversation_id=conversation_id,
                expires_at=expires_at,
            ),
            payload=Payload(content=content, data=data or {}, metadata=metadata or Metadata()),
        )

    def answer(
        self,
        *,
        sender: str,
        type: MessageType,
        topic: Topic,
        recipient: str | None = None,
        content: str = "",
        data: dict[str, Any] | None = None,
        metadata: Metadata | None = None,
        priority: Priority | None = None,
    ) -> Message:
        """Return a message caused by this one: same conversation, one hop further."""
        header = self.header
        return Message(
            header=Header(
                parent_id=header.msg_id,
                sender=sender,
                recipient=recipient or header.sender,
                type=type,
                topic=topic,
                priority=priority or header.priority,
                conversation_id=header.conversation_id,
                hops=header.hops + 1,
            ),
            payload=Payload(content=content, data=data or {}, metadata=metadata or Metadata()),
        )
