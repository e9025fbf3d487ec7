"""A saved bundle takes the old one's place, and a wrong one does not."""

import asyncio
import os
from pathlib import Path

from hairem_core.core import Core
from hairem_core.sdk.message import Message
from tests.hotplug.helpers import ask, from_test
from tests.support.bus import until
from tests.support.core import Client, OpenGate, running_core, write_agent

ECHO = """
import asyncio
from hairem_core.sdk import BaseAgent, Topic

VERSION = {version}


class Agent(BaseAgent):
    async def setup(self):
        self.ctx.logger.info("version %s is set up", VERSION)
        self.ctx.spawn_task(self._tick(), name="tick")

    async def teardown(self):
        self.ctx.logger.info("version %s is torn down", VERSION)

    async def on_message(self, message):
        if message.payload.content == "slow":
            await asyncio.sleep(1.0)
        await self.ctx.bus.answer(
            message, topic=Topic.AGENT_NOTE, content=f"{{VERSION}}:{{message.payload.content}}"
        )

    async def _tick(self):
        while True:
            await self.ctx.bus.publish("user:clock", topic=Topic.AGENT_NOTE, content=str(VERSION))
            await asyncio.sleep(0.02)
"""


def save(agents: Path, version: int, logic: str = ECHO) -> None:
    """Save as editors do: a new file in the old one's place."""
    fresh = agents / "echo" / ".logic.py.new"
    fresh.write_text(logic.format(version=version))
    fresh.replace(agents / "echo" / "logic.py")


async def live(core: Core, generation: int) -> None:
    await until(lambda: core.registry["echo"].generation == generation)


async def answer(core: Core, content: str = "x") -> str:
    return (await ask(core, from_test("echo", content)))[0].payload.content


async def test_a_turn_ends_where_it_began_and_the_next_one_meets_the_new_version(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(agents, "echo", ECHO.format(version=1))
    async with running_core(tmp_path, agents=agents) as core:
        first = core.registry["echo"].running_hash
        heard: list[str] = []
        await core.bus.listen("user:test", lambda message: heard.append(message.payload.content))
        await core.bus.publish(from_test("echo", "slow"))
        await asyncio.sleep(0.2)
        save(agents, 2)
        await live(core, 2)
        assert not heard
        assert core.control.details("echo")["process"]["draining"][0]["messages_held"] == 1
        await core.bus.publish(from_test("echo", "x"))
        await until(lambda: len(heard) == 2)
        assert heard == ["2:x", "1:slow"]
        await until(lambda: not core.control.details("echo")["process"]["draining"])
        texts = [line.text for line in core.control.log("echo").lines()]
        assert texts.index("version 2 is set up") < texts.index("version 1 is torn down")
        record = core.registry["echo"]
        assert record.running_hash == record.folder_hash != first
        assert not record.drift


async def test_background_tasks_of_two_generations_never_run_together(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(agents, "echo", ECHO.format(version=1))
    ticks: list[str] = []
    async with running_core(tmp_path, agents=agents) as core:
        await core.bus.listen("user:clock", lambda message: ticks.append(message.payload.content))
        for version in (2, 3, 4):
            await asyncio.sleep(0.2)
            save(agents, version)
            await live(core, version)
        await until(lambda: "4" in ticks)
    assert ticks == sorted(ticks)


async def test_no_message_is_lost_doubled_or_reordered_by_many_reloads(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(agents, "echo", ECHO.format(version=1))
    heard: list[int] = []
    sent = 0
    async with running_core(tmp_path, agents=agents) as core:

        def take(message: Message) -> None:
            heard.append(int(message.payload.content.partition(":")[2]))

        await core.bus.listen("user:test", take)
        for version in range(2, 12):
            save(agents, version)
            while core.registry["echo"].generation < version:
                await core.bus.publish(from_test("echo", str(sent), conversation_id="row"))
                sent += 1
                await asyncio.sleep(0.01)
        await until(lambda: len(heard) >= sent, seconds=20)
        await asyncio.sleep(0.2)
    assert heard == list(range(sent))


async def test_a_mistake_is_named_and_the_old_version_goes_on(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "echo", ECHO.format(version=1))
    async with running_core(tmp_path, agents=agents) as core:
        pid = core.agent_pid("echo")
        save(
            agents, 2, "from hairem_core.sdk import BaseAgent\n\nclass Agent(BaseAgent)\n    pass\n"
        )
        await until(lambda: bool(core.registry["echo"].findings))
        record = core.registry["echo"]
        assert (record.findings[0].file, record.findings[0].line) == ("logic.py", 3)
        assert record.state == "live"
        assert record.drift
        assert await answer(core) == "1:x"

        # It is even started again from what it was, although its folder has the mistake.
        assert pid
        os.kill(pid, 9)
        await until(lambda: core.agent_pid("echo") not in (None, pid))
        assert await answer(core) == "1:x"

        save(agents, 3)
        await until(lambda: not core.registry["echo"].drift)
        assert not core.registry["echo"].findings
        assert await answer(core) == "3:x"


async def test_a_version_whose_setup_fails_is_rolled_back(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "echo", ECHO.format(version=1))
    async with running_core(tmp_path, agents=agents) as core:
        pid = core.agent_pid("echo")
        save(agents, 2, ECHO.replace("VERSION = {version}", "VERSION = {version} / 0"))
        await until(lambda: bool(core.registry["echo"].findings))
        (finding,) = core.registry["echo"].findings
        assert (finding.step, finding.rule) == ("heartbeat", "start-failed")
        assert (finding.file, finding.line) == ("logic.py", 5)
        assert "ZeroDivisionError" in finding.what
        assert core.registry["echo"].state == "live"
        assert core.agent_pid("echo") == pid
        assert await answer(core) == "1:x"


async def test_a_setup_that_never_returns_is_given_up(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "echo", ECHO.format(version=1))
    config = {"start_timeout": 1}
    async with running_core(tmp_path, agents=agents, agents_config=config) as core:
        forever = ECHO.replace(
            "async def setup(self):", "async def setup(self):\n        await asyncio.sleep(99)"
        )
        save(agents, 2, forever)
        await until(lambda: bool(core.registry["echo"].findings))
        assert "was not ready within 1 s" in core.registry["echo"].findings[0].what
        assert await answer(core) == "1:x"


async def test_a_teardown_that_never_returns_is_cut(agents: Path, tmp_path: Path) -> None:
    endless = ECHO.replace(
        "async def teardown(self):", "async def teardown(self):\n        await asyncio.sleep(99)"
    )
    write_agent(agents, "echo", endless.format(version=1))
    config = {"teardown_timeout": 0.5}
    async with running_core(tmp_path, agents=agents, agents_config=config) as core:
        save(agents, 2)
        await live(core, 2)
        await until(lambda: not core.control.details("echo")["process"]["draining"])
        assert await answer(core) == "2:x"


async def test_a_teardown_that_blocks_is_killed(agents: Path, tmp_path: Path) -> None:
    blocking = ECHO.replace(
        "async def teardown(self):", "async def teardown(self):\n        while True: pass"
    )
    write_agent(agents, "echo", blocking.format(version=1))
    config = {"teardown_timeout": 0.5}
    async with running_core(
        tmp_path, agents=agents, agents_config=config, gatekeeper=OpenGate()
    ) as core:
        save(agents, 2)
        await live(core, 2)
        assert await answer(core) == "2:x"
        await until(lambda: not core.control.details("echo")["process"]["draining"], seconds=20)


async def test_what_changes_nothing_starts_nothing(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "echo", ECHO.format(version=1))
    async with running_core(tmp_path, agents=agents) as core:
        pid = core.agent_pid("echo")
        for _ in range(5):
            save(agents, 1)
            (agents / "echo" / "logic.py.swp").write_text("…")
            (agents / "echo" / "__pycache__").mkdir(exist_ok=True)
            await asyncio.sleep(0.2)
        assert core.agent_pid("echo") == pid


async def test_a_persona_changes_in_the_middle_of_a_conversation(
    agents: Path, tmp_path: Path
) -> None:
    folder = write_agent(agents, "echo", ECHO.format(version=1))
    async with running_core(tmp_path, agents=agents) as core:
        assert core.new_token
        async with Client.connect(core.address, core.new_token) as client:
            await client.receive()
            (folder / "manifest.yaml").write_text(
                "id: echo\nname: Echo the Second\nlanguages: [en]\npermissions: [llm]\n"
            )
            await live(core, 2)
            assert core.registry["echo"].name == "Echo the Second"
            assert core.registry["echo"].permissions == ["llm"]
            assert await answer(core) == "1:x"
