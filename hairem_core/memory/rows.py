"""Rows of the store: a message as one of `raw_event`, a fragment as one of `fragment`."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from surrealdb import RecordID

from hairem_core.memory.fragment import Fragment
from hairem_core.sdk.message import Message, Topic
from hairem_core.sdk.recollection import Recollection, Why

SPEECH = (Topic.USER_UTTERANCE, Topic.NARRATIVE_TEXT)
"""What is remembered as said. Everything else is kept, but not recalled."""
_FIELDS = tuple(each.name for each in fields(Fragment) if each.name != "id")


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


def confidence_of(row: Mapping[str, Any]) -> float:
    """Return how sure it is that these were the words of an event, from 0 to 1."""
    found = row.get("confidence")
    return 1.0 if found is None else float(found)


def told(data: Mapping[str, Any], name: str) -> str | None:
    """Return a text that a client or an agent sent beside a message; None for what is no text."""
    value = data.get(name)
    return storable(value) if isinstance(value, str) else None


def to_row(message: Message) -> dict[str, Any]:
    """Return a message as a row. What it does not have is left out: NULL is no NONE."""
    header, payload = message.header, message.payload
    row = {
        "id": header.msg_id,
        "agents": agents_of(message),
        "at": header.timestamp,
        "sender": header.sender,
        "speaker_name": told(payload.data, "speaker_name"),
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


def fragment_row(fragment: Fragment) -> dict[str, Any]:
    """Return a fragment as a row. What it does not have is left out."""
    values = {name: getattr(fragment, name) for name in _FIELDS}
    row = {name: value for name, value in values.items() if value is not None}
    row |= {name: list(row[name]) for name in ("about", "derived_from", "sources")}
    return {**row, "id": RecordID("fragment", fragment.id)}


FRAGMENT_VALUES = f"[{', '.join(('id', *_FIELDS))}]"
"""What to select for `fragment_of_values`: without the names of fields, half as much is read."""


def fragment_of_values(values: list[Any]) -> Fragment:
    """Return the values of FRAGMENT_VALUES as a fragment."""
    return fragment_of(dict(zip(("id", *_FIELDS), values, strict=True)))


def fragment_of(row: dict[str, Any]) -> Fragment:
    """Return a row as a fragment."""
    values = {name: row[name] for name in _FIELDS if row.get(name) is not None}
    values |= {name: tuple(row[name]) for name in ("about", "derived_from", "sources")}
    return Fragment(**{**values, "id": row["id"].id})


def recollection(
    fragment: Fragment,
    agent_id: str,
    *,
    score: float | None = None,
    why: Why | None = None,
    is_archived: bool = False,
) -> Recollection:
    """Return a fragment as the agent `agent_id` remembers it."""
    by_itself = fragment.speaker in (None, f"agent:{agent_id}")
    return Recollection(
        fragment_id=fragment.id,
        event_id=fragment.derived_from[0] if len(fragment.derived_from) == 1 else None,
        at=fragment.at,
        speaker=fragment.speaker,
        speaker_name=fragment.speaker_name,
        role="assistant" if by_itself else "user",
        content=fragment.content,
        kind=fragment.kind,
        subject=fragment.subject,
        importance=fragment.importance,
        confidence=fragment.confidence,
        is_shared=fragment.visibility == "shared",
        is_archived=is_archived,
        valid_from=fragment.valid_from,
        valid_to=fragment.valid_to,
        replaces_id=fragment.replaces_id,
        score=score,
        why=why,
    )
