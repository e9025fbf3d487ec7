"""A real Home Assistant, run as a process and driven through its public REST and WebSocket API.

Nothing of it is patched or replaced. It has no `default_config`, whose discovery would look at the
network it runs in: only what an assistant needs, and the small house of `HOUSE`.
"""

import asyncio
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.support.child import (
    BIN,
    ROOT,
    Child,
    ProgramError,
    clean_environment,
    free_port,
    is_free,
)
from tests.support.home_assistant_socket import HomeAssistantSocket

KITCHEN_LIGHT = "light.kitchen_light"

HOUSE = """\
homeassistant:
  name: Home
  unit_system: metric
  time_zone: Europe/Paris
  country: FR
  latitude: 48.8566
  longitude: 2.3522
http:
  server_host: 127.0.0.1
  server_port: {port}
frontend:
api:
config:
websocket_api:
conversation:
assist_pipeline:
logger:
  default: warning
  logs:
    custom_components.hairem: debug
input_boolean:
  kitchen_light_power:
  living_room_light_power:
template:
  - light:
      - name: Kitchen light
        unique_id: kitchen_light
        state: "{{{{ states('input_boolean.kitchen_light_power') }}}}"
        turn_on:
          - action: input_boolean.turn_on
            target: {{entity_id: input_boolean.kitchen_light_power}}
        turn_off:
          - action: input_boolean.turn_off
            target: {{entity_id: input_boolean.kitchen_light_power}}
      - name: Living room light
        unique_id: living_room_light
        state: "{{{{ states('input_boolean.living_room_light_power') }}}}"
        turn_on:
          - action: input_boolean.turn_on
            target: {{entity_id: input_boolean.living_room_light_power}}
        turn_off:
          - action: input_boolean.turn_off
            target: {{entity_id: input_boolean.living_room_light_power}}
  - sensor:
      - name: Living room temperature
        unique_id: living_room_temperature
        device_class: temperature
        unit_of_measurement: "°C"
        state: "21.5"
"""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What `conversation/process` answered."""

    answer: str
    error: str | None
    """The code of the error that the answer tells of, else None."""
    conversation_id: str | None
    total_ms: float
    raw: dict[str, Any]


class HomeAssistantError(Exception):
    """Home Assistant's API answered something else than what was asked for."""


class HomeAssistant:
    """One Home Assistant in `folder`. Use `async with`, then `onboard()`."""

    def __init__(self, folder: Path, *, extra_config: str = "", port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.child = Child("Home Assistant", folder / "output.log")
        self._extra_config = extra_config
        self._session: aiohttp.ClientSession | None = None
        self._socket: HomeAssistantSocket | None = None
        self._token = ""

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket(self) -> HomeAssistantSocket:
        """The WebSocket of the user that `onboard()` made."""
        assert self._socket is not None, "onboard() comes first"
        return self._socket

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self, *, timeout: float = 90.0) -> None:
        """Write the configuration, start, and return when it answers. Raises ProgramError."""
        # In its place, Home Assistant would silently fall back to another port.
        if not is_free(self.port):
            raise ProgramError(f"port {self.port} is in use: choose another for Home Assistant")
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "configuration.yaml"
        if not configuration.exists():
            text = HOUSE.format(port=self.port) + self._extra_config
            configuration.write_text(text, encoding="utf-8")
        components = self.folder / "custom_components"
        shutil.rmtree(components, ignore_errors=True)
        shutil.copytree(
            ROOT / "custom_components" / "hairem",
            components / "hairem",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        # Bytecode of a copy would be written into the copy; a proxy has no business on loopback.
        env = clean_environment() | {"NO_PROXY": "127.0.0.1,localhost"}
        await self.child.start(
            [BIN / "hass", "--config", self.folder, "--skip-pip"], env=env, cwd=self.folder
        )
        await self._wait_until_up(timeout)

    async def stop(self) -> None:
        """Stop it, as its administrator would."""
        if self._socket is not None:
            await self._socket.close()
            self._socket = None
        if self._session is not None:
            await self._session.close()
            self._session = None
        await self.child.stop()

    async def _wait_until_up(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.child.check()
            try:
                async with self._http.get(f"{self.url}/manifest.json") as response:
                    if response.ok and (await response.json())["name"] == "Home Assistant":
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
        raise ProgramError(
            f"Home Assistant did not answer on {self.url} within {timeout:g} s:\n"
            f"{self.child.last_words()}"
        )

    @property
    def _http(self) -> aiohttp.ClientSession:
        assert self._session is not None, "it is not started"
        return self._session

    # Onboarding and REST

    async def onboard(
        self, *, name: str = "Anna", username: str = "anna", password: str, language: str = "en"
    ) -> None:
        """Make the first user and finish onboarding, as the welcome pages do."""
        client_id = f"{self.url}/"
        user = await self.post(
            "/api/onboarding/users",
            {"client_id": client_id, "name": name, "username": username, "password": password,
             "language": language},
        )  # fmt: skip
        tokens = await self._token_for(client_id, user["auth_code"])
        self._token = tokens["access_token"]
        for step in ("core_config", "analytics"):
            await self.post(f"/api/onboarding/{step}", {})
        await self.post(
            "/api/onboarding/integration",
            {"client_id": client_id, "redirect_uri": f"{client_id}?auth_callback=1"},
        )
        self._socket = await self.open_socket()
        # It answers before it has set up everything; entities have no state until then.
        async with asyncio.timeout(60):
            while (await self.get("/api/config"))["state"] != "RUNNING":
                await asyncio.sleep(0.1)
        # Its own port is on trial: unconfirmed, Home Assistant would go back to 8123 in 5 minutes.
        if (await self._socket.command("http/config"))["pending"]:
            await self._socket.command("http/config/promote")

    async def refresh_socket(self) -> None:
        """Connect again if Home Assistant has hung up.

        It does on whoever answers no ping for a minute, as while tests of another file run in
        loops of their own.
        """
        try:
            await self.socket.command("get_config")
        except ConnectionError:
            await self.socket.close()
            self._socket = await self.open_socket()

    async def open_socket(self) -> HomeAssistantSocket:
        """Return a WebSocket of its own, like another browser tab's; the caller closes it."""
        return await HomeAssistantSocket.open(self._http, self.url, self._token)

    async def _token_for(self, client_id: str, code: str) -> dict[str, Any]:
        form = {"client_id": client_id, "grant_type": "authorization_code", "code": code}
        async with self._http.post(f"{self.url}/auth/token", data=form) as response:
            response.raise_for_status()
            tokens: dict[str, Any] = await response.json()
            return tokens

    async def get(self, path: str) -> Any:
        """Return what the API answers to a GET. Raises HomeAssistantError."""
        return await self._request("GET", path)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return what the API answers to a POST. Raises HomeAssistantError."""
        return await self._request("POST", path, body)

    async def delete(self, path: str) -> Any:
        """Return what the API answers to a DELETE. Raises HomeAssistantError."""
        return await self._request("DELETE", path)

    async def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        async with self._http.request(
            method, self.url + path, json=body, headers=headers
        ) as response:
            if response.status >= 400:
                raise HomeAssistantError(
                    f"{method} {path}: {response.status}: {(await response.text())[:500]}"
                )
            return await response.json()

    async def version(self) -> str:
        """Return its version."""
        return str((await self.get("/api/config"))["version"])

    # Entities

    async def state(self, entity_id: str) -> str | None:
        """Return the state of an entity, None where there is none of that name."""
        return next(
            (
                str(entity["state"])
                for entity in await self.get("/api/states")
                if entity["entity_id"] == entity_id
            ),
            None,
        )

    async def wait_for_state(
        self, entity_id: str, *wanted: str | None, not_in: tuple[str | None, ...] = ()
    ) -> str | None:
        """Return the state once it is one of `wanted`, or none of `not_in`. Raises TimeoutError."""
        async with asyncio.timeout(45):
            while True:
                state = await self.state(entity_id)
                if state in wanted or (not_in and state not in not_in):
                    return state
                await asyncio.sleep(0.05)

    async def call(self, action: str, **data: Any) -> None:
        """Run an action such as `light.turn_off`."""
        await self.post(f"/api/services/{action.replace('.', '/')}", data)

    async def expose(self, *entity_ids: str, exposed: bool = True) -> None:
        """Let assistants see these entities, or not."""
        await self.socket.command(
            "homeassistant/expose_entity",
            assistants=["conversation"],
            entity_ids=list(entity_ids),
            should_expose=exposed,
        )

    # The integration

    async def start_flow(self, handler: str = "hairem") -> dict[str, Any]:
        """Return the first form of a config flow."""
        flow: dict[str, Any] = await self.post(
            "/api/config/config_entries/flow", {"handler": handler, "show_advanced_options": False}
        )
        return flow

    async def answer_flow(self, flow: dict[str, Any], **answers: Any) -> dict[str, Any]:
        """Return what follows on the answers to a form of a config flow."""
        step: dict[str, Any] = await self.post(
            f"/api/config/config_entries/flow/{flow['flow_id']}", answers
        )
        return step

    async def add_core(self, *, host: str, port: int, token: str) -> dict[str, Any]:
        """Add an H-Core through the config flow and return the new entry.

        Raises HomeAssistantError.
        """
        flow = await self.start_flow()
        step = await self.answer_flow(flow, host=host, port=port, token=token)
        if step["type"] != "create_entry":
            raise HomeAssistantError(
                f"the config flow refused: {step.get('errors') or step.get('reason')}"
            )
        entry: dict[str, Any] = step["result"]
        return entry

    async def agent_entities(self, *agents: str, timeout: float = 20.0) -> dict[str, str]:
        """Return the conversation entity of each of these agents, by the agent's id.

        Waits until all are there, and raises TimeoutError if they are not in time.
        """
        async with asyncio.timeout(timeout):
            while True:
                registry = await self.socket.command("config/entity_registry/list")
                found = {
                    entity["entity_id"].partition(".")[2]: str(entity["entity_id"])
                    for entity in registry
                    if entity["platform"] == "hairem"
                    and entity["entity_id"].startswith("conversation.")
                }
                if found.keys() >= set(agents):
                    return found
                await asyncio.sleep(0.1)

    # Assist

    async def process(
        self,
        text: str,
        *,
        agent: str,
        conversation_id: str | None = None,
        language: str = "en",
    ) -> Reply:
        """Return what the agent answers through `conversation/process`."""
        body: dict[str, Any] = {"text": text, "agent_id": agent, "language": language}
        if conversation_id is not None:
            body["conversation_id"] = conversation_id
        started = time.perf_counter()
        raw = await self.post("/api/conversation/process", body)
        total = (time.perf_counter() - started) * 1000
        response = raw["response"]
        failed = response["response_type"] == "error"
        return Reply(
            answer=response["speech"].get("plain", {}).get("speech", ""),
            error=response["data"]["code"] if failed else None,
            conversation_id=raw["conversation_id"],
            total_ms=total,
            raw=raw,
        )

    async def create_pipeline(self, name: str, agent: str, language: str = "en") -> str:
        """Return the id of a new Assist pipeline, as a voice satellite would be given."""
        pipeline = await self.socket.command(
            "assist_pipeline/pipeline/create",
            name=name,
            language=language,
            conversation_engine=agent,
            conversation_language=language,
            stt_engine=None,
            stt_language=None,
            tts_engine=None,
            tts_language=None,
            tts_voice=None,
            wake_word_entity=None,
            wake_word_id=None,
        )
        return str(pipeline["id"])

    def complaints(self) -> list[str]:
        """Return the warnings and errors in its log that come from the integration."""
        return [
            line
            for line in self.child.output.splitlines()
            if (" ERROR " in line or " WARNING " in line)
            and "custom_components.hairem" in line
            # Home Assistant warns about every custom integration.
            and "We found a custom integration" not in line
        ]
