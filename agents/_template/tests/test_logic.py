"""What it does. Run with `hairem agent test`."""

import pytest

from hairem_core.testing import AgentUnderTest


async def test_it_remembers(agent: AgentUnderTest) -> None:
    """The model calls the tool, and what it keeps outlives the process."""
    agent.model.calls_tool("remember", thing="the bins")
    agent.model.reply("I will remember the bins.")
    answer = await agent.ask("Remind me of the bins.")
    assert answer.receipts[0].data == ["the bins"]

    await agent.reload()
    assert await agent.state.get("things") == ["the bins"]


async def test_it_refuses_what_has_no_name(agent: AgentUnderTest) -> None:
    """The model is told what was wrong, and may ask."""
    agent.model.calls_tool("remember", thing=" ")
    agent.model.reply("What shall I remember?")
    answer = await agent.ask("Remind me.")
    assert "no name" in (answer.receipts[0].error or "")


@pytest.mark.agent(config={"remind_every_seconds": 0.1})
async def test_it_reminds_unasked(agent: AgentUnderTest) -> None:
    """Without a word from anyone it says what is to be remembered."""
    await agent.state.set("things", ["the bins"])
    reminder = await agent.says()
    assert "the bins" in reminder.payload.content
