"""A whole H-Core inside the test's own process, and a client of its bridge."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import jsonschema
from websockets.asyncio.client import ClientConnection, connect

from hairem_core.config.system import ApiConfig, SystemConfig
from hairem_core.core import Core
from hairem_core.data import DataFolder
from hairem_core.hotplug.bundle import Bundle, read_bundle
from hairem_core.hotplug.gatekeeper import Gatekeeper
from hairem_core.hotplug.loader import Vetter
from hairem_core.hotplug.report import Report, Step
from hairem_core.hotplug.services import Models
from tests.support.bus import until

ROOT = Path(__file__).parents[2]
_SCHEMA = json.loads((ROOT / "docs" / "schemas" / "bridge.json").read_text())


def _validator(direction: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/$defs/{direction}", "$defs": _SCHEMA["$defs"]}
    )


_FROM_CLIENT = _validator("client")
_FROM_SERVER = _validator("server")


class Client:
    """Speaks the bridge protocol; every frame of either side is held against the schema."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._next = 0
        self._backlog: list[dict[str, Any]] = []

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, address: str, token: str, schema_version: int = 1
    ) -> AsyncIterator[Self]:
        async with connect(f"ws://{address}/api/ws") as connection:
            client = cls(connection)
            await client.receive()
            await client.send_raw(
                {"type": "auth", "token": token, "schema_version": schema_version, "client": "test"}
            )
            yield client

    async def send_raw(self, frame: dict[str, Any], *, check: bool = True) -> None:
        if check:
            _FROM_CLIENT.validate(frame)
        if isinstance(command_id := frame.get("id"), int):
            self._next = max(self._next, command_id)
        await self._connection.send(json.dumps(frame))

    async def send(self, type: str, **fields: Any) -> int:
        self._next += 1
        await self.send_raw({"id": self._next, "type": type, **fields})
        return self._next

    async def receive(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self._connection.recv())
        _FROM_SERVER.validate(frame)
        return frame

    async def receive_for(self, command_id: int) -> dict[str, Any]:
        """Return the next frame with this id; those of other ids wait."""
        for index, frame in enumerate(self._backlog):
            if frame.get("id") == command_id:
                return self._backlog.pop(index)
        while True:
            frame = await self.receive()
            if frame.get("id") == command_id:
                return frame
            self._backlog.append(frame)

    async def command(self, type: str, **fields: Any) -> dict[str, Any]:
        """Return the `result` frame of a command."""
        frame = await self.receive_for(await self.send(type, **fields))
        assert frame["type"] == "result"
        return frame

    async def turn(self, agent_id: str, text: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the events of a whole turn. Tool calls are answered with `ok`."""
        command_id = await self.send("converse", agent_id=agent_id, text=text, **fields)
        result = await self.receive_for(command_id)
        assert result["success"], result
        return await self.rest_of(command_id)

    async def rest_of(self, turn: int) -> list[dict[str, Any]]:
        """Return the events of a turn up to its last."""
        events: list[dict[str, Any]] = []
        while not events or events[-1]["kind"] not in ("done", "failed", "cancelled"):
            events.append((await self.receive_for(turn))["event"])
            if events[-1]["kind"] == "tool_calls":
                results = [
                    {"id": call["id"], "name": call["name"], "data": {"ok": True}}
                    for call in events[-1]["tool_calls"]
                ]
                assert (await self.command("tool_results", turn=turn, results=results))["success"]
        return events


class OpenGate:
    """Lets every bundle in that can be read: for agents that do what the Gatekeeper refuses."""

    def check(
        self,
        snapshot: Path,
        *,
        source: Path,
        hash: str = "",  # noqa: A002 - the word
    ) -> tuple[Report, Bundle | None]:
        report, bundle = Gatekeeper().check(snapshot, source=source, hash=hash)
        if not any(each.step is Step.MANIFEST for each in report.errors):
            bundle = read_bundle(snapshot, source=source, hash=hash)
            report = replace(report, findings=())
        return report, bundle


@asynccontextmanager
async def running_core(
    folder: Path,
    *,
    agents: Path | None = None,
    wait: bool = True,
    gatekeeper: Vetter | None = None,
    models: Models | None = None,
    **sections: Any,
) -> AsyncIterator[Core]:
    """Yield a running H-Core whose agents, those that ship or those in `agents`, are live."""
    config = SystemConfig.model_validate(
        {
            "api": ApiConfig(port=0),
            "agents": {"folders": [agents or ROOT / "agents"], **sections.pop("agents_config", {})},
            **sections,
        }
    )
    data = DataFolder(folder / "data")
    async with Core(config, data, root=ROOT, models=models, gatekeeper=gatekeeper) as core:
        if wait:
            await until(lambda: all(each.state == "live" for each in core.registry.records()))
        yield core


def write_agent(
    folder: Path, agent_id: str, logic: str = "", permissions: str = "[llm, home.act]"
) -> Path:
    """Write a bundle and return its folder."""
    bundle = folder / agent_id
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / "manifest.yaml").write_text(
        f"id: {agent_id}\nname: {agent_id.title()}\n"
        f"languages: [en, fr]\npermissions: {permissions}\n"
    )
    if logic:
        (bundle / "logic.py").write_text(logic)
    return bundle
