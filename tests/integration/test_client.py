"""One connection to H-Core, without Home Assistant around it."""

import asyncio

import aiohttp
import pytest

from custom_components.hairem import client as client_module
from custom_components.hairem.client import BridgeClient
from custom_components.hairem.errors import (
    CannotConnect,
    InvalidAuth,
    InvalidFrame,
    UnsupportedSchema,
)
from custom_components.hairem.models import (
    AgentsEvent,
    ConverseRequest,
    Delta,
    Removed,
    Snapshot,
)
from tests.integration.bridge_server import SERVER_ID, TOKEN, BridgeServer, agent, hang
from tests.integration.conftest import eventually, make_client

HELLO_RENARDE = ConverseRequest(agent_id="renarde", text="Hello there")


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
        await make_client(session, bridge, "hairem_wrong").connect()


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
    assert client.is_connected


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
