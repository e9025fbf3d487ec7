"""Electra sees something in a real Home Assistant, and speaks up on a real H-Core."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from hairem_core.core import Core
from hairem_core.sdk.message import MessageType, Topic
from tests.agents.crew import answer_of, copy_agent, journal, unasked, until_unasked, utterance
from tests.agents.homes import ANNA, FRONT_DOOR, sense
from tests.support.core import running_core
from tests.support.home_assistant import KITCHEN_LIGHT
from tests.support.home_assistant import HomeAssistant as House
from tests.support.scripted_model import Rule, ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")

WELCOME = "Welcome home, Anna."
WATCH: list[dict[str, Any]] = [
    {
        "name": "came_home",
        "domain": "person",
        "to": "home",
        "say": {"en": "{name} has just come home.", "fr": "{name} vient de rentrer."},
    },
    {
        "name": "light",
        "entity": KITCHEN_LIGHT,
        "to": "on",
        "for": 0.02,
        "while": "nobody_home",
        "say": {"en": "{name} is on and nobody is home."},
    },
]


def rules(reply: str = WELCOME) -> list[Rule]:
    return [Rule(match="What do you say", reply=reply)]


def config(model: ScriptedModel) -> dict[str, Any]:
    return {
        "chat": {"model": "openai/scripted", "api_base": model.openai_base, "api_key": "not-a-key"}
    }


@pytest.fixture
def agents(home: House, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an Electra who knows where this house is."""
    monkeypatch.setenv("ELECTRA_HA_TOKEN", token)
    folder = tmp_path / "agents"
    copy_agent(folder, "electra", ports=[home.port], ha_url=home.url, watch=WATCH, quiet_hours=None)
    return folder


async def sees(core: Core, caplog: pytest.LogCaptureFixture, times: int = 1) -> None:
    """Return once Electra has said in her log that she sees the house."""
    async with asyncio.timeout(20):
        while sum("Connected to Home Assistant" in each for each in caplog.messages) < times:
            await asyncio.sleep(0.05)


async def test_who_comes_home_is_greeted_unasked_and_once(
    home: House, agents: Path, tmp_path: Path, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with ScriptedModel(rules()) as model:
        async with running_core(tmp_path, agents=agents, llm=config(model)) as core:
            await sees(core, caplog)
            await sense(home, ANNA, "home")
            said = (await until_unasked(core, "electra"))[0]
            assert said.payload.content == WELCOME
            assert said.header.type is MessageType.SUBJECTIVE
            assert said.header.topic is Topic.NARRATIVE_TEXT
            assert said.header.recipient == "crew"
            cause = said.payload.data["cause"]
            assert (cause["rule"], cause["entity_id"]) == ("came_home", ANNA)
            prompt = str(model.requests[-1].body["messages"])
            assert "Anna has just come home." in prompt
            assert "You are Electra" in prompt

            # Asked about it, she knows what she said.
            await answer_of(core, utterance("electra", "To whom did you say that?"))
            assert WELCOME in str(model.requests[-1].body["messages"])
            assert token not in str([each.body for each in model.requests])

            # A new version of her does not begin again, and still sees.
            touched = agents / "electra" / "logic.py"
            touched.write_text(touched.read_text() + "\n# another version\n")
            await sees(core, caplog, 2)
            await asyncio.sleep(0.5)
            assert len(await unasked(core, "electra")) == 1

        async with running_core(tmp_path, agents=agents, llm=config(model)) as core:
            await sees(core, caplog, 3)
            await asyncio.sleep(1)
            spoken = [each.payload.data["cause"]["rule"] for each in await unasked(core, "electra")]
            assert spoken.count("came_home") <= 1, "the journal may have been kept; no more than it"
    assert token not in caplog.text


async def test_a_light_left_on_is_told_when_everybody_is_gone_and_nothing_is_touched(
    home: House, agents: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with (
        ScriptedModel(rules("The kitchen light burns for nobody.")) as model,
        running_core(tmp_path, agents=agents, llm=config(model)) as core,
    ):
        await sees(core, caplog)
        await home.call("light.turn_on", entity_id=KITCHEN_LIGHT)
        said = await until_unasked(core, "electra")
        assert said[0].payload.content == "The kitchen light burns for nobody."
        assert await home.state(KITCHEN_LIGHT) == "on", "she tells, and leaves it to people"


@pytest.mark.timeout(180)
async def test_after_home_assistant_was_killed_she_sees_again_and_repeats_nothing(
    home: House, agents: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await home.call("light.turn_on", entity_id=KITCHEN_LIGHT)
    # Home Assistant writes its states down after a while, and this is no test of that.
    await asyncio.sleep(1)
    async with (
        ScriptedModel(rules()) as model,
        running_core(tmp_path, agents=agents, llm=config(model)) as core,
    ):
        await sees(core, caplog)
        await sense(home, ANNA, "home")
        await until_unasked(core, "electra")
        await home.child.kill()
        await home.stop()
        await home.start()
        async with asyncio.timeout(45):
            while sum("Connected to Home Assistant" in each for each in caplog.messages) < 2:
                await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        assert len(await unasked(core, "electra")) == 1
        # A light goes on with nobody home: noticed as before.
        await sense(home, ANNA, "not_home")
        await home.call("light.turn_off", entity_id=KITCHEN_LIGHT)
        await home.call("light.turn_on", entity_id=KITCHEN_LIGHT)
        said = await until_unasked(core, "electra", 2)
        assert said[1].payload.data["cause"]["rule"] == "light"


async def test_what_is_better_left_unsaid_is_left_unsaid(
    home: House, agents: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with (
        ScriptedModel(rules("-")) as model,
        running_core(tmp_path, agents=agents, llm=config(model)) as core,
    ):
        await sees(core, caplog)
        await sense(home, ANNA, "home")
        await model.wait_for(lambda requests: len(requests) == 1, timeout=20)
        await asyncio.sleep(0.5)
        assert await unasked(core, "electra") == []
        assert any("left unsaid" in each for each in caplog.messages)


@pytest.mark.parametrize("brain", ["none", "broken"])
@pytest.mark.parametrize("language", ["en", "fr"])
async def test_without_a_model_the_plain_fact_is_said_and_no_error(
    home: House,
    agents: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    brain: str,
    language: str,
) -> None:
    caplog.set_level(logging.INFO)
    if language == "fr":
        # This house's own language is English, which this Electra does not speak.
        speak_only(agents / "electra", "fr")
    broken = ScriptedModel([Rule(match=".", fault="http_500", reply="x")])
    async with (
        broken as model,
        running_core(
            tmp_path, agents=agents, llm=config(model) if brain == "broken" else {}
        ) as core,
    ):
        await sees(core, caplog)
        await sense(home, ANNA, "home")
        said = await until_unasked(core, "electra")
        expected = {"en": "Anna has just come home.", "fr": "Anna vient de rentrer."}
        assert said[0].payload.content == expected[language]


async def test_a_wrong_token_is_told_once_and_she_goes_on_answering(
    home: House,
    agents: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("ELECTRA_HA_TOKEN", "this-is-no-token-of-this-house")
    async with (
        ScriptedModel([Rule(match="hello", reply="Good evening.")]) as model,
        running_core(tmp_path, agents=agents, llm=config(model)) as core,
    ):
        assert await answer_of(core, utterance("electra", "hello")) == "Good evening."
        async with asyncio.timeout(10):
            while not any("refuses the token" in each for each in caplog.messages):
                await asyncio.sleep(0.05)
        await asyncio.sleep(2)
        told = [each for each in caplog.messages if "refuses the token" in each]
        assert len(told) == 1
        assert "ELECTRA_HA_TOKEN" in told[0]
        assert "this-is-no-token" not in caplog.text
        await answer_of(core, utterance("electra", "hello"))
        assert "refuses the token" in str(model.requests[-1].body["messages"])


async def test_without_a_token_she_is_as_she_was_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.delenv("ELECTRA_HA_TOKEN", raising=False)
    copy_agent(tmp_path / "agents", "electra")
    async with (
        ScriptedModel([Rule(match="hello", reply="Good evening.")]) as model,
        running_core(tmp_path, agents=tmp_path / "agents", llm=config(model)) as core,
    ):
        assert await answer_of(core, utterance("electra", "hello")) == "Good evening."
        assert sum("set ELECTRA_HA_TOKEN" in each for each in caplog.messages) == 1
        assert not [each for each in await journal(core) if each.payload.data.get("proactive")]


async def test_settings_that_make_no_sense_are_named(
    home: House, agents: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit(agents / "electra", {"watch": [{"name": "x", "domain": "light", "say": {"en": "x"}}]})
    async with running_core(tmp_path, agents=agents, wait=False) as core:
        async with asyncio.timeout(20):
            while "config.watch.0" not in str(core.registry.records()):
                await asyncio.sleep(0.05)
        assert "which state" in str(core.registry.records())


async def test_a_port_that_is_not_permitted_is_named(
    home: House, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("ELECTRA_HA_TOKEN", token)
    copy_agent(tmp_path / "agents", "electra", ha_url=home.url, watch=WATCH)
    async with running_core(tmp_path, agents=tmp_path / "agents"):
        async with asyncio.timeout(20):
            while not any("No connection to Home" in each for each in caplog.messages):
                await asyncio.sleep(0.05)
                if any("Connected to Home Assistant" in each for each in caplog.messages):
                    pytest.skip("this kernel cannot limit the network")
        told = next(each for each in caplog.messages if "No connection to Home" in each)
        assert f"Add {home.port} to the list of `network:`" in told


async def test_a_door_seen_open_before_is_not_news(
    home: House, agents: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    edit(
        agents / "electra",
        {
            "watch": [
                {"name": "door", "entity": FRONT_DOOR, "to": "on", "say": {"en": "{name} is open."}}
            ]
        },
    )
    await sense(home, FRONT_DOOR, "on")
    async with running_core(tmp_path, agents=agents) as core:
        await sees(core, caplog)
        await asyncio.sleep(0.5)
        assert await unasked(core, "electra") == []
        await sense(home, FRONT_DOOR, "off")
        await sense(home, FRONT_DOOR, "on")
        said = await until_unasked(core, "electra")
        assert said[0].payload.content == "Front door is open."


def edit(bundle: Path, settings: dict[str, Any]) -> None:
    manifest = bundle / "manifest.yaml"
    yaml = YAML()
    content = yaml.load(manifest.read_text())
    content["config"].update(settings)
    with manifest.open("w") as out:
        yaml.dump(content, out)


def speak_only(bundle: Path, language: str) -> None:
    manifest = bundle / "manifest.yaml"
    manifest.write_text(
        manifest.read_text().replace("languages: [en, fr]", f"languages: [{language}]")
    )
