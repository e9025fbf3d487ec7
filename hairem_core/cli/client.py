"""The command's end of the bridge."""

import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from hairem_core import __version__
from hairem_core.cli.places import NotRunning, Places
from hairem_core.errors import HairemError

_SCHEMA_VERSION = 1


class BridgeError(HairemError):
    """H-Core refused a command; `code` is one of `docs/bridge.md`."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code  # type: ignore[misc]  # the class's constant, told by the server


class BridgeClient:
    """One connection; commands are given one after another."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._next = 0

    @classmethod
    @asynccontextmanager
    async def connect(cls, places: Places) -> AsyncIterator[Self]:
        """Connect and authenticate. Raises NotRunning, BridgeError."""
        address, token = places.core_address(), places.command_token()
        try:
            async with connect(f"ws://{address}/api/ws", open_timeout=5) as connection:
                client = cls(connection)
                await client._authenticate(token)
                yield client
        except (OSError, TimeoutError, InvalidHandshake) as err:
            raise NotRunning(
                f"H-Core does not answer: {err}",
                where=address,
                hint="Look whether `hairem up` still runs; `hairem doctor` says more.",
            ) from err
        except WebSocketException as err:
            hint = "Look whether `hairem up` still runs."
            raise BridgeError("connection_lost", f"H-Core hung up: {err}. {hint}") from err

    async def _authenticate(self, token: str) -> None:
        await self._receive()
        auth = {"type": "auth", "token": token, "schema_version": _SCHEMA_VERSION}
        await self._connection.send(json.dumps(auth | {"client": f"hairem {__version__}"}))
        answer = await self._receive()
        if answer["type"] != "auth_ok":
            raise BridgeError(answer["error"]["code"], answer["error"]["message"])

    async def command(self, type: str, **fields: Any) -> dict[str, Any]:
        """Return the result of a command. Raises BridgeError."""
        self._next += 1
        await self._connection.send(json.dumps({"id": self._next, "type": type, **fields}))
        while True:
            frame = await self._receive()
            # Of a frame that it cannot read, H-Core knows no number either: 0.
            if frame["type"] == "result" and frame["id"] in (self._next, 0):
                if not frame["success"]:
                    raise BridgeError(frame["error"]["code"], frame["error"]["message"])
                result: dict[str, Any] = frame["result"]
                return result

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the events of the last command."""
        mine = self._next
        while True:
            frame = await self._receive()
            if frame["type"] == "event" and frame["id"] == mine:
                yield frame["event"]

    async def _receive(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self._connection.recv())
        return frame


def get_json(places: Places, path: str, seconds: float = 10) -> tuple[int, dict[str, Any]]:
    """Return status and body of one REST question. Raises NotRunning: no answer in that time."""
    address = places.core_address()
    connection = http.client.HTTPConnection(address, timeout=seconds)
    try:
        connection.request(
            "GET", path, headers={"Authorization": f"Bearer {places.command_token()}"}
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as err:
        raise NotRunning(
            f"H-Core does not answer: {err}",
            where=address,
            hint="Look whether `hairem up` still runs; `hairem doctor` says more.",
        ) from err
    finally:
        connection.close()
