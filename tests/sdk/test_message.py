import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hairem_core.sdk.message import (
    CREW,
    Message,
    MessageType,
    Metadata,
    Priority,
    Topic,
    check_address,
    now,
)
from tests.support.bus import note

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "h-link.json"

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
messages = st.builds(
    Message.create,
    sender=st.sampled_from(["agent:electra", "user:anna", "core:host"]),
    recipient=st.sampled_from(["agent:renarde", "home:light.kitchen", "area:kitchen", CREW]),
    type=st.sampled_from(MessageType),
    topic=st.sampled_from(Topic),
    content=st.text(),
    data=st.dictionaries(st.text(), json_values, max_size=4),
    metadata=st.builds(Metadata, confidence=st.none() | st.floats(0, 1)),
    priority=st.sampled_from(Priority),
    conversation_id=st.none() | st.text(min_size=1, max_size=128),
    expires_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)


@given(messages)
def test_a_message_survives_the_wire_and_fits_its_schema(message: Message) -> None:
    raw = message.model_dump_json()
    assert Message.model_validate_json(raw) == message
    schema = json.loads(SCHEMA.read_text())
    jsonschema.validate(json.loads(raw), schema, cls=jsonschema.Draft202012Validator)


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads(SCHEMA.read_text())
    assert published["$defs"] == Message.model_json_schema(mode="serialization")["$defs"]


@pytest.mark.parametrize(
    "path",
    [("bogus",), ("header", "bogus"), ("payload", "bogus"), ("payload", "metadata", "bogus")],
)
def test_unknown_fields_are_refused_everywhere(path: tuple[str, ...]) -> None:
    body: dict[str, Any] = json.loads(note("x").model_dump_json())
    place = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = 1
    with pytest.raises(ValidationError, match="Extra inputs"):
        Message.model_validate(body)


@pytest.mark.parametrize(
    "address",
    ["agent:electra", "user:3f-0c.A@x", "home:light.kitchen", "core:host", "area:a", "crew"],
)
def test_addresses(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "electra", "agent:", "agent:a b", "agent:*", "crew:x", "dog:rex", "agent:" + "a" * 129],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        check_address(address)


def test_timestamps_are_utc_in_milliseconds() -> None:
    paris = datetime(2026, 7, 1, 14, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
    message = Message.create(
        sender="core:a",
        recipient="core:b",
        type=MessageType.RAW,
        topic=Topic.HOME_EVENT,
        expires_at=paris,
    )
    assert '"expires_at":"2026-07-01T12:00:00.123Z"' in message.model_dump_json()
    assert now().microsecond % 1000 == 0


def test_a_timestamp_without_a_zone_is_refused() -> None:
    body = json.loads(note("x").model_dump_json())
    body["header"]["timestamp"] = "2026-07-01T12:00:00"
    with pytest.raises(ValidationError, match="timezone"):
        Message.model_validate(body)


def test_message_ids_are_uuid7_and_grow() -> None:
    ids = [note().header.msg_id for _ in range(100)]
    assert all(each.version == 7 for each in ids)
    assert ids == sorted(ids)


def test_an_answer_belongs_to_what_it_answers() -> None:
    question = note("?", sender="user:anna", conversation_id="c", priority=Priority.P1)
    answer = question.answer(
        sender="agent:a", type=MessageType.SUBJECTIVE, topic=Topic.NARRATIVE_TEXT
    )
    header = answer.header
    assert header.parent_id == question.header.msg_id
    assert header.recipient == "user:anna"
    assert (header.conversation_id, header.priority, header.hops) == ("c", Priority.P1, 1)
    assert isinstance(header.msg_id, uuid.UUID)
    assert header.msg_id != question.header.msg_id
