"""Alfred's reminders on a real H-Core, with kill -9 and restarts in between."""

import asyncio
import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hairem_core.core import Core
from tests.agents.crew import answer_of, copy_agent, unasked, until_unasked, utterance
from tests.support.bus import until
from tests.support.child import BIN
from tests.support.core import Client, running_core
from tests.support.core_process import CoreProcess
from tests.support.scripted_model import Rule, ScriptedModel
from tests.support.scripted_rules import ToolCallSpec


def reminding(minutes: float) -> list[Rule]:
    """Return the script of a model that sets a reminder when asked to."""
    call = ToolCallSpec(
        name="remind", arguments={"what": "take the bread out", "in_minutes": minutes}
    )
    return [
        Rule(match="remind me", after_tool=False, tool_call=call),
        Rule(match="remind me", after_tool=True, reply="Very good."),
    ]


def model_config(model: ScriptedModel) -> dict[str, object]:
    return {
        "chat": {"model": "openai/scripted", "api_base": model.openai_base, "api_key": "not-a-key"}
    }


def pid_of_alfred(folder: Path) -> int | None:
    """Return the process that works in Alfred's folder."""
    home = (folder / "data" / "agents" / "alfred").resolve()
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and (process / "cwd").readlink() == home:
                return int(process.name)
    return None


async def until_told(core: Core, reminder: str) -> None:
    """Return once Alfred has told this reminder."""
    async with asyncio.timeout(20):
        while reminder not in [
            each.payload.data["cause"]["reminder"] for each in await unasked(core, "alfred")
        ]:
            await asyncio.sleep(0.05)


async def test_a_reminder_is_spoken_to_who_asked_and_to_nobody_twice(tmp_path: Path) -> None:
    copy_agent(tmp_path / "agents", "alfred", time_zone="Europe/Paris")
    async with (
        ScriptedModel(reminding(0.02)) as model,
        running_core(tmp_path, agents=tmp_path / "agents", llm=model_config(model)) as core,
    ):
        answer = await answer_of(core, utterance("alfred", "Remind me of the bread!"))
        assert answer == "Very good."
        said = await until_unasked(core, "alfred")
        assert said[0].header.recipient == "user:anna"
        assert said[0].payload.content == "A reminder, as you asked: take the bread out."
        assert said[0].payload.data["cause"]["reminder"] == "r1"

        french = utterance("alfred", "Remind me, en français", user="user:house", language="fr")
        await answer_of(core, french)
        said = await until_unasked(core, "alfred", 2)
        assert said[1].header.recipient == "crew", "nobody said who they are"
        assert said[1].payload.content.startswith("Comme convenu")
        await asyncio.sleep(0.5)
        assert len(await unasked(core, "alfred")) == 2


async def test_a_reminder_survives_a_killed_process_and_a_restarted_core(tmp_path: Path) -> None:
    copy_agent(tmp_path / "agents", "alfred")
    agents = tmp_path / "agents"
    async with ScriptedModel(reminding(0.1)) as model:
        async with running_core(tmp_path, agents=agents, llm=model_config(model)) as core:
            await answer_of(core, utterance("alfred", "Remind me of the bread!"))
            killed = pid_of_alfred(tmp_path)
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            await until(lambda: pid_of_alfred(tmp_path) not in (killed, None))
            said = await until_unasked(core, "alfred")
            assert said[0].payload.data["cause"]["late"] is False
            await answer_of(core, utterance("alfred", "Remind me of the bread!"))
        # It is due while the house is off, and told on the way back.
        await asyncio.sleep(7)
        async with running_core(tmp_path, agents=agents, llm=model_config(model)) as core:
            await until_told(core, "r2")
            await asyncio.sleep(1)
            said = await unasked(core, "alfred")
            assert [
                each.payload.data["cause"]["reminder"] for each in await unasked(core, "alfred")
            ] in (
                ["r1", "r2"],
                ["r2"],
            )


def told_by(core: CoreProcess) -> list[dict[str, Any]]:
    """Return what Alfred said of his own accord, as the journal of that H-Core has it."""
    tail: list[str | Path] = [BIN / "hairem", "bus", "tail", "--no-follow", "-n", "500", "--json"]
    done = subprocess.run(
        [*tail, "--data", core.data], capture_output=True, text=True, timeout=30, check=True
    )
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [
        each
        for each in messages
        if each["header"]["sender"] == "agent:alfred" and each["payload"]["data"].get("proactive")
    ]


@pytest.mark.timeout(180)
async def test_a_reminder_survives_kill_9_of_everything(tmp_path: Path) -> None:
    async with (
        ScriptedModel(reminding(0.1)) as model,
        CoreProcess(tmp_path, model_base=model.openai_base) as core,
    ):
        token = core.token("test")
        await core.wait_for_agents(token, "alfred")
        async with Client.connect(f"{core.host}:{core.port}", token) as client:
            turn = await client.turn(
                "alfred", "Remind me of the bread!", user={"id": "anna", "name": "Anna"}
            )
            assert turn[-1]["kind"] == "done"
        await core.kill()
        await asyncio.sleep(6)
        await core.start()
        async with asyncio.timeout(20):
            while not (told := await asyncio.to_thread(told_by, core)):
                await asyncio.sleep(0.2)
        assert told[0]["header"]["recipient"] == "user:anna"
        assert "take the bread out" in told[0]["payload"]["content"]
        # Killed once more, it has been told and stays told.
        await core.kill()
        await core.start()
        await core.wait_for_agents(token, "alfred")
        await asyncio.sleep(2)
        assert len(await asyncio.to_thread(told_by, core)) <= 1


async def test_what_he_keeps_is_before_him_when_he_is_asked(tmp_path: Path) -> None:
    copy_agent(tmp_path / "agents", "alfred", time_zone="Europe/Paris")
    rules = [
        Rule(
            match="we need",
            after_tool=False,
            tool_call=ToolCallSpec(name="add_to_list", arguments={"items": ["tea", "lemons"]}),
        ),
        Rule(
            match="aunt may",
            after_tool=False,
            tool_call=ToolCallSpec(
                name="note_about_guest", arguments={"name": "Aunt May", "allergies": ["nuts"]}
            ),
        ),
        Rule(after_tool=True, reply="It is noted."),
    ]
    async with (
        ScriptedModel(rules) as model,
        running_core(tmp_path, agents=tmp_path / "agents", llm=model_config(model)) as core,
    ):
        assert (
            await answer_of(core, utterance("alfred", "We need tea and lemons")) == "It is noted."
        )
        await answer_of(core, utterance("alfred", "Aunt May must not eat nuts"))
        model.requests.clear()
        await answer_of(core, utterance("alfred", "Well?"))
        prompt = str(model.requests[0].body["messages"])
        assert "On the list shopping: tea, lemons" in prompt
        assert "in this house" in prompt
        tools = {each["function"]["name"]: each for each in model.requests[0].body["tools"]}
        remind = tools["remind"]["function"]
        assert "in_minutes" in remind["parameters"]["properties"]


async def test_without_a_model_a_reminder_that_was_set_is_told_all_the_same(tmp_path: Path) -> None:
    copy_agent(tmp_path / "agents", "alfred")
    agents = tmp_path / "agents"
    async with (
        ScriptedModel(reminding(0.05)) as model,
        running_core(tmp_path, agents=agents, llm=model_config(model)) as core,
    ):
        await answer_of(core, utterance("alfred", "Remind me of the bread!"))
    async with running_core(tmp_path, agents=agents) as core:
        said = await until_unasked(core, "alfred")
        assert "take the bread out" in said[0].payload.content


async def test_a_time_that_makes_no_sense_is_told_to_the_model(tmp_path: Path) -> None:
    copy_agent(tmp_path / "agents", "alfred")
    call = ToolCallSpec(name="remind", arguments={"what": "x", "at": "tomorrow evening"})
    rules = [
        Rule(match="remind me", after_tool=False, tool_call=call),
        Rule(match="remind me", after_tool=True, reply="At what time?"),
    ]
    async with (
        ScriptedModel(rules) as model,
        running_core(tmp_path, agents=tmp_path / "agents", llm=model_config(model)) as core,
    ):
        await answer_of(core, utterance("alfred", "Remind me tomorrow evening"))
        assert "YYYY-MM-DDTHH:MM" in str(model.requests[-1].body["messages"])
