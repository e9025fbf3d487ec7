"""Crashes, quarantine, and what people may do to an agent."""

import asyncio
import signal
from pathlib import Path

import pytest

from hairem_core.hotplug.errors import ControlRefused, UnknownAgent
from hairem_core.hotplug.revival import Revival
from tests.hotplug.helpers import COUNTER, HEAD, ask, from_test
from tests.support.bus import until
from tests.support.core import OpenGate, running_core, write_agent

BOMB = (
    HEAD
    + """
class Agent(BaseAgent):
    async def setup(self):
        self.ctx.spawn_task(self.burn(), name="fuse")

    async def burn(self):
        self.ctx.logger.warning("the fuse burns")
        await asyncio.sleep(0.05)
        os._exit(7)
"""
)


def test_an_agent_is_given_up_after_three_ends_within_a_minute() -> None:
    clock = iter((0.0, 1.0, 2.0, 3.0, 100.0, 131.0, 162.0, 193.0, 194.0))
    revival = Revival(lambda: next(clock))
    assert revival.after_an_end() == pytest.approx(0.1)
    assert revival.after_an_end() == pytest.approx(0.4)
    assert revival.after_an_end() is None
    revival.forgive()
    assert revival.after_an_end() == pytest.approx(0.1)
    for _ in range(4):
        assert revival.after_an_end() is not None
    assert revival.after_an_end(is_to_blame=False) == pytest.approx(0.1)


async def test_three_ends_in_a_minute_are_quarantine_until_somebody_acts(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(agents, "bomb", BOMB)
    async with running_core(tmp_path, agents=agents, wait=False, gatekeeper=OpenGate()) as core:
        await until(lambda: core.registry["bomb"].state == "quarantined")
        record = core.registry["bomb"]
        assert record.reason
        assert "ended with exit code 7; it ended 3 times within a minute" in record.reason
        assert "the fuse burns" in record.reason
        assert record.last_error == "ended with exit code 7"
        await asyncio.sleep(1)
        assert core.registry["bomb"].generation == 3

        await core.control.reload("bomb")
        await until(lambda: core.registry["bomb"].generation > 3)
        await until(lambda: core.registry["bomb"].state == "quarantined")

        # What was sent meanwhile waits for the one that is mended.
        waiting = asyncio.create_task(ask(core, from_test("bomb", "are you there?")))
        await asyncio.sleep(0.2)
        write_agent(agents, "bomb", COUNTER)
        assert (await waiting)[0].payload.content == "1"
        assert core.registry["bomb"].state == "live"


async def test_a_silent_process_is_killed_and_started_again(agents: Path, tmp_path: Path) -> None:
    write_agent(
        agents,
        "sleeper",
        HEAD
        + """
class Agent(BaseAgent):
    async def on_message(self, message):
        if message.payload.content == "sleep":
            self.ctx.spawn_task(self.block())
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content="yes")

    async def block(self):
        time.sleep(60)
""",
    )
    config = {"heartbeat_timeout": 2}
    async with running_core(
        tmp_path, agents=agents, agents_config=config, gatekeeper=OpenGate()
    ) as core:
        pid = core.agent_pid("sleeper")
        await ask(core, from_test("sleeper", "sleep"))
        await until(lambda: core.agent_pid("sleeper") not in (None, pid), seconds=15)
        assert "no sign of life" in (core.registry["sleeper"].last_error or "")
        assert (await ask(core, from_test("sleeper")))[0].payload.content == "yes"


async def test_the_figures_of_a_process_are_true(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "counter", COUNTER)
    async with running_core(tmp_path, agents=agents) as core:
        await ask(core, from_test("counter"))
        await until(lambda: core.control.details("counter")["process"]["loop_lag_ms"] is not None)
        await until(lambda: core.control.details("counter")["process"]["messages_handled"] == 1)
        details = core.control.details("counter")
        process = details["process"]
        assert details["folder"] == str(agents / "counter")
        assert details["manifest"]["id"] == "counter"
        assert process["pid"] == core.agent_pid("counter")
        assert process["hash"] == details["running_hash"] == details["folder_hash"]
        assert 2**20 < process["memory_bytes"] < 512 * 2**20
        assert process["cpu_seconds"] >= 0
        assert set(process["protections"]) == {
            "user",
            "files",
            "network",
            "processes",
            "memory",
            "descriptors",
        }


async def test_a_disabled_agent_stays_so_over_a_restart_and_loses_nothing(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(agents, "counter", COUNTER)
    async with running_core(tmp_path, agents=agents) as core:
        await core.control.disable("counter")
        record = core.registry["counter"]
        assert (record.state, record.enabled, record.reason) == ("stopped", False, "disabled")
        assert core.agent_pid("counter") is None
        await core.bus.publish(from_test("counter"))
    async with running_core(tmp_path, agents=agents, wait=False) as core:
        await until(lambda: core.registry["counter"].state == "stopped")
        with pytest.raises(ControlRefused, match="is disabled"):
            await core.control.reload("counter")
        heard: list[str] = []
        await core.bus.listen("user:test", lambda message: heard.append(message.payload.content))
        await core.control.enable("counter")
        # What was sent while it was away.
        await until(lambda: heard == ["1"])


async def test_an_agent_is_disabled_though_its_folder_has_a_mistake(
    agents: Path, tmp_path: Path
) -> None:
    folder = write_agent(agents, "counter", COUNTER)
    async with running_core(tmp_path, agents=agents) as core:
        (folder / "logic.py").write_text("class Agent(\n")
        await until(lambda: bool(core.registry["counter"].findings))
        assert core.registry["counter"].state == "live"
        await core.control.disable("counter")
        assert core.agent_pid("counter") is None
        record = core.registry["counter"]
        assert (record.state, record.enabled) == ("rejected", False)
        (folder / "logic.py").write_text(COUNTER)
        await until(lambda: core.registry["counter"].reason == "disabled")
        await core.control.enable("counter")
        assert (await ask(core, from_test("counter")))[0].payload.content == "1"


async def test_a_removed_agents_bundle_is_kept(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "counter", COUNTER)
    async with running_core(tmp_path, agents=agents) as core:
        pid = core.agent_pid("counter")
        await core.control.remove("counter")
        assert core.registry.get("counter") is None
        assert not (agents / "counter").exists()
        (kept,) = (tmp_path / "data" / "removed").iterdir()
        assert (kept / "manifest.yaml").is_file()
        assert pid
        assert not Path(f"/proc/{pid}").exists()


async def test_orders_about_nobody_are_refused(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "counter", COUNTER)
    async with running_core(tmp_path, agents=agents) as core:
        for order in (
            core.control.enable,
            core.control.disable,
            core.control.reload,
            core.control.remove,
        ):
            with pytest.raises(UnknownAgent, match="no agent 'nobody'; known: counter"):
                await order("nobody")


async def test_a_renamed_folder_is_the_same_agent(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "counter", COUNTER)
    gone: list[str] = []
    async with running_core(tmp_path, agents=agents) as core:
        core.registry.subscribe(
            lambda agent_id, record: gone.append(agent_id) if record is None else None
        )
        assert (await ask(core, from_test("counter")))[0].payload.content == "1"
        (agents / "counter").rename(agents / "moved")
        await until(lambda: core.control.details("counter")["folder"] == str(agents / "moved"))
        await asyncio.sleep(1)
        assert (await ask(core, from_test("counter")))[0].payload.content == "2"
        assert not gone


async def test_a_second_bundle_of_an_id_is_rejected_and_shown(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "counter", COUNTER)
    (agents / "impostor").mkdir()
    (agents / "impostor" / "manifest.yaml").write_text("id: counter\nname: Impostor\n")
    async with running_core(tmp_path, agents=agents, wait=False) as core:
        await until(lambda: core.registry.get("impostor"))
        record = core.registry["impostor"]
        assert record.state == "rejected"
        assert f"the id 'counter' belongs to {agents / 'counter'}" in (record.reason or "")
        await until(lambda: core.registry["counter"].state == "live")
        assert core.registry["counter"].name == "Counter"


async def test_a_message_that_ends_its_agent_twice_is_put_aside(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(
        agents,
        "fragile",
        HEAD
        + """
class Agent(BaseAgent):
    async def on_message(self, message):
        if message.payload.content == "poison":
            os.kill(os.getpid(), 11)
            await asyncio.sleep(5)
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content="fine")
""",
    )
    async with running_core(tmp_path, agents=agents, gatekeeper=OpenGate()) as core:
        await core.bus.publish(from_test("fragile", "poison"))
        await until(lambda: core.registry["fragile"].restarts == 2)
        assert (await ask(core, from_test("fragile")))[0].payload.content == "fine"
        assert core.registry["fragile"].state == "live"
        assert signal.Signals(11).name in (core.registry["fragile"].last_error or "")
