"""Orders about agents, and all that is known of one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hairem_core.core import Core
from tests.support.bus import until
from tests.support.core import Client, running_core, write_agent

SLOW = """
import asyncio

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def setup(self) -> None:
        await asyncio.sleep(1.5)
"""


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    write_agent(tmp_path / "agents", "clock")
    write_agent(tmp_path / "agents", "snail", SLOW)
    async with running_core(tmp_path, agents=tmp_path / "agents") as core:
        yield core


async def get(core: Core, path: str, *, token: str | None = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token or core.new_token}"}
    async with (
        aiohttp.ClientSession(f"http://{core.address}", headers=headers) as session,
        session.get(path) as response,
    ):
        return response.status, await response.json()


async def test_all_that_is_known_of_an_agent(core: Core) -> None:
    status, details = await get(core, "/api/agents/clock")
    assert status == 200
    _, listed = await get(core, "/api/agents")
    assert listed["agents"][0].items() <= details.items()
    assert details["manifest"]["id"] == "clock"
    assert details["process"]["pid"] == core.agent_pid("clock")
    assert details["process"]["task_failures"] == 0


async def test_one_that_is_not_there(core: Core) -> None:
    status, body = await get(core, "/api/agents/nobody")
    assert (status, body["error"]["code"]) == (404, "unknown_agent")
    assert "known: clock, snail" in body["error"]["message"]
    assert (await get(core, "/api/agents/clock", token="wrong"))[0] == 401


async def test_disabled_and_enabled(core: Core, client: Client) -> None:
    assert await client.command("agents/disable", agent_id="clock") == {
        "id": 1,
        "type": "result",
        "success": True,
        "result": {},
    }
    record = core.registry["clock"]
    assert (record.enabled, record.state) == (False, "stopped")
    refused = await client.command("agents/reload", agent_id="clock")
    assert refused["error"] == {
        "code": "refused",
        "message": "clock is disabled. Write `hairem agent enable clock`.",
    }
    answer = await client.command("converse", agent_id="clock", text="hello")
    assert answer["error"]["code"] == "agent_unavailable"
    assert (await client.command("agents/enable", agent_id="clock"))["success"]
    await until(lambda: core.registry["clock"].state == "live")
    assert core.registry["clock"].enabled


async def test_reloaded_and_removed(core: Core, client: Client, tmp_path: Path) -> None:
    before = core.registry["clock"].generation
    assert (await client.command("agents/reload", agent_id="clock"))["success"]
    await until(lambda: core.registry["clock"].generation > before)
    assert (await client.command("agents/remove", agent_id="clock"))["success"]
    await until(lambda: core.registry.get("clock") is None)
    assert not (tmp_path / "agents" / "clock").exists()


@pytest.mark.parametrize("order", ["enable", "disable", "reload", "remove", "logs"])
async def test_an_order_about_nobody(client: Client, order: str) -> None:
    answer = await client.command(f"agents/{order}", agent_id="nobody")
    assert answer["error"]["code"] == "unknown_agent"
    await client.send_raw({"id": 50, "type": f"agents/{order}"}, check=False)
    assert (await client.receive_for(50))["error"]["code"] == "invalid_format"


async def test_an_order_that_takes_long_holds_nobody_up(core: Core, client: Client) -> None:
    order = await client.send("agents/reload", agent_id="snail")
    for _ in range(3):
        ping = await client.send("ping")
        assert (await client.receive())["id"] == ping, "before the order is done"
    assert (await client.receive_for(order))["success"]
    assert core.registry["snail"].generation == 2


async def test_an_order_is_carried_out_although_its_client_leaves(core: Core) -> None:
    assert core.new_token
    async with Client.connect(core.address, core.new_token) as leaving:
        await leaving.receive()
        await leaving.send("agents/reload", agent_id="snail")
        assert (await leaving.command("ping"))["success"]
    assert core.registry["snail"].generation == 1
    await until(lambda: core.registry["snail"].generation == 2, seconds=5)
    await asyncio.sleep(0)
