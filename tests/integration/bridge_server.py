"""A strict stand-in for H-Core's end of the bridge, for tests that need to script the other side.

It is a real WebSocket server on loopback that holds every frame of its client against
docs/bridge.md and writes down each offence; the `bridge` fixture fails the test if there is one. It
stands for what an H-Core cannot be made to do on demand: be of another version, talk rubbish, fall
silent, or die at a chosen moment. That a real H-Core and the integration understand each other is
shown by the end-to-end tests, which run both.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import ValidationError

from tests.integration.bridge_frames import (
    AUTH,
    COMMAND,
    Cancel,
    Command,
    Converse,
    Ping,
    Reload,
    Subscribe,
    ToolResult,
    ToolResults,
    Unsubscribe,
    offence,
)

TOKEN = "hairem_test"
SERVER_ID = "0199a0c4-6d5e-7a3b-8c1d-2f4e6a8b0c1d"


def uuid_of(name: str) -> str:
    """Return a UUID that is always the same for a name."""
    return str(uuid5(NAMESPACE_DNS, name))


def finding(what: str = "the key `name` is missing", **changes: Any) -> dict[str, Any]:
    """Return what the Gatekeeper found, as the bridge describes it."""
    return {
        "step": "manifest",
        "rule": "missing-key",
        "file": "manifest.yaml",
        "line": 3,
        "what": what,
        "hint": "Add it.",
        "severity": "error",
        **changes,
    }


def agent(agent_id: str, **changes: Any) -> dict[str, Any]:
    """Return an agent as the bridge describes it."""
    return {
        "id": agent_id,
        "uuid": uuid_of(agent_id),
        "name": agent_id.capitalize(),
        "description": {"en": "An agent.", "fr": "Un agent."},
        "version": "0.1.0",
        "languages": ["en", "fr"],
        "permissions": ["llm", "home.act"],
        "state": "live",
        "reason": None,
        "generation": 1,
        "restarts": 0,
        "enabled": True,
        "folder_hash": "5e" * 32,
        "running_hash": "5e" * 32,
        "drift": False,
        "findings": [],
        "progress": None,
        "last_error": None,
        **changes,
    }


@dataclass
class ServerTurn:
    """A turn as the server's side sees it."""

    connection: Connection
    command: Converse
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    pending: dict[str, str] = field(default_factory=dict)
    """Name by id of the tool calls that are not answered yet."""
    results: asyncio.Queue[list[ToolResult]] = field(default_factory=asyncio.Queue)

    async def event(self, event: dict[str, Any]) -> None:
        """Send an event of this turn, right or wrong."""
        await self.connection.send({"id": self.command.id, "type": "event", "event": event})

    async def delta(self, content: str) -> None:
        await self.event({"kind": "delta", "content": content})

    async def thinking(self, content: str) -> None:
        await self.event({"kind": "thinking", "content": content})

    async def call_tools(self, *calls: tuple[str, dict[str, Any]]) -> list[ToolResult]:
        """Have the client run tools and return its results."""
        listed = [
            {"id": f"call-{self.command.id}-{number}", "name": name, "arguments": arguments}
            for number, (name, arguments) in enumerate(calls)
        ]
        self.pending = {str(call["id"]): str(call["name"]) for call in listed}
        await self.event({"kind": "tool_calls", "tool_calls": listed})
        return await self.results.get()

    async def done(self, text: str, *, continue_conversation: bool = False) -> None:
        self.ended = True
        await self.event(
            {"kind": "done", "text": text, "continue_conversation": continue_conversation}
        )

    async def failed(self, code: str, message: str = "Because.") -> None:
        self.ended = True
        await self.event({"kind": "failed", "error": {"code": code, "message": message}})


type Script = Callable[[ServerTurn], Awaitable[None]]


async def echo(turn: ServerTurn) -> None:
    """Say what was said, word by word."""
    for word in turn.command.text.split():
        await turn.delta(f"{word} ")
    await turn.done(turn.command.text + " ")


async def hang(turn: ServerTurn) -> None:
    """Begin to answer and never end."""
    await turn.delta("Well")
    await turn.cancelled.wait()


@dataclass
class Connection:
    """One client."""

    server: BridgeServer
    websocket: web.WebSocketResponse
    transport: asyncio.Transport
    last_id: int = 0
    subscription: int | None = None
    turns: dict[int, ServerTurn] = field(default_factory=dict)
    scripts: list[asyncio.Task[None]] = field(default_factory=list)

    async def send(self, frame: dict[str, Any]) -> None:
        assert offence("ServerFrame", frame) is None
        await self.websocket.send_str(json.dumps(frame))

    async def succeed(self, command: Command, result: dict[str, Any] | None = None) -> None:
        await self.send(
            {"id": command.id, "type": "result", "success": True, "result": result or {}}
        )

    async def refuse(self, command_id: int, code: str, message: str) -> None:
        error = {"code": code, "message": message}
        await self.send({"id": command_id, "type": "result", "success": False, "error": error})

    async def serve(self) -> None:
        """Handle commands until the client leaves."""
        async for message in self.websocket:
            if message.type is not WSMsgType.TEXT:
                self.server.offend(f"sent a {message.type.name} message")
                return
            frame = json.loads(message.data)
            if found := offence("ClientFrame", frame):
                self.server.offend(found)
            try:
                command = COMMAND.validate_python(frame)
            except ValidationError as err:
                self.server.offend(str(err))
                await self.refuse(frame.get("id", 0), "invalid_format", str(err))
                continue
            if command.id <= self.last_id:
                self.server.offend(f"id {command.id} after {self.last_id}")
            self.last_id = command.id
            self.server.commands.append(command)
            if command.type in self.server.mute:
                continue
            if refusal := self.server.refuse.get(command.type):
                await self.refuse(command.id, refusal, "Because.")
                continue
            await self._handle(command)

    async def _handle(self, command: Command) -> None:
        match command:
            case Ping():
                await self.succeed(command)
            case Subscribe():
                self.subscription = command.id
                await self.succeed(command)
                if not self.server.withhold_snapshot:
                    await self.agents_event(
                        {"kind": "snapshot", "agents": list(self.server.agents.values())}
                    )
            case Reload(agent_id=agent_id):
                known = self.server.agents[agent_id]
                await self.server.set_agent(known | {"state": "live", "reason": None})
                await self.succeed(command)
            case Unsubscribe():
                self.subscription = None
                await self.succeed(command)
            case Converse():
                await self._converse(command)
            case ToolResults():
                await self._tool_results(command)
            case Cancel():
                turn = self.turns.get(command.turn)
                if turn is None or turn.ended:
                    await self.refuse(command.id, "unknown_turn", "There is no such turn.")
                    return
                turn.ended = True
                turn.cancelled.set()
                await self.succeed(command)
                await turn.event({"kind": "cancelled"})

    async def _converse(self, command: Converse) -> None:
        known = self.server.agents.get(command.agent_id)
        if known is None:
            await self.refuse(command.id, "unknown_agent", "There is no such agent.")
        elif known["state"] != "live":
            await self.refuse(command.id, "agent_unavailable", known["reason"] or "It is not live.")
        elif not command.text.strip():
            await self.refuse(command.id, "empty_text", "There is no text.")
        else:
            turn = ServerTurn(self, command)
            self.turns[command.id] = turn
            self.server.turns.append(turn)
            await self.succeed(
                command, {"turn_id": f"turn-{command.id}", "conversation_id": "conversation"}
            )
            self.scripts.append(asyncio.create_task(self._run(turn)))

    async def _run(self, turn: ServerTurn) -> None:
        with suppress(ConnectionError):
            await self.server.script(turn)

    async def _tool_results(self, command: ToolResults) -> None:
        turn = self.turns.get(command.turn)
        if turn is None or turn.ended:
            await self.refuse(command.id, "unknown_turn", "There is no such turn.")
            return
        if {result.id: result.name for result in command.results} != turn.pending:
            self.server.offend(f"{command.results} do not answer {turn.pending}")
        turn.pending = {}
        await self.succeed(command)
        turn.results.put_nowait(command.results)

    async def agents_event(self, event: dict[str, Any]) -> None:
        await self.send({"id": self.subscription, "type": "event", "event": event})


class BridgeServer:
    """The server. What a test changes before a client comes is what the client finds."""

    def __init__(self) -> None:
        self.agents = {name: agent(name) for name in ("renarde", "electra")}
        self.script: Script = echo
        self.hello: dict[str, Any] = {
            "type": "hello",
            "server_id": SERVER_ID,
            "name": "Maison",
            "version": "0.1.0",
            "schema_version": 1,
            "min_schema_version": 1,
        }
        self.first_frame: str | None = None
        """Sent in place of the hello; "" sends nothing."""
        self.token = TOKEN
        """The one it takes."""
        self.auth_error: str | None = None
        """Refuse whoever comes, with this code."""
        self.mute: set[str] = set()
        """Types of commands that are never answered."""
        self.refuse: dict[str, str] = {}
        """Types of commands that are refused, with which code."""
        self.withhold_snapshot = False
        self.connections: list[Connection] = []
        self.turns: list[ServerTurn] = []
        self.commands: list[Command] = []
        self.clients: list[str] = []
        """How each client introduced itself."""
        self.offences: list[str] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; on the same port as the last time, if there was one."""
        app = web.Application()
        app.router.add_get("/api/ws", self._connect)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Vanish as a killed process does: without a word to the clients."""
        self.abort()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def abort(self) -> None:
        """Cut all connections."""
        for connection in self.connections:
            for script in connection.scripts:
                script.cancel()
            connection.transport.abort()
        self.connections = []

    def offend(self, offence: str) -> None:
        self.offences.append(offence)

    async def set_agent(self, described: dict[str, Any]) -> None:
        """Add or change an agent, and tell."""
        self.agents[described["id"]] = described
        await self.publish({"kind": "changed", "agent": described})

    async def remove_agent(self, agent_id: str) -> None:
        """Remove an agent, and tell."""
        del self.agents[agent_id]
        await self.publish({"kind": "removed", "agent_id": agent_id})

    async def publish(self, event: dict[str, Any]) -> None:
        """Send an event, right or wrong, to all who subscribed to the agents."""
        for connection in self.connections:
            if connection.subscription is not None:
                await connection.agents_event(event)

    async def send_text(self, text: str) -> None:
        """Send any text to all clients."""
        for connection in self.connections:
            await connection.websocket.send_str(text)

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        connection = Connection(self, websocket, request.transport)
        self.connections.append(connection)
        try:
            if await self._admit(connection):
                await connection.serve()
        except ConnectionError:
            pass
        finally:
            for script in connection.scripts:
                script.cancel()
            if connection in self.connections:
                self.connections.remove(connection)
        return websocket

    async def _admit(self, connection: Connection) -> bool:
        websocket = connection.websocket
        first = json.dumps(self.hello) if self.first_frame is None else self.first_frame
        if first:
            await websocket.send_str(first)
        message = await websocket.receive()
        if message.type is not WSMsgType.TEXT:
            return False
        try:
            if found := offence("ClientFrame", json.loads(message.data)):
                self.offend(found)
            auth = AUTH.validate_json(message.data)
        except ValidationError as err:
            self.offend(str(err))
            await websocket.close(code=4401)
            return False
        self.clients.append(auth.client)
        error, code = self.auth_error, 4401
        if not self.hello["min_schema_version"] <= auth.schema_version:
            error, code = "unsupported_schema", 4406
        elif auth.token != self.token:
            error = "invalid_token"
        if error is not None:
            await connection.send(
                {"type": "auth_failed", "error": {"code": error, "message": "No."}}
            )
            await websocket.close(code=code)
            return False
        await connection.send({"type": "auth_ok", "client_name": "home-assistant"})
        return True

    async def close_politely(self) -> None:
        """Close all connections as a server does that shuts down."""
        for connection in list(self.connections):
            await connection.websocket.close(code=WSCloseCode.GOING_AWAY)
