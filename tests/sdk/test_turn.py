import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hairem_core.api.turns import Turn as ClientsTurn
from hairem_core.hotplug import frames
from hairem_core.sdk import Message, MessageType, Topic
from hairem_core.sdk.recollection import ANSWERS, Recollection, Why
from hairem_core.sdk.turn import _as_line
from tests.hotplug.agent_end import HEAD, Host, agent_end

BARKEEP = (
    HEAD
    + """
class Agent(BaseAgent):
    @tool
    async def add_item(self, item: str) -> list[str]:
        if item == "poison":
            raise RuntimeError("never")
        return [item]
"""
)


def _asks(*calls: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    made = [
        {"id": str(index), "name": name, "arguments": arguments}
        for index, (name, arguments) in enumerate(calls)
    ]
    return [{"tool_calls": made}]


async def _talk(host: Host, *answers: list[dict[str, Any]], **data: Any) -> Message:
    """Have the agent answer an utterance with a model that says `answers`."""
    host.answers |= {"memory.recall": [], "memory.recent": []}
    host.streams["llm.stream"] = list(answers)
    await host.hear(frames.Ready)
    said = host.deliver("hello", topic=Topic.USER_UTTERANCE, data=data)
    await host.hear(frames.Done, msg_id=said.header.msg_id)
    return said


def _says(host: Host, topic: Topic, type: MessageType) -> list[dict[str, Any]]:
    return [
        call.arguments
        for call in host.calls
        if call.method == "bus.answer"
        and (call.arguments["topic"], call.arguments["type"]) == (topic, type)
    ]


async def test_an_agents_own_tools_leave_receipts_and_failures_do_not_end_the_turn(
    tmp_path: Path,
) -> None:
    async with agent_end(tmp_path, {"logic.py": BARKEEP}) as host:
        said = await _talk(
            host,
            _asks(
                ("add_item", {"item": "tea"}),
                ("add_item", {"item": "poison"}),
                ("add_item", {}),
            ),
            [{"content": "Done."}],
        )
    receipts = _says(host, Topic.TOOL_RECEIPT, MessageType.RAW)
    assert {each["parent_id"] for each in receipts} == {str(said.header.msg_id)}
    assert [result for each in receipts for result in each["data"]["results"]] == [
        {"id": "0", "name": "add_item", "data": ["tea"], "error": None},
        {"id": "1", "name": "add_item", "data": None, "error": "RuntimeError: never"},
        {
            "id": "2",
            "name": "add_item",
            "data": None,
            "error": "wrong arguments: item: Field required",
        },
    ]
    (answer,) = _says(host, Topic.NARRATIVE_TEXT, MessageType.SUBJECTIVE)
    assert answer["content"] == "Done."
    requests = [call.arguments["request"] for call in host.calls if call.method == "llm.stream"]
    told = [json.loads(each["content"]) for each in requests[1]["messages"][-3:]]
    assert told == [
        {"data": ["tea"]},
        {"error": "RuntimeError: never"},
        {"error": "wrong arguments: item: Field required"},
    ]


async def test_a_clients_tool_of_the_same_name_is_not_offered_twice(tmp_path: Path) -> None:
    theirs = [{"name": "add_item", "description": "theirs"}, {"name": "turn_on"}]
    async with agent_end(tmp_path, {"logic.py": BARKEEP}) as host:
        await _talk(host, [{"content": "Hi."}], tools=theirs)
    (request,) = [call.arguments["request"] for call in host.calls if call.method == "llm.stream"]
    assert [each["name"] for each in request["tools"]] == ["add_item", "turn_on"]
    assert request["tools"][0]["description"] == ""


def test_a_receipt_of_an_agents_own_tool_changes_nothing_for_the_client() -> None:
    said = Message.create(
        sender="user:test",
        recipient="agent:barkeep",
        type=MessageType.RAW,
        topic=Topic.USER_UTTERANCE,
    )
    events: list[Any] = []
    turn = ClientsTurn(said, events.append, events.append)
    turn.take(
        said.answer(
            sender="agent:barkeep",
            type=MessageType.RAW,
            topic=Topic.TOOL_RECEIPT,
            data={"results": [{"id": "1", "name": "add_item", "data": None, "error": "no"}]},
        )
    )
    assert events == []
    assert turn.waits_for == set()


@pytest.mark.parametrize(
    ("speaker", "name", "expected"),
    [
        ("user:5dbc97d4", "Anna", "user Anna: I am  home"),
        ("user:5dbc97d4", None, "user: I am  home"),
        ("user:5dbc97d4", "An:na", "user An na: I am  home"),
        ("agent:electra", None, "agent electra: I am  home"),
    ],
)
def test_a_recalled_line_names_people_not_their_ids(
    speaker: str, name: str | None, expected: str
) -> None:
    at = datetime(2026, 11, 21, 18, 2, tzinfo=UTC)
    recollection = Recollection(
        fragment_id=uuid.uuid7(),
        at=at,
        speaker=speaker,
        speaker_name=name,
        role="user",
        content="I am\nhome",
    )
    line = _as_line(recollection)
    assert line == f"- {at.astimezone():%Y-%m-%d %H:%M} {expected.replace('  ', ' ')}"
    assert "5dbc97d4" not in line


def test_a_recalled_line_says_that_it_is_the_answer() -> None:
    recollection = Recollection(
        fragment_id=uuid.uuid7(),
        at=datetime(2026, 11, 21, 18, 2, tzinfo=UTC),
        speaker="user:anna",
        role="user",
        content="I moved to Lyon",
        why=Why(words=0, meaning=0, strength=1, is_answer=True),
    )
    assert _as_line(recollection).endswith(f" I moved to Lyon {ANSWERS}")
    plain = recollection.model_copy(
        update={"why": Why(words=1, meaning=0, strength=1), "content": f"I moved to Lyon {ANSWERS}"}
    )
    assert _as_line(plain).endswith(" I moved to Lyon")
