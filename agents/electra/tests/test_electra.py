"""What Electra does without a house to look at. Run with `hairem agent test`."""

import pytest

from hairem_core.sdk import Topic
from hairem_core.testing import AgentUnderTest

# Her own driver is tested against a real Home Assistant in tests/agents/ of the project.
pytestmark = pytest.mark.agent(secrets={"HA_TOKEN": ""})


async def test_she_does_sums_with_her_tool(agent: AgentUnderTest) -> None:
    """The model asks, and is told kWh and cost."""
    agent.model.calls_tool("energy_cost", watts=2000, hours=1.5, price_per_kwh=0.25)
    agent.model.reply("75 cents.")
    answer = await agent.ask("What does the oven cost me?")
    assert answer.receipts[0].data == {"kwh": 3.0, "cost": 0.75}


async def test_she_refuses_sums_that_make_no_sense(agent: AgentUnderTest) -> None:
    """The model is told why."""
    agent.model.calls_tool("energy_cost", watts=-1, hours=1, price_per_kwh=1)
    agent.model.reply("That makes no sense.")
    answer = await agent.ask("And minus one watt?")
    assert "negative" in (answer.receipts[0].error or "")


async def test_she_reads_notes_of_the_crew(agent: AgentUnderTest) -> None:
    """A note is in her next prompt, and after a reload."""
    await agent.send(Topic.AGENT_NOTE, "Anna is cold", sender="agent:renarde")
    await agent.reload()
    agent.model.reply("I will see to it.")
    await agent.ask("Well?")
    assert "renarde: Anna is cold" in agent.model.prompts[-1]


async def test_without_a_token_she_says_what_is_missing(agent: AgentUnderTest) -> None:
    """Once in her log; and she claims no reading of a sensor that she cannot see."""
    told = [line.text for line in agent.log if "ELECTRA_HA_TOKEN" in line.text]
    assert len(told) == 1
    agent.model.calls_tool("power_now")
    agent.model.reply("I cannot see the meters.")
    answer = await agent.ask("What draws most?")
    assert "no connection" in (answer.receipts[0].error or "")
