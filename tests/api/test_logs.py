"""An agent's log over the bridge: the past, then the present, and never a flood."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hairem_core.api import frames
from hairem_core.api.logs import LINES_PER_SECOND, LogForwarder
from hairem_core.core import Core
from hairem_core.hotplug.log import AgentLog
from tests.support.core import Client, running_core, write_agent


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    write_agent(tmp_path / "agents", "clock")
    async with running_core(tmp_path, agents=tmp_path / "agents") as core:
        yield core


async def test_the_past_then_the_present(core: Core, client: Client) -> None:
    log = core.control.log("clock")
    for number in range(5):
        log.add("INFO", f"past {number}")
    subscription = await client.send("agents/logs", agent_id="clock", lines=2)
    assert (await client.receive_for(subscription))["result"] == {"lines": 2}
    log.add("WARNING", "present")
    events = [(await client.receive_for(subscription))["event"] for _ in range(3)]
    assert [(each["level"], each["text"]) for each in events] == [
        ("INFO", "past 3"),
        ("INFO", "past 4"),
        ("WARNING", "present"),
    ]
    assert events[0]["at"].endswith("Z")
    assert (await client.command("unsubscribe", subscription=subscription))["success"]
    log.add("INFO", "unheard")
    ping = await client.send("ping")
    assert (await client.receive())["id"] == ping


async def test_no_past_is_none(core: Core, client: Client) -> None:
    core.control.log("clock").add("INFO", "past")
    subscription = await client.send("agents/logs", agent_id="clock", lines=0)
    assert (await client.receive_for(subscription))["result"] == {"lines": 0}


@pytest.mark.parametrize("lines", [-1, 501, "2", 1.5, True])
async def test_a_wrong_number_of_lines(client: Client, lines: object) -> None:
    await client.send_raw(
        {"id": 9, "type": "agents/logs", "agent_id": "clock", "lines": lines}, check=False
    )
    assert (await client.receive_for(9))["error"]["code"] == "invalid_format"


async def test_a_flood_costs_no_client_its_connection(core: Core, client: Client) -> None:
    subscription = await client.send("agents/logs", agent_id="clock", lines=0)
    await client.receive_for(subscription)
    log = core.control.log("clock")
    for number in range(50_000):
        log.add("INFO", f"{number} {'x' * 200}")
    texts: list[str] = []
    while not texts or "left out" not in texts[-1]:
        texts.append((await client.receive_for(subscription))["event"]["text"])
    assert len(texts) == LINES_PER_SECOND + 1
    assert texts[-1] == f"… {50_000 - LINES_PER_SECOND} lines left out"
    log.add("INFO", "calm again")
    assert (await client.receive_for(subscription))["event"]["text"] == "calm again"


async def test_a_connection_that_ends_ends_its_subscription(core: Core) -> None:
    assert core.new_token
    log = core.control.log("clock")
    before = len(log._listeners)
    async with Client.connect(core.address, core.new_token) as client:
        await client.receive()
        await client.command("agents/logs", agent_id="clock")
        assert len(log._listeners) == before + 1
    async with asyncio.timeout(5):
        while len(log._listeners) > before:
            await asyncio.sleep(0.01)


async def test_a_client_that_reads_slowly_is_owed_turns_not_logs() -> None:
    log, told, is_full = AgentLog(), list[frames.AgentLogLine](), True
    forwarder = LogForwarder(log, told.append, is_full=lambda: is_full)
    for _ in range(10):
        log.add("INFO", "unread")
    await asyncio.sleep(1.1)
    assert not told
    is_full = False
    await asyncio.sleep(1.1)
    assert [each.text for each in told] == ["… 10 lines left out"]
    forwarder.stop()
    log.add("INFO", "unheard")
    assert len(told) == 1


async def test_a_level_of_an_authors_own(core: Core, client: Client) -> None:
    subscription = await client.send("agents/logs", agent_id="clock", lines=0)
    await client.receive_for(subscription)
    core.control.log("clock").add("Level 25", "notice")
    assert (await client.receive_for(subscription))["event"]["level"] == "INFO"
