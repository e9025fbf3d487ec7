"""A message as a row of `raw_event`, and a row as a recollection."""

import json
from typing import Any
from uuid import UUID

from hairem_core.sdk.message import Message, Topic
from hairem_core.sdk.recollection import Recollection

SPEECH = (Topic.USER_UTTERANCE, Topic.NARRATIVE_TEXT)
"""What is remembered as said. Everything else is kept, but not recalled."""
FIELDS = "id, agents, at, sender, speaker_name, conversation_id, speech, content"
"""What is read of a row to remember it."""


def agents_of(message: Message) -> list[str]:
    """Return the ids of the agents that a message concerns: its sender and its recipient."""
    addresses = (message.header.sender, message.header.recipient)
    found = [each.removeprefix("agent:") for each in addresses if each.startswith("agent:")]
    return list(dict.fromkeys(found))


def is_speech(message: Message) -> bool:
    """Return whether a message is something said, and so becomes a recollection."""
    return message.header.topic in SPEECH and bool(message.payload.content.strip())


def storable(text: str | None) -> str | None:
    """Return a text without NUL characters: the engine stores them, and cannot give them back."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if text else text


def to_row(message: Message) -> dict[str, Any]:
    """Return a message as a row. What it does not have is left out: NULL is no NONE."""
    header, payload = message.header, message.payload
    row = {
        "id": header.msg_id,
        "agents": agents_of(message),
        "at": header.timestamp,
        "sender": header.sender,
        "speaker_name": storable(payload.data.get("speaker_name")),
        "recipient": header.recipient,
        "type": header.type.value,
        "topic": header.topic.value,
        "priority": header.priority.value,
        "conversation_id": storable(header.conversation_id),
        "parent_id": header.parent_id,
        "hops": header.hops,
        "speech": is_speech(message),
        "content": storable(payload.content),
        "data": json.dumps(payload.data, ensure_ascii=False) if payload.data else None,
        "confidence": payload.metadata.confidence,
        "importance": payload.metadata.importance,
        "pose_hint": storable(payload.metadata.pose_hint),
    }
    return {name: value for name, value in row.items() if value is not None}


def recollection(row: dict[str, Any], agent_id: str, *, score: float | None = None) -> Recollection:
    """Return a row as the agent `agent_id` remembers it."""
    event_id: UUID = row["id"].id
    return Recollection(
        event_id=event_id,
        at=row["at"],
        speaker=row["sender"],
        speaker_name=row.get("speaker_name"),
        role="assistant" if row["sender"] == f"agent:{agent_id}" else "user",
        content=row["content"],
        score=score,
    )
