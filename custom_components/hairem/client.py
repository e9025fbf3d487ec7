"""One connection to H-Core over the bridge protocol: see docs/bridge.md.

A client is good for one connection; what keeps a connection alive over outages is `reconnect.py`.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
from homeassistant.helpers.json import json_dumps
from homeassistant.util.json import JSON_DECODE_EXCEPTIONS, json_loads
from yarl import URL

from .const import LOGGER
from .errors import (
    BridgeError,
    CannotConnect,
    CommandFailed,
    InvalidAuth,
    InvalidFrame,
    UnsupportedSchema,
    WrongServer,
)
from .models import (
    SCHEMA_VERSION,
    AgentsEvent,
    ConverseRequest,
    ServerInfo,
    parse_agents_event,
    parse_auth,
    parse_frame,
    parse_hello,
    parse_turn_event,
)
from .turn import Turn

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for the whole opening. H-Core gives a client as long to identify itself."""
COMMAND_TIMEOUT: Final = 10.0
"""Seconds until a command must have its result; what takes longer comes as events."""
RELOAD_TIMEOUT: Final = 60.0
"""Seconds for an agent's reload: it may have to finish what it says, or to install something."""
HEARTBEAT: Final = 20.0
"""Seconds between pings. One that has no result in time ends the connection: a core that hangs, or
whose machine lost its power, does not close it."""
_CLOSE_TIMEOUT: Final = 2.0
"""Seconds for the closing handshake: unloading should not wait for a core that is gone."""


class BridgeClient:
    """An authenticated connection to one H-Core."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        host: str,
        port: int,
        token: str,
        name: str,
        server_id: str | None = None,
    ) -> None:
        """Prepare a connection; `name` is how H-Core will know this client in its logs.

        With a `server_id`, no other H-Core is shown the token.
        """
        self._session = session
        self._host = host
        self._port = port
        self._token = token
        self._name = name
        self._server_id = server_id
        self._websocket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._last_id = 0
        self._results: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._turns: dict[int, Turn] = {}
        self._agents_id: int | None = None
        self._on_agents: Callable[[AgentsEvent], None] | None = None

    @property
    def address(self) -> str:
        """Return where H-Core is looked for."""
        return f"{self._host}:{self._port}"

    @property
    def is_connected(self) -> bool:
        """Return whether commands can be sent."""
        return self._websocket is not None and not self._websocket.closed

    @property
    def open_turns(self) -> int:
        """Return how many turns H-Core has not ended yet."""
        return len(self._turns)

    async def connect(self) -> ServerInfo:
        """Connect, identify this client and return what H-Core says of itself.

        Raises CannotConnect (InvalidFrame if the other end is no H-Core), UnsupportedSchema,
        WrongServer or InvalidAuth.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                url = URL.build(scheme="ws", host=self._host, port=self._port, path="/api/ws")
                websocket = await self._session.ws_connect(
                    url, timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_TIMEOUT)
                )
                try:
                    server = await self._introduce(websocket)
                except BaseException:
                    await websocket.close()
                    raise
        except TimeoutError as err:
            raise CannotConnect(
                f"No H-Core answered at {self.address} within {CONNECT_TIMEOUT:.0f} s"
            ) from err
        except (aiohttp.ClientError, OSError, ValueError) as err:
            raise CannotConnect(f"No connection to H-Core at {self.address}: {err}") from err
        self._websocket = websocket
        reader = asyncio.create_task(self._read(websocket), name="hairem bridge, incoming")
        self._tasks = [
            reader,
            asyncio.create_task(self._write(websocket), name="hairem bridge, outgoing"),
            asyncio.create_task(self._beat(reader), name="hairem bridge, heartbeat"),
        ]
        return server

    async def subscribe_agents(self, on_event: Callable[[AgentsEvent], None]) -> None:
        """Have `on_event` called with a Snapshot, and then with every change of the crew.

        Raises CannotConnect or CommandFailed.
        """
        self._on_agents = on_event
        self._agents_id = self.start("agents/subscribe", {})
        await self.result(self._agents_id)

    async def ping(self) -> None:
        """Ask whether H-Core still handles commands. Raises CannotConnect or CommandFailed."""
        await self.result(self.start("ping", {}))

    async def reload_agent(self, agent_id: str) -> None:
        """Start an agent anew, one in quarantine too. Raises CannotConnect or CommandFailed."""
        reload = self.start("agents/reload", {"agent_id": agent_id})
        await self.result(reload, timeout=RELOAD_TIMEOUT)

    def converse(self, request: ConverseRequest) -> Turn:
        """Return a turn: `async with` starts it, `async for` reads its events."""
        return Turn(self, request)

    async def wait_closed(self) -> None:
        """Return when the connection is gone, whoever ended it."""
        if not self._tasks:
            return
        reader = self._tasks[0]
        await asyncio.wait([reader])
        if not reader.cancelled() and (error := reader.exception()):
            LOGGER.error("Handling what H-Core sent failed", exc_info=error)

    async def close(self) -> None:
        """End the connection; H-Core cancels the turns that are still open on it."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._websocket is not None:
            # A reader that was cancelled before its first step has not done so.
            await self._websocket.close()

    # What Turn needs

    def start(
        self,
        command: str,
        fields: Mapping[str, Any],
        *,
        turn: Turn | None = None,
        wants_result: bool = True,
    ) -> int:
        """Send a command and return its id. Never waits. Raises CannotConnect.

        Ids must reach H-Core in growing order; taking one and queueing the frame in one breath is
        what makes sure of it.
        """
        if not self.is_connected:
            raise CannotConnect("The connection to H-Core is closed")
        self._last_id += 1
        command_id = self._last_id
        frame = json_dumps({"id": command_id, "type": command, **fields})
        if wants_result:
            self._results[command_id] = asyncio.get_running_loop().create_future()
        if turn is not None:
            self._turns[command_id] = turn
        self._outgoing.put_nowait(frame)
        return command_id

    async def result(self, command_id: int, *, timeout: float | None = None) -> dict[str, Any]:
        """Return the result of a command. Raises CannotConnect or CommandFailed."""
        seconds = COMMAND_TIMEOUT if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                return await self._results[command_id]
        except TimeoutError as err:
            raise CannotConnect(
                f"H-Core took a command but did not answer within {seconds:.0f} s"
            ) from err
        finally:
            self._results.pop(command_id, None)

    def forget(self, turn_id: int) -> None:
        """Pass over whatever else arrives for a turn."""
        self._turns.pop(turn_id, None)

    # The connection itself

    async def _introduce(self, websocket: aiohttp.ClientWebSocketResponse) -> ServerInfo:
        server = parse_hello(_decode(await websocket.receive()))
        if not server.min_schema_version <= SCHEMA_VERSION <= server.schema_version:
            raise _unsupported(server)
        if self._server_id not in {None, server.server_id}:
            raise WrongServer(
                f"{self.address} is the H-Core {server.server_id}, not {self._server_id}"
            )
        await websocket.send_str(
            json_dumps(
                {
                    "type": "auth",
                    "token": self._token,
                    "schema_version": SCHEMA_VERSION,
                    "client": self._name,
                }
            )
        )
        if (refusal := parse_auth(_decode(await websocket.receive()))) is None:
            return server
        code, message = refusal
        if code == "invalid_token":
            raise InvalidAuth(message)
        if code == "unsupported_schema":
            raise _unsupported(server)
        raise CannotConnect(f"H-Core refused the connection: {message} ({code})")

    async def _read(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        lost = CannotConnect("The connection to H-Core was lost")
        try:
            async for message in websocket:
                self._dispatch(parse_frame(_decode(message)))
        except InvalidFrame as err:
            LOGGER.error("Giving up the connection: %s", err)
            lost = err
        except CannotConnect as err:
            lost = err
        finally:
            for task in self._tasks[1:]:
                task.cancel()
            self._give_up(lost)
            await websocket.close()

    async def _write(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            frame = await self._outgoing.get()
            try:
                await websocket.send_str(frame)
            except aiohttp.ClientError:
                # The reader learns of it too, and tells everyone who waits.
                return

    async def _beat(self, reader: asyncio.Task[None]) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            try:
                await self.ping()
            except BridgeError as err:
                LOGGER.warning("Giving up the connection to %s: %s", self.address, err)
                reader.cancel()
                return

    def _dispatch(self, frame: dict[str, Any]) -> None:
        command_id = frame["id"]
        if frame["type"] == "result":
            future = self._results.get(command_id)
            if future is None or future.done():
                return
            if frame["success"]:
                future.set_result(frame["result"])
            else:
                future.set_exception(CommandFailed(**frame["error"]))
        elif turn := self._turns.get(command_id):
            turn.receive(parse_turn_event(frame["event"]))
        elif command_id == self._agents_id and self._on_agents:
            self._on_agents(parse_agents_event(frame["event"]))
        else:
            LOGGER.debug("An event that nobody waits for: %s", frame)

    def _give_up(self, lost: CannotConnect) -> None:
        for future in self._results.values():
            if not future.done():
                future.set_exception(lost)
        for turn in list(self._turns.values()):
            turn.lose()


def _decode(message: aiohttp.WSMessage) -> object:
    """Return the JSON in a message. Raises CannotConnect at the end of the connection."""
    if message.type is aiohttp.WSMsgType.TEXT:
        try:
            return json_loads(message.data)
        except JSON_DECODE_EXCEPTIONS as err:
            raise InvalidFrame(f"H-Core sent what is not JSON: {message.data[:200]!r}") from err
    if message.type is aiohttp.WSMsgType.BINARY:
        raise InvalidFrame("H-Core sent a binary message")
    raise CannotConnect(f"H-Core closed the connection (code {message.data})")


def _unsupported(server: ServerInfo) -> UnsupportedSchema:
    return UnsupportedSchema(
        f"H-Core {server.version} speaks versions {server.min_schema_version} to "
        f"{server.schema_version} of the bridge protocol, this integration version "
        f"{SCHEMA_VERSION}",
        server_version=server.version,
        core_is_older=server.schema_version < SCHEMA_VERSION,
    )
