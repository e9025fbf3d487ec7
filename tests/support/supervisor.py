"""A stand-in of Home Assistant's Supervisor, on loopback, as strict as the real one.

It answers one app with what supervisor/api of https://github.com/home-assistant/supervisor does:
`{"result": "ok", "data": …}`, or `{"result": "error", "message": …}` with a status of 400 or more;
401 and 403 of the token's check come as plain text. `/core/websocket` is Home Assistant's own
WebSocket API behind the Supervisor's proxy, up to the authentication.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from uuid import uuid4

from aiohttp import WSMsgType, web

from tests.support.child import free_port

TOKEN = "supervisor-0123456789abcdef0123456789abcdef0123456789abcdef"
SLUG = "a1b2c3d4_hairem"

type Mood = Literal["well", "slow", "rubbish", "broken", "starting"]


class _ApiError(Exception):
    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(kw_only=True)
class FakeSupervisor:
    """The Supervisor of one app. Use it as an async context manager, or `start` it later."""

    discovery: list[str] = field(default_factory=lambda: ["hairem"])
    """What the app's configuration lists."""
    services: list[str] = field(default_factory=lambda: ["mysql:want"])
    mysql: dict[str, Any] | None = None
    """What a MariaDB's app has published: host, port, username, password."""
    mood: Mood = "well"
    token: str = TOKEN
    port: int = field(default_factory=free_port)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request, refused ones too."""
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What is discovered, by service."""
    refused: list[str] = field(default_factory=list)
    """The errors that were told."""
    home_assistant_tokens: list[str] = field(default_factory=list)
    """What clients of Home Assistant's WebSocket API authenticated with."""
    _runner: web.AppRunner | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Begin to listen; until then, and after `stop`, connections are refused."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/addons/self/info", self._process(self._info))
        app.router.add_get("/services/{service}", self._process(self._service))
        app.router.add_post("/discovery", self._process(self._discover))
        app.router.add_get("/core/websocket", self._websocket)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        """Hang up and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def until_announced(self) -> dict[str, Any]:
        """Return what was announced of hairem, as soon as it was."""
        async with asyncio.timeout(30):
            while "hairem" not in self.messages:
                await asyncio.sleep(0.02)
        return self.messages["hairem"]

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        match self.mood:
            case "slow":
                await asyncio.sleep(3600)
            case "rubbish":
                return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
            case "broken":
                raise web.HTTPInternalServerError
            case "starting":
                return self._error(_ApiError("System is not ready with state: setup"))
        if request.path == "/core/websocket":
            return await handler(request)  # it authenticates by itself
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not token:
            raise web.HTTPUnauthorized
        if scheme != "Bearer" or token != self.token:
            raise web.HTTPForbidden
        return await handler(request)

    def _process(
        self, answer: Callable[[web.Request], Awaitable[dict[str, Any]]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                data = await answer(request)
            except _ApiError as err:
                return self._error(err)
            return web.json_response({"result": "ok", "data": data})

        return handle

    def _error(self, err: _ApiError) -> web.Response:
        self.refused.append(str(err))
        return web.json_response({"result": "error", "message": str(err)}, status=err.status)

    async def _info(self, request: web.Request) -> dict[str, Any]:
        return {
            "name": "hAIrem",
            "slug": SLUG,
            "hostname": SLUG.replace("_", "-"),
            "dns": [f"{SLUG.replace('_', '-')}.local.hass.io"],
            "description": "A crew of agents that makes a house alive",
            "long_description": None,
            "advanced": False,
            "stage": "stable",
            "repository": SLUG.partition("_")[0],
            "version_latest": "0.1.0",
            "version": "0.1.0",
            "protected": True,
            "rating": 8,
            "boot_config": "auto",
            "boot": "auto",
            "options": {},
            "schema": [],
            "arch": ["aarch64", "amd64"],
            "machine": [],
            "homeassistant": "2026.10.0",
            "url": None,
            "detached": False,
            "available": True,
            "build": False,
            "network": {"8127/tcp": None},
            "network_description": {"8127/tcp": "Bridge"},
            "host_network": False,
            "host_pid": False,
            "privileged": [],
            "apparmor": "profile",
            "hassio_api": False,
            "hassio_role": "default",
            "homeassistant_api": True,
            "auth_api": False,
            "startup": "application",
            "services": self.services,
            "discovery": self.discovery,
            "translations": {},
            "ingress": True,
            "state": "started",
            "webui": None,
            "ingress_entry": "/api/hassio_ingress/abc",
            "ingress_url": "/api/hassio_ingress/abc/",
            "ingress_port": 8127,
            "ingress_panel": True,
            "auto_update": False,
            "ip_address": "172.30.33.5",
            "update_available": False,
            "watchdog": False,
            "devices": [],
            "system_managed": False,
            "system_managed_config_entry": None,
        }

    async def _service(self, request: web.Request) -> dict[str, Any]:
        service = request.match_info["service"]
        if service not in ("mqtt", "mysql"):
            raise _ApiError("Service does not exist", 404)
        if not any(each.partition(":")[0] == service for each in self.services):
            raise _ApiError(f"No access to {service} service!", 403)
        if service != "mysql" or self.mysql is None:
            raise _ApiError("Service not enabled")
        return {"addon": "core_mariadb", **self.mysql}

    async def _discover(self, request: web.Request) -> dict[str, Any]:
        try:
            body = json.loads(await request.text() or "{}")
        except ValueError as err:
            raise _ApiError("Invalid json") from err
        service, config = self._checked(body)
        if service not in self.discovery:
            raise _ApiError(
                "Add-ons must list services they provide via discovery in their config!", 403
            )
        known = self.messages.get(service)
        if known is None or known["config"] != config:
            self.messages[service] = {"uuid": uuid4().hex, "config": config}
        return {"uuid": self.messages[service]["uuid"]}

    @staticmethod
    def _checked(body: Any) -> tuple[str, dict[str, Any]]:
        if not isinstance(body, dict):
            raise _ApiError(f"expected a dictionary. Got {body!r}")
        for key in body.keys() - {"service", "config"}:
            raise _ApiError(f"extra keys not allowed @ data['{key}']. Got {body[key]!r}")
        for key, type_ in (("service", str), ("config", dict)):
            if key not in body:
                raise _ApiError(f"required key not provided @ data['{key}']. Got None")
            if not isinstance(body[key], type_):
                raise _ApiError(f"expected {type_.__name__} for dictionary value @ data['{key}']")
        return body["service"], body["config"]

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "auth_required", "ha_version": "2026.10.4"})
        with suppress(TypeError, ValueError, KeyError):
            token = (await socket.receive_json())["access_token"]
            self.home_assistant_tokens.append(token)
            if token == self.token:
                await socket.send_json({"type": "auth_ok", "ha_version": "2026.10.4"})
                async for message in socket:
                    if message.type is not WSMsgType.TEXT:
                        break
            else:
                await socket.send_json({"type": "auth_invalid", "message": "Invalid access"})
        await socket.close()
        return socket
