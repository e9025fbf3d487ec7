"""What Alfred keeps, and that he speaks up in time. Run with `hairem agent test`."""

import pytest

from hairem_core.sdk import Topic
from hairem_core.testing import AgentUnderTest


async def test_he_keeps_a_list(agent: AgentUnderTest) -> None:
    """What is on it is before him in the next prompt, and after a reload."""
    agent.model.calls_tool("add_to_list", items=["tea", "lemons", "tea"])
    agent.model.reply("Noted.")
    answer = await agent.ask("We need tea and lemons.")
    assert answer.receipts[0].data == {"added": ["tea", "lemons"], "list": ["tea", "lemons"]}

    await agent.reload()
    agent.model.calls_tool("take_off_list", items=["tea"])
    agent.model.reply("Very good.")
    answer = await agent.ask("I bought tea.")
    assert answer.receipts[0].data == {"taken_off": ["tea"], "list": ["lemons"]}
    assert "On the list shopping: tea, lemons" in agent.model.prompts[-1]


async def test_he_reminds_in_time_who_asked(agent: AgentUnderTest) -> None:
    """A reminder is spoken by itself, to the person, in their language."""
    agent.model.calls_tool("remind", what="sortir le pain", in_minutes=0.01)
    agent.model.reply("Bien sûr.")
    await agent.ask("Rappelez-moi le pain.", language="fr", speaker="Anna")
    said = await agent.says()
    assert said.header.recipient == "user:tester"
    assert said.payload.content == "Comme convenu, je vous le rappelle : sortir le pain."


async def test_a_reminder_survives_a_reload(agent: AgentUnderTest) -> None:
    """The new version tells what the old one was told."""
    agent.model.calls_tool("remind", what="water the roses", in_minutes=0.05)
    agent.model.reply("Certainly.")
    await agent.ask("Remind me of the roses.")
    await agent.reload()
    said = await agent.says(within=10)
    assert said.header.recipient == "crew"
    assert "water the roses" in said.payload.content


async def test_a_reminder_can_be_cancelled(agent: AgentUnderTest) -> None:
    """It is no longer there, and its id is not given again."""
    agent.model.calls_tool("remind", what="roses", at="07:00", repeat="weekdays")
    agent.model.reply("Certainly.")
    answer = await agent.ask("Every weekday at seven: roses.")
    assert answer.receipts[0].data["repeats"] == "mon,tue,wed,thu,fri"
    agent.model.calls_tool("cancel_reminder", reminder_id="r1")
    agent.model.calls_tool("list_reminders")
    agent.model.reply("Cancelled.")
    answer = await agent.ask("No more roses.")
    assert answer.receipts[0].data["cancelled"]["what"] == "roses"
    assert answer.receipts[1].data == []


@pytest.mark.agent(config={"time_zone": "Europe/Paris"})
async def test_a_time_he_cannot_read_is_asked_for(agent: AgentUnderTest) -> None:
    """The model is told how to write it."""
    agent.model.calls_tool("remind", what="roses", at="tomorrow evening")
    agent.model.reply("At what time?")
    answer = await agent.ask("Remind me tomorrow evening.")
    assert "YYYY-MM-DDTHH:MM" in (answer.receipts[0].error or "")


async def test_he_knows_what_a_guest_must_not_eat(agent: AgentUnderTest) -> None:
    """Who comes soon is before him unasked, allergies first of all."""
    agent.model.calls_tool("note_about_guest", name="Aunt May", allergies=["nuts"])
    agent.model.calls_tool("expect_guest", name="aunt may", arrives="2020-01-01")
    agent.model.reply("That day is past.")
    answer = await agent.ask("Aunt May comes on New Year's Day 2020 and eats no nuts.")
    assert answer.receipts[0].data["allergies"] == ["nuts"]
    assert "is past" in (answer.receipts[1].error or "")


async def test_he_reads_notes_of_the_crew(agent: AgentUnderTest) -> None:
    """A note is in his next prompt."""
    await agent.send(Topic.AGENT_NOTE, "Dinner is at eight", sender="agent:renarde")
    agent.model.reply("At eight.")
    await agent.ask("When is dinner?")
    assert "renarde: Dinner is at eight" in agent.model.prompts[-1]
