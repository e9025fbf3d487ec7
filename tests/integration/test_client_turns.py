"""Turns on one connection, without Home Assistant around it."""

import asyncio

import pytest

from custom_components.hairem import turn as turn_module
from custom_components.hairem.client import BridgeClient
from custom_components.hairem.errors import (
    CannotConnect,
    CommandFailed,
)
from custom_components.hairem.models import (
    Cancelled,
    ConverseRequest,
    Delta,
    Done,
    Failed,
    ToolCalls,
    ToolResult,
    TurnEvent,
)
from tests.integration.bridge_frames import Cancel, Converse
from tests.integration.bridge_server import BridgeServer, ServerTurn, hang
from tests.integration.conftest import eventually

HELLO_RENARDE = ConverseRequest(agent_id="renarde", text="Hello there")


async def test_a_turn(client: BridgeClient, bridge: BridgeServer) -> None:
    await client.connect()
    async with client.converse(HELLO_RENARDE) as turn:
        events = [event async for event in turn]
        assert turn.has_ended
        assert [event async for event in turn] == []
    assert events == [
        Delta("Hello "),
        Delta("there "),
        Done(text="Hello there ", continue_conversation=False),
    ]
    assert client.open_turns == 0
    assert [type(command) for command in bridge.commands] == [Converse]


async def test_turns_at_once_do_not_mix(client: BridgeClient, bridge: BridgeServer) -> None:
    async def slow_echo(turn: ServerTurn) -> None:
        for letter in turn.command.text:
            await turn.delta(letter)
            await asyncio.sleep(0)
        await turn.done(turn.command.text)

    async def said(text: str) -> str:
        words = ""
        async with client.converse(ConverseRequest(agent_id="renarde", text=text)) as turn:
            async for event in turn:
                if isinstance(event, Delta):
                    words += event.content
        return words

    bridge.script = slow_echo
    await client.connect()
    texts = [f"{number} bottles of milk" for number in range(20)]
    assert await asyncio.gather(*map(said, texts)) == texts


async def test_tools(client: BridgeClient, bridge: BridgeServer) -> None:
    async def script(turn: ServerTurn) -> None:
        results = await turn.call_tools(("one", {"a": 1}), ("two", {}))
        await turn.done(" ".join(str(result.data or result.error) for result in results))

    bridge.script = script
    await client.connect()
    async with client.converse(HELLO_RENARDE) as turn:
        event = await anext(turn)
        assert isinstance(event, ToolCalls)
        one, two = event.calls
        assert (one.name, one.arguments) == ("one", {"a": 1})
        await turn.send_tool_results(
            [
                ToolResult(id=one.id, name="one", data="fine"),
                ToolResult(id=two.id, name="two", error="not fine"),
            ]
        )
        assert await anext(turn) == Done(text="fine not fine", continue_conversation=False)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (ConverseRequest(agent_id="nobody", text="Hi"), "unknown_agent"),
        (ConverseRequest(agent_id="renarde", text=" "), "empty_text"),
    ],
)
async def test_a_turn_that_is_refused(
    client: BridgeClient, bridge: BridgeServer, request_: ConverseRequest, code: str
) -> None:
    await client.connect()
    with pytest.raises(CommandFailed) as caught:
        async with client.converse(request_):
            pytest.fail("the turn was refused")
    assert caught.value.code == code
    assert client.open_turns == 0
    assert [type(command) for command in bridge.commands] == [Converse], "nothing to cancel"


async def test_leaving_a_turn_cancels_it(client: BridgeClient, bridge: BridgeServer) -> None:
    bridge.script = hang
    await client.connect()
    async with client.converse(HELLO_RENARDE) as turn:
        assert await anext(turn) == Delta("Well")
        assert client.open_turns == 1
        assert not turn.has_ended
    await asyncio.wait_for(bridge.turns[0].cancelled.wait(), 1)
    assert client.open_turns == 0
    await client.ping()


async def test_a_task_that_is_cancelled_cancels_its_turn(
    client: BridgeClient, bridge: BridgeServer
) -> None:
    async def listen() -> None:
        async with client.converse(HELLO_RENARDE) as turn:
            async for _ in turn:
                started.set()

    started = asyncio.Event()
    bridge.script = hang
    await client.connect()
    task = asyncio.create_task(listen())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(bridge.turns[0].cancelled.wait(), 1)


async def test_a_turn_that_is_given_up_before_it_was_taken(
    client: BridgeClient, bridge: BridgeServer
) -> None:
    bridge.mute = {"converse"}
    await client.connect()
    task = asyncio.create_task(client.converse(HELLO_RENARDE).__aenter__())
    await eventually(lambda: bool(bridge.commands))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: isinstance(bridge.commands[-1], Cancel))


async def test_someone_else_cancels(client: BridgeClient, bridge: BridgeServer) -> None:
    async def script(turn: ServerTurn) -> None:
        turn.ended = True
        await turn.event({"kind": "cancelled"})

    bridge.script = script
    await client.connect()
    async with client.converse(HELLO_RENARDE) as turn:
        assert [event async for event in turn] == [Cancelled()]


async def test_a_failed_turn_is_read_to_its_end(client: BridgeClient, bridge: BridgeServer) -> None:
    async def script(turn: ServerTurn) -> None:
        await turn.delta("We")
        await turn.failed("model_interrupted")

    bridge.script = script
    await client.connect()
    async with client.converse(HELLO_RENARDE) as turn:
        events: list[TurnEvent] = [event async for event in turn]
    assert events == [Delta("We"), Failed(code="model_interrupted", message="Because.")]


async def test_the_connection_is_lost_in_mid_answer(
    client: BridgeClient, bridge: BridgeServer
) -> None:
    bridge.script = hang
    await client.connect()
    async with client.converse(HELLO_RENARDE) as turn:
        assert await anext(turn) == Delta("Well")
        bridge.abort()
        with pytest.raises(CannotConnect, match="mid-answer"):
            await anext(turn)
    await client.wait_closed()


async def test_what_arrived_before_the_loss_can_be_read(
    client: BridgeClient, bridge: BridgeServer
) -> None:
    bridge.script = hang
    await client.connect()
    async with client.converse(HELLO_RENARDE) as turn:
        await asyncio.sleep(0.05)
        await bridge.close_politely()
        await client.wait_closed()
        assert await anext(turn) == Delta("Well")
        with pytest.raises(CannotConnect):
            await anext(turn)


async def test_a_turn_that_falls_silent(
    client: BridgeClient, bridge: BridgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_module, "SILENCE_TIMEOUT", 0.05)
    bridge.script = hang
    await client.connect()
    async with client.converse(HELLO_RENARDE) as turn:
        assert await anext(turn) == Delta("Well")
        with pytest.raises(CannotConnect, match="silent"):
            await anext(turn)
    await asyncio.wait_for(bridge.turns[0].cancelled.wait(), 1)
