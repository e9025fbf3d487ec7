"""One authenticated connection to Home Assistant's WebSocket API.

Source: https://developers.home-assistant.io/docs/api/websocket
"""

import asyncio
import itertools
import json
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI, WebSocketException

from .errors import CommandRefused, HomeAssistantError, TokenRefused, Unreachable

_LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes. All states of a house come as one message: a kilobyte for each entity, at times more."""
_CLOSE_TIMEOUT = 1.0
"""Seconds that a polite end may take: who reloads her is waiting."""

type OnEvent = Callable[[Any], None]


def socket_url(url: str) -> str:
    """Return where the WebSocket API of the Home Assistant at `url` is.

    `http://` and `https://` are what a browser shows; `ws://` and `wss://` are taken as they are,
    such as `ws://supervisor/core/websocket` inside an app. Raises HomeAssistantError.
    """
    parts = urlsplit(url.strip())
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if parts.scheme not in schemes or not parts.hostname:
        raise HomeAssistantError(
            f"{url!r} is no address of a Home Assistant",
            where="config.ha_url",
            hint="Write it as a browser shows it, such as http://homeassistant.local:8123.",
        )
    path = parts.path.rstrip("/")
    if parts.scheme in ("http", "https"):
        path += "/api/websocket"
    return f"{schemes[parts.scheme]}://{parts.netloc}{path}"


class Connection:
    """Sends commands, passes on their results and events. Made by `open`."""

    def __init__(self, socket: ClientConnection, version: str) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._results: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self._listeners: dict[int, OnEvent] = {}
        self._reading: asyncio.Task[None] | None = None
        self.version = version
        """Home Assistant's."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, token: str, *, timeout: float = 10.0, liveness: float = 20.0
    ) -> AsyncGenerator[Self]:
        """Yield an authenticated connection.

        `liveness`: seconds between pings, and those that an answer may take. Raises Unreachable,
        TokenRefused.
        """
        try:
            async with connect(
                url,
                open_timeout=timeout,
                ping_interval=liveness,
                ping_timeout=liveness,
                close_timeout=_CLOSE_TIMEOUT,
                max_size=_LARGEST_MESSAGE,
                # A house's own network needs none, and the agent's environment has none.
                proxy=None,
            ) as socket:
                async with asyncio.timeout(timeout):
                    version = await _authenticate(socket, token, url)
                connection = cls(socket, version)
                connection._reading = asyncio.create_task(connection._read(), name="read states")
                try:
                    yield connection
                finally:
                    await connection._finish()
        except ConnectionClosed as err:
            raise Unreachable(_closed(err), where=url) from err
        except (OSError, WebSocketException, ssl.SSLError) as err:
            raise _unreachable(url, err) from err

    async def command(self, type: str, *, timeout: float = 15.0, **fields: Any) -> Any:
        """Return the result of a command. Raises CommandRefused, Unreachable."""
        number = next(self._ids)
        return await self._exchange(number, type, fields, timeout)

    async def subscribe(
        self, type: str, on_event: OnEvent, fields: dict[str, Any], *, timeout: float = 15.0
    ) -> None:
        """Have `on_event` called with each event of a command, in order, as long as this lives.

        `fields` are the command's own. What `on_event` raises ends the connection. Raises
        CommandRefused, Unreachable.
        """
        number = next(self._ids)
        self._listeners[number] = on_event
        await self._exchange(number, type, fields, timeout)

    async def wait_closed(self) -> None:
        """Return never: raises Unreachable once the connection has ended."""
        assert self._reading is not None
        await asyncio.shield(self._reading)

    async def _exchange(
        self, number: int, type: str, fields: dict[str, Any], timeout: float
    ) -> Any:
        if self._reading is None or self._reading.done():
            raise Unreachable("the connection has ended", where=type)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._results[number] = type, future
        try:
            async with asyncio.timeout(timeout):
                await self._socket.send(json.dumps({"id": number, "type": type, **fields}))
                return await future
        except TimeoutError as err:
            raise Unreachable(
                f"no answer within {timeout:g} s", where=type, hint="Look at Home Assistant's log."
            ) from err
        except ConnectionClosed as err:
            raise Unreachable(_closed(err), where=type) from err
        finally:
            del self._results[number]

    async def _read(self) -> None:
        """Take messages until there are no more. Raises Unreachable, whatever the reason."""
        try:
            async for text in self._socket:
                # With `coalesce_messages` several come as one list.
                messages = json.loads(text)
                for message in messages if isinstance(messages, list) else [messages]:
                    self._take(message)
            raise Unreachable("Home Assistant closed the connection")
        except ConnectionClosed as err:
            raise Unreachable(_closed(err)) from err
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            raise Unreachable(f"a message that makes no sense: {err!r}") from err
        finally:
            for _, future in self._results.values():
                if not future.done():
                    future.set_exception(Unreachable("the connection broke before the answer"))

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "event":
                if listener := self._listeners.get(message["id"]):
                    listener(message["event"])
            case "result":
                command, future = self._results.get(message["id"], ("", None))
                if future is None or future.done():
                    return
                if message["success"]:
                    future.set_result(message.get("result"))
                else:
                    error = message.get("error") or {}
                    future.set_exception(
                        CommandRefused(
                            command,
                            str(error.get("code", "unknown_error")),
                            str(error.get("message", "")),
                        )
                    )

    async def _finish(self) -> None:
        assert self._reading is not None
        self._reading.cancel()
        with suppress(asyncio.CancelledError, Unreachable):
            await self._reading


async def _authenticate(socket: ClientConnection, token: str, url: str) -> str:
    """Return Home Assistant's version. Raises TokenRefused, Unreachable."""
    greeting = await _receive(socket, url)
    if greeting.get("type") == "auth_required":
        await socket.send(json.dumps({"type": "auth", "access_token": token}))
        greeting = await _receive(socket, url)
    if greeting.get("type") == "auth_invalid":
        raise TokenRefused(
            f"Home Assistant refuses the token ({greeting.get('message')})",
            where=url,
            hint="Make a long-lived access token on the profile page (Security), set it as "
            "ELECTRA_HA_TOKEN, and reload Electra.",
        )
    if greeting.get("type") != "auth_ok":
        raise Unreachable("what answers there is no Home Assistant", where=url)
    return str(greeting.get("ha_version", ""))


async def _receive(socket: ClientConnection, url: str) -> dict[str, Any]:
    try:
        message = json.loads(await socket.recv())
    except ValueError as err:
        raise Unreachable("what answers there is no Home Assistant", where=url) from err
    return message if isinstance(message, dict) else {}


def _closed(err: ConnectionClosed) -> str:
    reason = err.rcvd.reason if err.rcvd else ""
    if err.sent and err.sent.code == 1011:
        reason = "it no longer answers pings"
    return f"the connection ended{f': {reason}' if reason else ''}"


def _unreachable(url: str, err: Exception) -> Unreachable:
    if isinstance(err, TimeoutError):
        return Unreachable("no answer in time", where=url, hint="Check config.ha_url.")
    if isinstance(err, InvalidURI):
        return Unreachable(str(err), where=url, hint="Mend config.ha_url.")
    if isinstance(err, InvalidHandshake):
        hint = "Check that config.ha_url is Home Assistant's, and that it did not ban this address."
        return Unreachable(str(err), where=url, hint=hint)
    if "Permission denied" in str(err):
        port = urlsplit(url).port or (443 if url.startswith("wss") else 80)
        hint = f"Add {port} to the list of `network:` in Electra's manifest."
        return Unreachable(f"port {port} is not permitted", where=url, hint=hint)
    return Unreachable(str(err) or type(err).__name__, where=url, hint="Check config.ha_url.")
