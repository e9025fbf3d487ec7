"""What Renarde passes on. Run with `hairem agent test`."""

import pytest

from hairem_core.sdk import Topic
from hairem_core.testing import AgentUnderTest


@pytest.mark.parametrize("other", ["electra", "alfred"])
async def test_she_leaves_a_note_for_the_crew(agent: AgentUnderTest, other: str) -> None:
    """What she is asked to pass on goes to the agent it is for."""
    agent.model.calls_tool("leave_note", agent=other, note="Anna is cold")
    agent.model.reply("I have told them.")
    answer = await agent.ask("Tell them that I am cold.")
    assert answer.receipts[0].data == f"note left for {other}"
    notes = [each.header for each in await agent.published(Topic.AGENT_NOTE)]
    assert [note.recipient for note in notes] in ([f"agent:{other}"], [])


async def test_she_leaves_none_for_strangers(agent: AgentUnderTest) -> None:
    """The model is told who there is."""
    agent.model.calls_tool("leave_note", agent="nobody", note="Anna is cold")
    agent.model.reply("There is nobody of that name.")
    answer = await agent.ask("Tell nobody that I am cold.")
    assert "electra" in (answer.receipts[0].error or "")
