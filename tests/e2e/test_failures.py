"""What a person hears when something breaks in the middle of an answer."""

import asyncio
import os
import signal
import time

import pytest

from tests.support.home_assistant_socket import PipelineTurn
from tests.support.house import House
from tests.support.scripted_model import Rule, ScriptedModel
from tests.support.scripted_rules import Fault

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

LONG = Rule(match="long story", reply=[f"word{n} " for n in range(160)], delay_chunk=0.05)
"""Eight seconds of words. LiteLLM takes the same one said a hundred times for a broken model."""
PATIENCE = 2.0
"""Seconds from the break until the person is told."""


async def begin(house: House, agent: str, text: str) -> asyncio.Task[PipelineTurn]:
    """Return a turn whose first words have come."""
    first_words = asyncio.Event()
    turn = asyncio.create_task(
        house.home.socket.run_pipeline(
            text, pipeline=await house.pipeline(agent), on_delta=lambda _: first_words.set()
        )
    )
    waiting = asyncio.create_task(first_words.wait())
    await asyncio.wait({turn, waiting}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    assert first_words.is_set(), turn.result() if turn.done() else "no words in 20 s"
    return turn


async def test_an_agent_killed_in_mid_answer_is_told_at_once_and_is_back(
    house: House, model: ScriptedModel
) -> None:
    model.script.rules.append(LONG)
    bystander = await begin(house, "electra", "Tell me a long story.")
    turn = await begin(house, "renarde", "Tell me a long story.")
    victim = house.core.agent_pid("renarde")
    other = house.core.agent_pid("electra")

    killed = time.perf_counter()
    os.kill(victim, signal.SIGKILL)
    heard = await turn
    seconds = time.perf_counter() - killed

    assert seconds < PATIENCE
    assert heard.error, f"the break was spoken as an answer: {heard.answer}"
    assert "Renarde" in heard.answer
    assert "word" not in heard.answer
    # The model is not paid for words that nobody will hear.
    await model.wait_for(lambda requests: any(each.cancelled for each in requests), timeout=3)

    model.script.rules.clear()
    await house.core.wait_for_agents(house.token, "renarde")
    again = await house.home.socket.run_pipeline(
        "Hello, Renarde!", pipeline=await house.pipeline("renarde")
    )
    assert again.error is None
    assert "Renarde" in again.answer
    assert house.core.agent_pid("renarde") != victim
    agents = {each["id"]: each for each in await house.core.agents(house.token)}
    assert agents["renarde"]["restarts"] >= 1
    assert agents["electra"]["restarts"] == 0

    # The other one never noticed.
    assert house.core.agent_pid("electra") == other
    assert (await bystander).error is None


async def test_the_core_killed_in_mid_answer_is_told_at_once_and_everything_comes_back(
    house: House, model: ScriptedModel
) -> None:
    model.script.rules.append(LONG)
    turn = await begin(house, "electra", "Tell me a long story.")
    orphan = house.core.agent_pid("electra")

    killed = time.perf_counter()
    await house.core.kill()
    heard = await turn
    seconds = time.perf_counter() - killed

    assert seconds < PATIENCE
    assert heard.error
    assert "word" not in heard.answer
    await house.wait_until_away()
    absent = await house.home.process("Hello?", agent=house.agents["electra"])
    assert absent.error
    async with asyncio.timeout(3):
        while os.path.exists(f"/proc/{orphan}"):  # noqa: PTH110  a process
            await asyncio.sleep(0.02)

    model.script.rules.clear()
    await house.core.start()
    await house.wait_until_back()
    again = await house.home.socket.run_pipeline("Hello!", pipeline=await house.pipeline("electra"))
    assert again.error is None
    assert "Electra" in again.answer


@pytest.mark.parametrize(
    "fault", ["drop_mid", "error_mid", "bad_sse", "http_401", "http_500", "empty"]
)
async def test_a_model_that_fails_is_never_heard_as_the_agent(
    house: House, model: ScriptedModel, fault: Fault
) -> None:
    model.script.rules.append(Rule(match="weather", reply=["Sunny ", "all ", "day."], fault=fault))
    pipeline = await house.pipeline("renarde")

    heard = await house.home.socket.run_pipeline("How is the weather?", pipeline=pipeline)

    assert heard.error, f"heard as an answer: {heard.answer}"
    assert heard.answer
    assert "Sunny" not in heard.answer

    model.script.rules.clear()
    after = await house.home.socket.run_pipeline("Hello!", pipeline=pipeline)
    assert after.error is None, after.answer


async def test_an_error_is_told_in_the_language_of_the_person(
    house: House, model: ScriptedModel
) -> None:
    model.script.rules.append(Rule(match="météo", reply="Beau.", fault="http_401"))

    heard = await house.home.socket.run_pipeline(
        "Quelle est la météo ?", pipeline=await house.pipeline("renarde", "fr")
    )

    assert heard.error
    words = set(heard.answer.lower().replace("'", " ").split())
    assert words & {"le", "la", "les", "n", "a", "pas", "modèle"}, heard.answer
    assert not words & {"the", "model", "not"}, heard.answer
