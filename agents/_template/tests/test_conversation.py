"""What is said to it, and what it says. Run with `hairem agent test`."""

from hairem_core.testing import AgentUnderTest


async def test_it_answers(agent: AgentUnderTest) -> None:
    """It asks the model in character, and says what the model says."""
    agent.model.reply("Good evening.")
    answer = await agent.ask("Hello!")
    assert answer.text == "Good evening."
    assert agent.record.name in agent.model.prompts[-1]
