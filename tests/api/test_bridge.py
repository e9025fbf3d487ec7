import asyncio
import json
import os
import time
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from hairem_core.api import frames
from hairem_core.core import Core
from tests.support.bus import until
from tests.support.core import ROOT, Client
from tests.support.scripted_model import Rule, ScriptedModel

TURN_ON = {
    "name": "HassTurnOn",
    "description": "Turns on a device",
    "parameters": {"type": "object", "properties": {"name": {"type": "string"}}},
}


def _text(events: list[dict[str, Any]]) -> str:
    return "".join(event["content"] for event in events if event["kind"] == "delta")


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads((ROOT / "docs" / "schemas" / "bridge.json").read_text())
    assert published == frames.json_schema(), "run scripts/schemas.py"


async def test_hello_names_the_server_and_its_schema(core: Core) -> None:
    async with connect(f"ws://{core.address}/api/ws") as connection:
        hello = json.loads(await connection.recv())
    assert hello["schema_version"] == 1
    assert hello["server_id"] == (await core.health())["server_id"]


@pytest.mark.parametrize(
    ("frame", "code", "close"),
    [
        ({"type": "auth", "token": "hairem_wrong", "schema_version": 1}, "invalid_token", 4401),
        ({"type": "auth", "token": "", "schema_version": 1}, "invalid_token", 4401),
        ({"type": "auth", "token": "x", "schema_version": 0}, "unsupported_schema", 4406),
        ({"type": "auth", "token": "x", "schema_version": 99}, "unsupported_schema", 4406),
        ({"type": "auth"}, "invalid_format", 4401),
        ({"id": 1, "type": "agents/subscribe"}, "invalid_format", 4401),
        ([], "invalid_format", 4401),
    ],
)
async def test_a_stranger_is_told_why_and_shown_the_door(
    core: Core, frame: Any, code: str, close: int
) -> None:
    async with connect(f"ws://{core.address}/api/ws") as connection:
        await connection.recv()
        await connection.send(json.dumps(frame))
        answer = json.loads(await connection.recv())
        assert (answer["type"], answer["error"]["code"]) == ("auth_failed", code)
        with pytest.raises(ConnectionClosed) as caught:
            await connection.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == close


async def test_an_answer_streams_and_ends_with_the_whole(
    client: Client, model: ScriptedModel
) -> None:
    model.script.rules.append(Rule(match="good day", reply=["Good ", "day ", "to you."]))
    events = await client.turn("renarde", "Good day!")
    assert [event["kind"] for event in events] == ["delta", "delta", "delta", "done"]
    assert events[-1]["text"] == _text(events) == "Good day to you."
    assert events[-1]["continue_conversation"] is False


async def test_a_question_asks_for_an_answer(client: Client, model: ScriptedModel) -> None:
    model.script.rules.append(Rule(match="light", reply=["Which ", "one?"]))
    events = await client.turn("electra", "the light please")
    assert events[-1]["continue_conversation"] is True


async def test_a_tool_call_goes_out_and_its_result_comes_back(
    client: Client, model: ScriptedModel
) -> None:
    events = await client.turn("electra", "turn on the lamp", language="en", tools=[TURN_ON])
    calls = [event for event in events if event["kind"] == "tool_calls"]
    assert [call["name"] for call in calls[0]["tool_calls"]] == ["HassTurnOn"]
    assert events[-1]["kind"] == "done"
    last = model.requests[-1].body["messages"]
    assert [message["role"] for message in last[-3:]] == ["user", "assistant", "tool"]
    assert json.loads(last[-1]["content"]) == {"data": {"ok": True}}


async def test_results_that_were_not_asked_for_are_refused(
    client: Client, model: ScriptedModel
) -> None:
    turn = await client.send(
        "converse", agent_id="electra", text="turn on the lamp", tools=[TURN_ON]
    )
    await client.receive_for(turn)
    calls = (await client.receive_for(turn))["event"]["tool_calls"]
    wrong = await client.command(
        "tool_results", turn=turn, results=[{"id": "other", "name": "HassTurnOn"}]
    )
    assert wrong["error"]["code"] == "invalid_format"
    right = [{"id": call["id"], "name": call["name"], "error": "no such lamp"} for call in calls]
    assert (await client.command("tool_results", turn=turn, results=right))["success"]
    assert (await client.rest_of(turn))[-1]["kind"] == "done"
    assert json.loads(model.requests[-1].body["messages"][-1]["content"]) == {
        "error": "no such lamp"
    }


async def test_history_language_and_instructions_reach_the_model(
    client: Client, model: ScriptedModel
) -> None:
    await client.turn(
        "renarde",
        "Et maintenant ?",
        language="fr-CH",
        user={"id": "u1", "name": "Anna"},
        device={"name": "Enceinte", "area": "Cuisine"},
        history=[
            {"role": "user", "content": "Bonsoir"},
            {"role": "assistant", "content": "Bonsoir !"},
        ],
        instructions="The time is noon.",
    )
    messages = model.requests[-1].body["messages"]
    system = "\n".join(each["content"] for each in messages if each["role"] == "system")
    for expected in ("Tu es Renarde", "Anna", "Cuisine", "The time is noon."):
        assert expected in system
    assert [each["content"] for each in messages if each["role"] != "system"] == [
        "Bonsoir",
        "Bonsoir !",
        "Et maintenant ?",
    ]


async def test_memory_serves_where_the_client_keeps_no_history(
    client: Client, model: ScriptedModel
) -> None:
    await client.turn("renarde", "My bicycle is green.", conversation_id="c1")
    await client.turn("renarde", "And my hat is red.", conversation_id="c1")
    spoken = [m["content"] for m in model.requests[-1].body["messages"] if m["role"] != "system"]
    assert spoken[0] == "My bicycle is green."
    assert spoken[-1] == "And my hat is red."
    await client.turn("renarde", "What colour is my bicycle?", conversation_id="c2")
    system = model.requests[-1].body["messages"][0]["content"]
    assert "My bicycle is green." in system
    await client.turn("electra", "What colour is my bicycle?", conversation_id="c3")
    assert "green" not in json.dumps(model.requests[-1].body), "each agent has its own memory"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"agent_id": "nobody", "text": "hi"}, "unknown_agent"),
        ({"agent_id": "renarde", "text": " \n "}, "empty_text"),
        ({"agent_id": "renarde"}, "invalid_format"),
        ({"agent_id": "renarde", "text": "hi", "bogus": 1}, "invalid_format"),
        ({"agent_id": "renarde", "text": "hi", "user": {"id": "a b"}}, "invalid_format"),
        ({"agent_id": "renarde", "text": "x" * 20_000}, "invalid_format"),
    ],
)
async def test_a_wrong_turn_is_refused_and_the_connection_goes_on(
    client: Client, fields: dict[str, Any], code: str
) -> None:
    await client.send_raw({"id": 99, "type": "converse", **fields}, check=False)
    answer = await client.receive_for(99)
    assert answer["error"]["code"] == code
    assert (await client.command("ping"))["success"]


@pytest.mark.parametrize(
    ("frame", "command_id", "code"),
    [
        ({"id": 5, "type": "dance"}, 5, "unknown_command"),
        ({"id": 5}, 5, "invalid_format"),
        ({"type": "ping"}, 0, "invalid_format"),
        ({"id": -1, "type": "ping"}, 0, "invalid_format"),
        ({"id": "5", "type": "ping"}, 0, "invalid_format"),
        ({"id": True, "type": "ping"}, 0, "invalid_format"),
        ({"id": 5, "type": "cancel", "turn": 4}, 5, "unknown_turn"),
        ({"id": 5, "type": "unsubscribe", "subscription": 4}, 5, "unknown_subscription"),
    ],
)
async def test_rubbish_gets_an_error(
    client: Client, frame: Any, command_id: int, code: str
) -> None:
    await client.send_raw(frame, check=False)
    answer = await client.receive_for(command_id)
    assert (answer["success"], answer["error"]["code"]) == (False, code)


async def test_a_cancelled_turn_stops_the_model_request(
    client: Client, model: ScriptedModel
) -> None:
    model.script.rules.append(Rule(match="slow", reply=["One "] * 100, delay_chunk=0.1))
    turn = await client.send("converse", agent_id="renarde", text="slow please")
    await client.receive_for(turn)
    await client.receive_for(turn)
    assert (await client.command("cancel", turn=turn))["success"]
    events = await client.rest_of(turn)
    assert events[-1]["kind"] == "cancelled"
    await until(lambda: model.requests[-1].cancelled, seconds=2)
    assert (await client.turn("renarde", "hello"))[-1]["kind"] == "done"


async def test_a_client_that_leaves_cancels_its_turn(core: Core, model: ScriptedModel) -> None:
    model.script.rules.append(Rule(match="slow", reply=["One "] * 100, delay_chunk=0.1))
    assert core.new_token
    async with Client.connect(core.address, core.new_token) as leaving:
        await leaving.receive()
        turn = await leaving.send("converse", agent_id="renarde", text="slow please")
        await leaving.receive_for(turn)
        await leaving.receive_for(turn)
    await until(lambda: model.requests[-1].cancelled, seconds=2)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"fault": "hang_first"}, "model_timeout"),
        ({"fault": "hang_mid", "reply": ["One ", "two"]}, "model_interrupted"),
        ({"fault": "drop_mid", "reply": ["One ", "two"]}, "model_interrupted"),
        ({"fault": "bad_sse", "reply": ["One ", "two"]}, "model_rubbish"),
        ({"fault": "empty"}, "model_rubbish"),
        ({"fault": "http_401"}, "model_refused"),
        ({"fault": "http_500"}, "model_unreachable"),
    ],
)
async def test_a_model_that_fails_is_an_error_never_an_answer(
    client: Client, model: ScriptedModel, rule: dict[str, Any], code: str
) -> None:
    model.script.rules.append(Rule(match="please", **rule))
    events = await client.turn("renarde", "please")
    assert events[-1]["kind"] == "failed"
    assert events[-1]["error"]["code"] == code
    assert (await client.turn("electra", "hello"))[-1]["kind"] == "done"


async def test_two_conversations_at_once_do_not_mix(
    core: Core, client: Client, model: ScriptedModel
) -> None:
    model.script.rules += [
        Rule(match="count", reply=["one ", "two ", "three "] * 5, delay_chunk=0.02),
        Rule(match="spell", reply=["a ", "b ", "c "] * 5, delay_chunk=0.02),
    ]
    assert core.new_token
    async with Client.connect(core.address, core.new_token) as other:
        await other.receive()
        first, second = await asyncio.gather(
            client.turn("renarde", "count"), other.turn("electra", "spell")
        )
    assert _text(first).split() == ["one", "two", "three"] * 5
    assert _text(second).split() == ["a", "b", "c"] * 5
    one, two = model.requests
    assert one.ended
    assert two.ended
    assert max(one.started, two.started) < min(one.ended, two.ended), "side by side"


@pytest.mark.alone
async def test_an_agent_killed_in_mid_answer_is_heard_of_and_comes_back(
    core: Core, client: Client, model: ScriptedModel
) -> None:
    model.script.rules.append(Rule(match="slow", reply=["One "] * 40, delay_chunk=0.05))
    assert core.new_token
    async with Client.connect(core.address, core.new_token) as neighbour:
        await neighbour.receive()
        turn = await client.send("converse", agent_id="renarde", text="slow please")
        await client.receive_for(turn)
        await client.receive_for(turn)
        other = await neighbour.send("converse", agent_id="electra", text="slow please")
        await neighbour.receive_for(other)
        await neighbour.receive_for(other)
        pid = core.agent_pid("renarde")
        assert pid is not None
        killed = time.monotonic()
        os.kill(pid, 9)
        events = await client.rest_of(turn)
        assert time.monotonic() - killed < 2
        assert events[-1]["error"] == {
            "code": "agent_crashed",
            "message": "renarde was killed by signal 9 (SIGKILL)",
        }
        assert (await neighbour.rest_of(other))[-1]["kind"] == "done", "it never noticed"
    assert (await client.turn("renarde", "hello"))[-1]["kind"] == "done"
    record = core.registry["renarde"]
    assert (record.restarts, record.generation, record.state) == (1, 2, "live")
    assert core.registry["electra"].restarts == 0


async def test_agents_are_listed_then_every_change_is_told(core: Core, client: Client) -> None:
    subscription = await client.send("agents/subscribe")
    assert (await client.receive_for(subscription))["success"]
    snapshot = (await client.receive_for(subscription))["event"]
    assert [agent["id"] for agent in snapshot["agents"]] == ["alfred", "electra", "renarde"]
    pid = core.agent_pid("electra")
    assert pid is not None
    os.kill(pid, 9)
    states: list[str] = []
    while states[-2:] != ["starting", "live"]:
        agent = (await client.receive_for(subscription))["event"]["agent"]
        # Other fields of it change beside its state.
        if agent["id"] == "electra" and states[-1:] != [agent["state"]]:
            states.append(agent["state"])
    assert states[-3:] == ["crashed", "starting", "live"]
    assert (await client.command("unsubscribe", subscription=subscription))["success"]


@pytest.mark.alone
async def test_redis_lost_in_mid_turn_is_heard_of(
    core: Core, client: Client, model: ScriptedModel
) -> None:
    model.script.rules.append(Rule(match="slow", reply=["One "] * 60, delay_chunk=0.05))
    turn = await client.send("converse", agent_id="renarde", text="slow please")
    await client.receive_for(turn)
    await client.receive_for(turn)
    pid = core.redis_pid
    assert pid is not None
    os.kill(pid, 9)
    killed = time.monotonic()
    assert (await client.rest_of(turn))[-1]["error"]["code"] == "bus_unavailable"
    assert time.monotonic() - killed < 2
    await until(lambda: core.redis_pid not in (None, pid))
    async with asyncio.timeout(10):
        while (await client.turn("electra", "hello"))[-1]["kind"] != "done":
            await asyncio.sleep(0.2)


async def test_ids_must_grow(client: Client) -> None:
    for command_id, success in ((7, True), (7, False), (6, False), (8, True)):
        await client.send_raw({"id": command_id, "type": "ping"})
        assert (await client.receive_for(command_id))["success"] is success


async def test_a_nul_character_is_heard_like_any_other(client: Client) -> None:
    for agent in ("renarde", "electra"):
        events = await client.turn(agent, "a\0b", user={"id": "u", "name": "A\0"})
        assert events[-1]["kind"] == "done"
