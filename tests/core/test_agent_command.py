"""`hairem agent`: making, checking and testing a bundle, and looking after one that runs."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.command import Outcome, RunningCore, hairem
from tests.support.core import ROOT, write_agent

CLOCK = '''"""Ticks, and says so in its log."""

from hairem_core.sdk import BaseAgent, Message, Topic


class Agent(BaseAgent):
    """Answers without a model."""

    async def setup(self) -> None:
        """Say the first word."""
        self.ctx.logger.info("wound up")

    async def on_utterance(self, message: Message) -> None:
        """Answer, and note what was said."""
        self.ctx.logger.warning("heard: %s", message.payload.content)
        await self.ctx.bus.answer(message, topic=Topic.NARRATIVE_TEXT, content="Tick.")
'''


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A house with an empty folder for agents; returns its system.yaml."""
    (tmp_path / "agents").mkdir()
    path = tmp_path / "system.yaml"
    path.write_text(f"agents:\n  folders: [{tmp_path / 'agents'}]\n")
    return path


async def agent(config: Path, *arguments: str | Path, timeout: float = 60) -> Outcome:
    environment = {"HAIREM_CONFIG": str(config), "HAIREM_DATA": str(config.parent / "data")}
    return await hairem("agent", *arguments, timeout=timeout, **environment)


@pytest.mark.parametrize(
    "wishes",
    [
        (),
        ("--no-code",),
        ("--language", "fr"),
        ("--language", "fr", "--language", "en", "--description", "Fait : des « choses »"),
        ("--name", 'D\'Artagnan "the" \\ #1: é', "--description", "It's a: [strange] 'one'"),
        ("--home", "--network", "--no-code", "--language", "en"),
    ],
)
async def test_a_new_bundle_is_let_in(config: Path, wishes: tuple[str, ...]) -> None:
    done = await agent(config, "new", "fern", "--yes", *wishes)
    assert done.code == 0, done
    bundle = config.parent / "agents" / "fern"
    assert [each.name for each in bundle.parent.iterdir()] == ["fern"], "nothing is left over"
    for path in bundle.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert "my_agent" not in text
            assert "My Agent" not in text
    checked = await agent(config, "check", bundle, "--json")
    report = json.loads(checked.out)
    assert (checked.code, report["accepted"], report["findings"]) == (0, True, []), report
    assert (report["agent_id"], report["steps"]["heartbeat"]) == ("fern", "skipped")


async def test_the_permissions_wished_for_are_in_the_manifest(config: Path) -> None:
    from hairem_core.hotplug.bundle import read_bundle

    await agent(config, "new", "fern", "--yes", "--home", "--network", "--name", "Fernande")
    bundle = read_bundle(config.parent / "agents" / "fern")
    assert bundle.permissions.as_list() == ["llm", "home.act", "network"]
    assert "Fernande" in bundle.persona.character["fr"]
    written = (bundle.folder / "manifest.yaml").read_text()
    listed = "permissions:\n  - llm\n  - home.act\n  - network\n# Settings, as ctx.config.\nconfig:"
    assert listed in written, "each comment is still before what it explains"


async def test_a_bundle_where_nobody_looks_is_called_that(config: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    made = await agent(config, "new", "fern", "--yes", "--into", elsewhere)
    assert made.code == 0, made
    assert "does not look there" in made.out
    assert "hairem ask" not in made.out
    made = await agent(config, "new", "fern", "--yes")
    assert "does not look there" not in made.out
    assert "hairem ask fern Hello" in made.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("new", "Fern"), "id: 'Fern' is no id. It is lower-case letters"),
        (("new", "f" * 33), "is no id. It is lower-case letters, digits and `_`, at most 32"),
        (("new", "home"), "'home' is reserved"),
        (("new", "fern", "--name", " x"), "a name is printable"),
        (("new", "fern", "--language", "de"), "languages: 'de': input should be 'en' or 'fr'"),
        (("new", "fern", "--into", "/no/such"), "no folder for agents that this user may write to"),
        (("new", "taken"), "there is a taken already"),
        (("check", "/no/such"), "/no/such: there is no such folder"),
        (("test", "nobody"), "there is no folder and no agent 'nobody'"),
        (("test", ""), "there is no folder and no agent ''"),
        (("show", ""), "there is no agent ''"),
        (("test", "taken"), "this bundle has no tests"),
        (("show", "taken"), "no H-Core runs on this data folder"),
        (("logs", "taken"), "no H-Core runs on this data folder"),
        (("enable", "taken"), "no H-Core runs on this data folder"),
    ],
)
async def test_wrong_input(config: Path, arguments: tuple[str, ...], complaint: str) -> None:
    write_agent(config.parent / "agents", "taken")
    extra = ("--yes",) if arguments[0] == "new" else ()
    done = await agent(config, *arguments, *extra)
    assert done.code == 2, done
    assert complaint in done.err
    assert "Traceback" not in done.err
    assert [each.name for each in (config.parent / "agents").iterdir()] == ["taken"]


async def test_a_wrong_bundle_is_told_file_line_and_what_to_do(config: Path) -> None:
    bundle = write_agent(config.parent / "agents", "broken", permissions="[llm, fly]")
    done = await agent(config, "check", bundle)
    assert done.code == 1
    assert f"{bundle}/manifest.yaml:4: error: " in done.out
    assert "there is no permission 'fly'" in done.out
    assert "manifest failed" in done.out
    report = json.loads((await agent(config, "check", bundle, "--json")).out)
    assert report["findings"][0]["line"] == 4


async def test_the_template_passes_its_own_tests(config: Path) -> None:
    """As it stands, and as `new` makes it."""
    await agent(config, "new", "fern", "--yes")
    done = await agent(config, "test", "fern", timeout=120)
    assert done.code == 0, done.out
    assert "4 passed" in done.out
    assert not list((config.parent / "agents").rglob("__pycache__"))


async def test_a_test_that_fails_shows_the_agents_log(config: Path) -> None:
    bundle = write_agent(config.parent / "agents", "clock", CLOCK)
    (bundle / "tests").mkdir()
    (bundle / "tests" / "test_clock.py").write_text("""
from hairem_agents.clock.logic import Agent

async def test_it_ticks(agent):
    assert Agent.__doc__
    assert (await agent.ask("hello")).text == "Tock."
""")
    done = await agent(config, "test", bundle, timeout=120)
    assert done.code == 1
    assert "assert 'Tick.' == 'Tock.'" in done.out
    assert "log of clock" in done.out
    assert "WARNING heard: hello" in done.out


HONEST = """
import faulthandler

from hairem_core.sdk import BaseAgent, Message, Topic


class Agent(BaseAgent):
    async def setup(self) -> None:
        if self.ctx.config.get("fails"):
            self.ctx.spawn_task(self._fail(), name="fails")

    async def on_message(self, message: Message) -> None:
        if message.payload.content == "die":
            faulthandler._sigsegv()
        if message.payload.content == "raise":
            raise ValueError("as told")
        await super().on_message(message)

    async def _fail(self) -> None:
        raise ValueError("in the background")
"""
TESTS = """
import asyncio
import pytest
from hairem_core.testing import AgentTestError, TurnFailed
from hairem_core.sdk import Topic

async def test_unscripted(agent):
    with pytest.raises(TurnFailed):
        await agent.ask("hello")

async def test_unused(agent):
    agent.model.reply("never said")

async def test_not_offered(agent):
    agent.model.calls_tool("fly")
    with pytest.raises(TurnFailed):
        await agent.ask("hello")

async def test_crash(agent):
    with pytest.raises(AgentTestError):
        await agent.send(Topic.AGENT_NOTE, "die")
    await agent.wait_until_live()

@pytest.mark.agent(config={"fails": True})
async def test_background(agent):
    await asyncio.sleep(0.3)

@pytest.mark.agent(timeout=0.5)
async def test_too_long(agent):
    await asyncio.sleep(30)

async def test_good(agent):
    with pytest.raises(AgentTestError, match="as told"):
        await agent.send(Topic.AGENT_NOTE, "raise")
    agent.model.fails("model_timeout")
    with pytest.raises(TurnFailed) as caught:
        await agent.ask("hello")
    assert caught.value.code == "model_timeout"
    agent.home.offers("HassTurnOn", returns={"ok": 1})
    agent.model.calls_tool("HassTurnOn", name="lamp")
    agent.model.reply("The lamp is on.")
    answer = await agent.ask("light", language="fr", speaker="Anna")
    assert answer.receipts[0].data == {"ok": 1}
    assert agent.home.calls[0].arguments == {"name": "lamp"}
    assert "Anna" in agent.model.prompts[-1]
"""


async def test_the_harness_is_honest(config: Path) -> None:
    """What an agent did not do right fails the test although its assertions hold."""
    bundle = write_agent(config.parent / "agents", "honest", HONEST)
    (bundle / "tests").mkdir()
    (bundle / "tests" / "test_honest.py").write_text(TESTS)
    done = await agent(config, "test", bundle, "--", "-rA", timeout=120)
    assert done.code == 1, done
    for complaint in (
        "honest asked the model unexpectedly: 'hello'",
        "the model was never asked for: reply('never said')",
        "calls_tool('fly'): the model was offered no such tool, only none",
        "honest crashed and was started again",
        "Task fails failed",
        "TimeoutError",
    ):
        assert complaint in done.out, complaint
    assert "PASSED tests/test_honest.py::test_good" in done.out
    assert "ERROR tests/test_honest.py::test_good" not in done.out
    assert "1 failed, 6 passed, 5 errors" in done.out


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """A running H-Core with one agent; returns its system.yaml."""
    folder = tmp_path_factory.mktemp("house")
    write_agent(folder / "agents", "clock", CLOCK)
    config = folder / "system.yaml"
    config.write_text(f"agents:\n  folders: [{folder / 'agents'}]\n")
    async with RunningCore(folder / "data", config) as core:
        async with asyncio.timeout(20):
            while (
                json.loads((await agent(config, "show", "clock", "--json")).out)["state"] != "live"
            ):
                await asyncio.sleep(0.1)
        assert core.data == folder / "data"
        yield config


in_house = pytest.mark.asyncio(loop_scope="module")


@in_house
async def test_details_of_a_running_agent(house: Path) -> None:
    done = await agent(house, "show", "clock")
    assert done.code == 0, done
    for said in ("live", "folder hash", "running hash", "pid", "memory bytes"):
        assert said in done.out
    details = json.loads((await agent(house, "show", "clock", "--json")).out)
    assert details["running_hash"] == details["folder_hash"]


@in_house
async def test_the_log_then_what_comes(house: Path) -> None:
    done = await agent(house, "logs", "clock", "-n", "50")
    assert done.code == 0
    assert "INFO    wound up" in done.out
    following = asyncio.create_task(agent(house, "logs", "clock", "-f", "-n", "0", timeout=8))
    await asyncio.sleep(4)
    said = await hairem("ask", "clock", "late word", "--data", house.parent / "data")
    assert said.out == "Tick.\n"
    with pytest.raises(TimeoutError):
        await following
    last = json.loads((await agent(house, "logs", "clock", "-n", "1", "--json")).out)
    assert (last["level"], last["text"]) == ("WARNING", "heard: late word")


@in_house
async def test_orders(house: Path) -> None:
    assert (await agent(house, "reload", "clock")).code == 0
    assert (await agent(house, "disable", "clock")).code == 0
    shown = json.loads((await agent(house, "show", "clock", "--json")).out)
    assert (shown["enabled"], shown["state"]) == (False, "stopped")
    assert "disabled" in (await hairem("agents", "--data", house.parent / "data")).out
    refused = await agent(house, "reload", "clock")
    assert (refused.code, "hairem agent enable clock" in refused.err) == (1, True)
    assert (await agent(house, "enable", "clock")).code == 0
    assert (await agent(house, "show", "clock")).code == 0
    for order in ("enable", "disable", "reload", "show", "logs"):
        done = await agent(house, order, "nobody")
        assert (done.code, "there is no agent 'nobody'" in done.err) == (2, True), done
    for odd in ("a/b", "../x"):
        done = await agent(house, "show", odd)
        assert (done.code, f"there is no agent '{odd}'" in done.err) == (2, True), done


@in_house
async def test_a_reader_that_goes_away_is_not_called_a_silent_core(house: Path) -> None:
    command = f"{sys.executable} -m hairem_core agent logs clock --config {house}"
    places = f"--data {house.parent / 'data'}"
    piped = await asyncio.create_subprocess_shell(
        f"{command} {places} | true", cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await piped.communicate()
    assert b"does not answer" not in complaint
    assert b"Traceback" not in complaint


@in_house
async def test_remove_asks_and_keeps_the_bundle(house: Path) -> None:
    bundle = write_agent(house.parent / "agents", "guest", CLOCK)
    async with asyncio.timeout(20):
        while (await agent(house, "show", "guest")).code != 0:
            await asyncio.sleep(0.1)
    done = await agent(house, "remove", "guest")
    assert (done.code, "nobody said yes" in done.err, bundle.is_dir()) == (1, True, True)
    assert (await agent(house, "remove", "guest", "--yes")).code == 0
    assert not bundle.exists()
    (kept,) = (house.parent / "data" / "removed").iterdir()
    assert (kept / "logic.py").read_text() == CLOCK
    assert (await agent(house, "show", "guest")).code == 2
