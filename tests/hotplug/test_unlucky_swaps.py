"""Swaps in unlucky moments: one of the two ends, or the forkserver does, or Redis is away."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.hotplug.helpers import HEAD, ask, dead_reasons, from_test
from tests.support.bus import until
from tests.support.core import OpenGate, running_core, write_agent

ECHO = (
    HEAD
    + """
class Agent(BaseAgent):
    async def on_message(self, message):
        content = message.payload.content
        if content == "die":
            os.kill(os.getpid(), 40)
        if content == "slow":
            await asyncio.sleep(8)
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content=f"{version}:{{content}}")
"""
)
STUBBORN = """
    async def setup(self):
        self.ctx.spawn_task(self.stay())

    async def stay(self):
        while True:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                await asyncio.sleep(0.9)
"""
ENDS_ONCE = """
    async def setup(self):
        if not os.path.exists("once"):
            open("once", "w").close()
            asyncio.get_running_loop().call_later(0.1, os._exit, 3)
"""
FAILS_ONCE = """
    async def setup(self):
        if not os.path.exists("once"):
            open("once", "w").close()
            raise RuntimeError("not yet")
"""


def echo(version: int, more: str = "") -> str:
    return ECHO.format(version=version) + more


async def test_an_agent_that_a_real_time_signal_ends_is_started_again(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(agents, "echo", echo(1))
    async with running_core(tmp_path, agents=agents, gatekeeper=OpenGate()) as core:
        pid = core.agent_pid("echo")
        await core.bus.publish(from_test("echo", "die"))
        await until(lambda: core.agent_pid("echo") not in (None, pid))
        assert "signal 40" in (core.registry["echo"].last_error or "")


async def test_what_comes_while_a_new_version_ends_at_once_waits_for_the_next(
    agents: Path, tmp_path: Path
) -> None:
    folder = write_agent(agents, "echo", echo(1, STUBBORN))
    heard: list[str] = []
    async with running_core(tmp_path, agents=agents, gatekeeper=OpenGate()) as core:
        await core.bus.listen("user:test", lambda message: heard.append(message.payload.content))
        (folder / "logic.py").write_text(echo(2, ENDS_ONCE))
        for number in range(30):
            await core.bus.publish(from_test("echo", str(number)))
            await asyncio.sleep(0.05)
        await until(lambda: len(heard) >= 30)
        await asyncio.sleep(0.2)
        assert sorted(int(each.partition(":")[2]) for each in heard) == list(range(30))
        assert await dead_reasons(core) == []


async def test_a_swap_that_the_forkservers_end_ends_is_made_again(
    agents: Path, tmp_path: Path
) -> None:
    folder = write_agent(agents, "echo", echo(1))
    slow = "\n    async def setup(self):\n        await asyncio.sleep(0.7)\n"
    async with running_core(tmp_path, agents=agents, gatekeeper=OpenGate()) as core:
        (folder / "logic.py").write_text(echo(2, slow))
        await asyncio.sleep(0.6)
        assert core.forkserver_pid
        os.kill(core.forkserver_pid, signal.SIGKILL)
        await until(
            lambda: not core.registry["echo"].drift and core.registry["echo"].generation > 1
        )
        await until(lambda: core.registry["echo"].state == "live")
        assert (await ask(core, from_test("echo", "x")))[0].payload.content == "2:x"


@pytest.mark.alone
async def test_a_crash_while_a_swap_waits_for_older_ones_is_mended(
    agents: Path, tmp_path: Path
) -> None:
    folder = write_agent(agents, "echo", echo(1))
    async with running_core(tmp_path, agents=agents, gatekeeper=OpenGate()) as core:
        for version in (2, 3, 4):
            await core.bus.publish(from_test("echo", "slow"))
            await asyncio.sleep(0.2)
            (folder / "logic.py").write_text(echo(version))
            while core.registry["echo"].generation < version:
                await asyncio.sleep(0.01)
        (folder / "logic.py").write_text(echo(5))
        await asyncio.sleep(0.5)
        pid = core.agent_pid("echo")
        assert pid
        os.kill(pid, signal.SIGKILL)
        started = time.monotonic()
        await until(lambda: core.agent_pid("echo") not in (None, pid))
        assert time.monotonic() - started < 2
        await until(lambda: not core.registry["echo"].drift)


async def test_of_two_versions_that_do_not_start_the_last_is_tried_again(
    agents: Path, tmp_path: Path
) -> None:
    bad = "\n    async def setup(self):\n        raise RuntimeError('never')\n"
    folder = write_agent(agents, "echo", echo(1, bad))
    async with running_core(tmp_path, agents=agents, wait=False, gatekeeper=OpenGate()) as core:
        await until(lambda: core.registry["echo"].findings)
        (folder / "logic.py").write_text(echo(2, FAILS_ONCE))
        await until(lambda: core.registry["echo"].state == "live")
        assert (await ask(core, from_test("echo", "x")))[0].payload.content == "2:x"
        assert "start-failed" not in [each.rule for each in core.registry["echo"].findings]


async def test_a_bundle_that_comes_while_redis_is_away_waits_for_it(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(agents, "echo", echo(1))
    async with running_core(tmp_path, agents=agents, gatekeeper=OpenGate()) as core:
        assert core.redis_pid
        os.kill(core.redis_pid, signal.SIGKILL)
        write_agent(agents, "late", echo(2))
        await until(lambda: core.agent_pid("late"))
        assert (await ask(core, from_test("late", "x")))[0].payload.content == "2:x"


async def test_a_core_that_stops_in_the_middle_of_a_swap_tears_the_old_one_down(
    agents: Path, tmp_path: Path
) -> None:
    last = "\n    async def teardown(self):\n        open('over', 'w').close()\n"
    folder = write_agent(agents, "echo", echo(1, STUBBORN + last))
    async with running_core(tmp_path, agents=agents, gatekeeper=OpenGate()) as core:
        (folder / "logic.py").write_text(echo(2))
        pid = core.agent_pid("echo")
        await until(lambda: core.agent_pid("echo") not in (None, pid))
    assert (tmp_path / "data" / "agents" / "echo" / "over").exists()
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == {asyncio.current_task()}
