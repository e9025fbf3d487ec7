"""One connection to H-Core, without Home Assistant around it."""

import asyncio
from collections.abc import AsyncGenerator

import aiohttp
import pytest

from custom_components.hairem import client as client_module
from custom_components.hairem.client import BridgeClient
from custom_components.hairem.errors import (
    CannotConnect,
    CommandFailed,
    InvalidAuth,
    InvalidFrame,
    UnsupportedSchema,
)
from custom_components.hairem.models import (
    AgentsEvent,
    Cancelled,
    ConverseRequest,
    Delta,
    Done,
    Failed,
    Removed,
    Snapshot,
    ToolCalls,
    ToolResult,
    TurnEvent,
)
from tests.integration.bridge_frames import Cancel, Converse
from tests.integration.bridge_server import SERVER_ID, TOKEN, BridgeServer, ServerTurn, agent
from tests.integration.conftest import eventually

HELLO_RENARDE = ConverseRequest(agent_id="renarde", text="Hello there")


@pytest.fixture
async def session() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def client(
    session: aiohttp.ClientSession, bridge: BridgeServer
) -> AsyncGenerator[BridgeClient]:
    """Return a client that is not connected yet."""
    client = make(session, bridge)
    yield client
    await client.close()


def make(session: aiohttp.ClientSession, bridge: BridgeServer, token: str = TOKEN) -> BridgeClient:
    return BridgeClient(session, host="127.0.0.1", port=bridge.port, token=token, name="A test 1.0")


async def test_opening(client: BridgeClient, bridge: BridgeServer) -> None:
    assert not client.is_connected
    server = await client.connect()
    assert (server.server_id, server.name) == (SERVER_ID, "Maison")
    assert client.is_connected
    assert bridge.clients == ["A test 1.0"]
    await client.ping()


async def test_closing_twice_and_unconnected(client: BridgeClient) -> None:
    await client.close()
    await client.wait_closed()
    await client.connect()
    await client.close()
    await client.close()
    await client.wait_closed()
    assert not client.is_connected
    with pytest.raises(CannotConnect):
        await client.ping()


async def test_wrong_token(session: aiohttp.ClientSession, bridge: BridgeServer) -> None:
    with pytest.raises(InvalidAuth):
        await make(session, bridge, "hairem_wrong").connect()


async def test_nobody_there(client: BridgeClient, bridge: BridgeServer) -> None:
    await bridge.stop()
    with pytest.raises(CannotConnect, match=r"127\.0\.0\.1"):
        await client.connect()


@pytest.mark.parametrize("host", ["", "http://house/", "two words", "nohost..invalid"])
async def test_a_host_that_is_none(session: aiohttp.ClientSession, host: str) -> None:
    client = BridgeClient(session, host=host, port=1, token=TOKEN, name="test")
    with pytest.raises(CannotConnect):
        await client.connect()


@pytest.mark.parametrize(
    ("range_", "core_is_older"), [((0, 0), True), ((2, 3), False)], ids=["older", "newer"]
)
async def test_another_version(
    client: BridgeClient, bridge: BridgeServer, range_: tuple[int, int], core_is_older: bool
) -> None:
    bridge.hello["min_schema_version"], bridge.hello["schema_version"] = range_
    with pytest.raises(UnsupportedSchema) as caught:
        await client.connect()
    assert caught.value.core_is_older is core_is_older
    assert bridge.clients == [], "the token is not shown to a core that cannot be spoken to"


async def test_a_version_that_the_server_refuses(
    client: BridgeClient, bridge: BridgeServer
) -> None:
    bridge.auth_error = "unsupported_schema"
    with pytest.raises(UnsupportedSchema):
        await client.connect()


async def test_refused_for_another_reason(client: BridgeClient, bridge: BridgeServer) -> None:
    bridge.auth_error = "auth_timeout"
    with pytest.raises(CannotConnect, match="auth_timeout"):
        await client.connect()


@pytest.mark.parametrize("first", ["Welcome!", "{}", "[1, 2]", '{"type": "hello"}'])
async def test_no_core_at_all(client: BridgeClient, bridge: BridgeServer, first: str) -> None:
    bridge.first_frame = first
    with pytest.raises(InvalidFrame):
        await client.connect()


async def test_a_core_that_says_nothing(
    client: BridgeClient, bridge: BridgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "CONNECT_TIMEOUT", 0.05)
    bridge.first_frame = ""
    with pytest.raises(CannotConnect, match="within"):
        await client.connect()


async def test_agents(client: BridgeClient, bridge: BridgeServer) -> None:
    await client.connect()
    events: asyncio.Queue[AgentsEvent] = asyncio.Queue()
    await client.subscribe_agents(events.put_nowait)
    snapshot = await events.get()
    assert isinstance(snapshot, Snapshot)
    assert set(snapshot.agents) == {"renarde", "electra"}
    await bridge.remove_agent("electra")
    assert await events.get() == Removed("electra")


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


async def hang(turn: ServerTurn) -> None:
    """Begin to answer and never end."""
    await turn.delta("Well")
    await turn.cancelled.wait()


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


async def test_the_connection_is_lost_before_a_result(
    client: BridgeClient, bridge: BridgeServer
) -> None:
    bridge.mute = {"ping"}
    await client.connect()
    ping = asyncio.create_task(client.ping())
    await eventually(lambda: bool(bridge.commands))
    bridge.abort()
    with pytest.raises(CannotConnect):
        await ping


async def test_a_command_without_an_answer(
    client: BridgeClient, bridge: BridgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "COMMAND_TIMEOUT", 0.05)
    bridge.mute = {"ping"}
    await client.connect()
    with pytest.raises(CannotConnect, match="did not answer"):
        await client.ping()
    # Its answer comes at last, when nobody waits any more.
    await bridge.send_text('{"id": 1, "type": "result", "success": true, "result": {}}')
    bridge.mute = set()
    await client.ping()


async def test_a_turn_that_falls_silent(
    client: BridgeClient, bridge: BridgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "SILENCE_TIMEOUT", 0.05)
    bridge.script = hang
    await client.connect()
    async with client.converse(HELLO_RENARDE) as turn:
        assert await anext(turn) == Delta("Well")
        with pytest.raises(CannotConnect, match="silent"):
            await anext(turn)
    await asyncio.wait_for(bridge.turns[0].cancelled.wait(), 1)


@pytest.mark.parametrize(
    "text",
    [
        "la la la",
        '{"id": 1, "type": "song"}',
        '{"id": 1, "type": "event", "event": {"kind": "delta", "content": "x", "key": "D"}}',
    ],
)
async def test_rubbish_ends_the_connection(
    client: BridgeClient, bridge: BridgeServer, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    bridge.script = hang
    await client.connect()
    async with client.converse(HELLO_RENARDE) as turn:
        assert await anext(turn) == Delta("Well")
        await bridge.send_text(text)
        with pytest.raises(CannotConnect):
            await anext(turn)
    await client.wait_closed()
    assert not client.is_connected
    assert "Giving up the connection" in caplog.text


async def test_binary_messages_end_the_connection(
    client: BridgeClient, bridge: BridgeServer
) -> None:
    await client.connect()
    await bridge.connections[0].websocket.send_bytes(b"la")
    await client.wait_closed()
    assert not client.is_connected


async def test_events_that_nobody_waits_for_are_passed_over(
    client: BridgeClient, bridge: BridgeServer
) -> None:
    await client.connect()
    await bridge.send_text('{"id": 99, "type": "event", "event": {"kind": "cancelled"}}')
    await client.ping()


async def test_a_listener_that_breaks_is_logged_and_ends_the_connection(
    client: BridgeClient, bridge: BridgeServer, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: AgentsEvent) -> None:
        if not isinstance(event, Snapshot):
            raise ZeroDivisionError

    await client.connect()
    await client.subscribe_agents(broken)
    await client.ping()
    await bridge.set_agent(agent("alfred"))
    await client.wait_closed()
    assert "ZeroDivisionError" in caplog.text


async def test_sending_into_a_connection_that_is_dying(
    client: BridgeClient, bridge: BridgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise aiohttp.ClientConnectionResetError

    await client.connect()
    monkeypatch.setattr(aiohttp.ClientWebSocketResponse, "send_str", refuse)
    ping = asyncio.create_task(client.ping())
    await asyncio.sleep(0.01)
    monkeypatch.undo()
    bridge.abort()
    with pytest.raises(CannotConnect):
        await ping


async def test_a_core_that_hangs_is_given_up(
    client: BridgeClient,
    bridge: BridgeServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(client_module, "HEARTBEAT", 0.02)
    monkeypatch.setattr(client_module, "COMMAND_TIMEOUT", 0.05)
    await client.connect()
    await eventually(lambda: len(bridge.commands) > 2)
    assert client.is_connected
    bridge.mute = {"ping"}
    async with asyncio.timeout(1):
        await client.wait_closed()
    assert not client.is_connected
    assert "Giving up the connection to 127.0.0.1" in caplog.text
