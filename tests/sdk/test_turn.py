import asyncio
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hairem_core.api.turns import Turn as ClientsTurn
from hairem_core.hotplug import frames
from hairem_core.sdk import Message, MessageType, Topic
from hairem_core.sdk.recollection import ANSWERS, ENDED, Recollection, Why
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


async def _talk(
    host: Host, *answers: list[dict[str, Any]], text: str = "hello", **data: Any
) -> Message:
    """Have the agent answer an utterance with a model that says `answers`."""
    host.answers |= {"memory.recall": [], "memory.recent": []}
    host.streams["llm.stream"] = list(answers)
    await host.hear(frames.Ready)
    said = host.deliver(text, topic=Topic.USER_UTTERANCE, data=data)
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


def _recollection(**fields: Any) -> Recollection:
    values = {"speaker": "user:anna", "role": "user", "content": "I moved to Lyon"} | fields
    return Recollection.model_validate(
        {"fragment_id": uuid.uuid7(), "at": datetime(2026, 11, 21, 18, 2, tzinfo=UTC), **values}
    )


@pytest.mark.parametrize(
    ("speaker", "name", "expected"),
    [
        ("user:5dbc97d4", "Anna", "user Anna: I am home"),
        ("user:5dbc97d4", None, "user: I am home"),
        ("agent:electra", None, "agent electra: I am home"),
    ],
)
def test_a_recalled_line_names_people_not_their_ids(
    speaker: str, name: str | None, expected: str
) -> None:
    recollection = _recollection(speaker=speaker, content="I am\nhome")
    line = _as_line(recollection, name)
    assert line == f"- {recollection.at.astimezone():%Y-%m-%d %H:%M} {expected}"
    assert "5dbc97d4" not in line


def test_a_recalled_line_says_that_it_is_the_answer() -> None:
    recollection = _recollection(why=Why(words=0, meaning=0, strength=1, is_answer=True))
    assert _as_line(recollection, "Anna").endswith(f" I moved to Lyon {ANSWERS}")
    plain = _recollection(
        why=Why(words=1, meaning=0, strength=1), content=f"I moved to Lyon {ANSWERS} {ENDED}"
    )
    assert _as_line(plain, "Anna").endswith(" I moved to Lyon")


def test_a_recalled_line_says_that_it_holds_no_more() -> None:
    ended = _recollection(valid_to=datetime(2026, 11, 22, tzinfo=UTC))
    assert _as_line(ended, "Anna").endswith(f" I moved to Lyon {ENDED}")


async def _asked(tmp_path: Path, text: str = "hello", **known: Any) -> list[dict[str, Any]]:
    """Return the messages that a model gets of an utterance of `user:test`, called Anna."""
    data = {"speaker_name": "Anna", "language": known.pop("language", "en")}
    if (history := known.pop("history", None)) is not None:
        data["history"] = history
    async with agent_end(tmp_path, {"logic.py": BARKEEP}) as host:
        host.answers |= {
            f"memory.{name}": [each.model_dump(mode="json") for each in found]
            for name, found in ({"recall": [], "recent": []} | known).items()
        }
        host.streams["llm.stream"] = [[{"content": "Hi."}]]
        await host.hear(frames.Ready)
        said = host.deliver(text, topic=Topic.USER_UTTERANCE, data=data)
        await host.hear(frames.Done, msg_id=said.header.msg_id)
        (call,) = [each for each in host.calls if each.method == "llm.stream"]
    messages: list[dict[str, Any]] = call.arguments["request"]["messages"]
    return messages


MAX = {"speaker": "user:max", "speaker_name": "Max"}


@pytest.mark.parametrize("by_client", [False, True])
@pytest.mark.parametrize(
    ("by", "language", "name"),
    [
        ({"speaker": "user:test", "speaker_name": "Anna"}, "en", "Anna"),
        (MAX, "en", "Max"),
        ({**MAX, "speaker_name": "M:a\nx"}, "en", "M a x"),
        ({**MAX, "speaker_name": None}, "en", "another person"),
        ({**MAX, "speaker_name": None}, "fr", "une autre personne"),
        ({**MAX, "speaker_name": "Anna"}, "en", "another Anna"),
        ({**MAX, "speaker_name": "Anna"}, "fr", "une autre personne nommée Anna"),
    ],
)
async def test_the_history_says_who_spoke(
    tmp_path: Path, by: dict[str, Any], language: str, name: str, by_client: bool
) -> None:
    history = [{"role": "user", "content": "I moved to Lyon"}] if by_client else None
    messages = await _asked(
        tmp_path, recent=[_recollection(**by)], history=history, language=language
    )
    users = [(each["name"], each["content"]) for each in messages if each["role"] == "user"]
    assert users == [(name, "I moved to Lyon"), ("Anna", "hello")]


async def test_what_holds_no_more_is_said_to_beside_the_history(tmp_path: Path) -> None:
    ended = _recollection(**MAX, valid_to=datetime(2026, 11, 22, tzinfo=UTC))
    messages = await _asked(tmp_path, recent=[ended, _recollection(**MAX, content="I left")])
    (memory,) = [each["content"] for each in messages if each["name"] == "memory"]
    assert memory.endswith(f" user Max: I moved to Lyon {ENDED}")
    assert "I left" not in memory


@pytest.mark.parametrize(
    ("text", "asks_archive"),
    [
        ("Do you remember the dragon?", True),
        ("Te souviens-tu du dragon ?", True),
        ("Where is the dragon?", False),
    ],
)
async def test_what_has_faded_is_recalled_where_just_that_is_asked(
    tmp_path: Path, text: str, asks_archive: bool
) -> None:
    async with agent_end(tmp_path, {"logic.py": BARKEEP}) as host:
        await _talk(host, [{"content": "Hi."}], text=text)
        (call,) = [each for each in host.calls if each.method == "memory.recall"]
    assert call.arguments["include_archived"] is asks_archive


async def test_who_asks_does_not_wait_for_an_archive_that_is_away(
    tmp_path: Path,
) -> None:
    async with agent_end(tmp_path, {"logic.py": BARKEEP}) as host:
        host.answers["memory.recent"] = []
        host.streams["llm.stream"] = [[{"content": "Hi."}]]
        await host.hear(frames.Ready)
        said = host.deliver("Do you remember me?", topic=Topic.USER_UTTERANCE)
        while len(calls := [each for each in host.calls if each.method == "memory.recall"]) < 1:
            await asyncio.sleep(0.01)
        # The first of them never gets an answer.
        host.answers["memory.recall"] = []
        await host.hear(frames.Done, msg_id=said.header.msg_id)
        calls = [each for each in host.calls if each.method == "memory.recall"]
    assert [each.arguments["include_archived"] for each in calls] == [True, False]
