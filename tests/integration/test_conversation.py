"""A person speaks, an agent answers."""

import asyncio
import inspect
from typing import Any

import pytest
from homeassistant.components.conversation import ChatLog, async_get_chat_log
from homeassistant.const import CONF_PROMPT, MATCH_ALL
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import intent
from homeassistant.helpers.chat_session import async_get_chat_session
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.hairem.failures import FAILURES
from tests.integration.bridge_frames import Cancel
from tests.integration.bridge_server import BridgeServer, ServerTurn, agent, hang
from tests.integration.conftest import Ask, eventually, spoken


async def test_answer(bridge: BridgeServer, ask: Ask) -> None:
    result = await ask("Who is home?")
    assert spoken(result) == "Who is home? "
    assert result.response.response_type is intent.IntentResponseType.ACTION_DONE
    assert bridge.turns[0].command.agent_id == "renarde"
    await ask("And you?", "electra")
    assert bridge.turns[1].command.agent_id == "electra"


async def test_agents_speak_every_language(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    from homeassistant.components.conversation.const import DATA_COMPONENT

    entity = hass.data[DATA_COMPONENT].get_entity("conversation.renarde")
    assert entity is not None
    assert entity.supported_languages == MATCH_ALL
    assert entity.supports_streaming


async def test_words_are_passed_on_as_they_come(
    hass: HomeAssistant, bridge: BridgeServer, ask: Ask
) -> None:
    """The agent says its second word only after the listener has heard the first."""
    heard: list[str] = []
    first_word = asyncio.Event()

    async def script(turn: ServerTurn) -> None:
        await turn.thinking("What did she say?")
        await turn.delta("One")
        await first_word.wait()
        await turn.delta(" two")
        await turn.done("One two")

    def listen(_: ChatLog, delta: dict[str, Any]) -> None:
        if content := delta.get("content"):
            heard.append(content)
            first_word.set()

    bridge.script = script
    context = Context()
    # The context became an argument, and mandatory, in 2026.11.
    takes_context = "context" in inspect.signature(async_get_chat_session).parameters
    details: dict[str, Any] = {"context": context} if takes_context else {}
    with (
        async_get_chat_session(hass, **details) as session,
        async_get_chat_log(hass, session, chat_log_delta_listener=listen) as chat_log,
    ):
        async with asyncio.timeout(3):
            result = await ask("Count", context=context, conversation_id=session.conversation_id)
        thoughts = chat_log.content[-1]
    assert heard == ["One", " two"]
    assert spoken(result) == "One two"
    assert getattr(thoughts, "thinking_content", None) == "What did she say?"


async def test_what_the_agent_is_told(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, ask: Ask
) -> None:
    user = MockUser(id="anna-id", name="Anna").add_to_hass(hass)
    kitchen = ar.async_get(hass).async_create("Kitchen")
    registry = dr.async_get(hass)
    speaker = registry.async_get_or_create(
        config_entry_id=loaded.entry_id, identifiers={("speakers", "1")}, name="Speaker"
    )
    registry.async_update_device(speaker.id, area_id=kitchen.id)
    await ask(
        "Bonsoir",
        language="fr",
        context=Context(user_id=user.id),
        device_id=speaker.id,
        extra_system_prompt="She just came home.",
    )
    command = bridge.turns[0].command
    assert command.text == "Bonsoir"
    assert command.language == "fr"
    assert command.conversation_id
    assert command.user is not None
    assert command.user.model_dump() == {"id": "anna-id", "name": "Anna"}
    assert command.device is not None
    assert command.device.model_dump() == {
        "id": speaker.id,
        "name": "Speaker",
        "area": "Kitchen",
    }
    assert command.history == []
    assert command.instructions is not None
    assert "She just came home." in command.instructions
    # Agents have a character of their own.
    assert "You are a voice assistant for Home Assistant" not in command.instructions


async def test_what_is_not_known_is_left_out(
    hass: HomeAssistant, bridge: BridgeServer, ask: Ask
) -> None:
    await ask("Hello", context=Context(user_id="gone"), device_id="gone")
    command = bridge.turns[0].command
    assert command.user is None
    assert command.device is None


async def test_a_device_without_an_area(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, ask: Ask
) -> None:
    speaker = dr.async_get(hass).async_get_or_create(
        config_entry_id=loaded.entry_id, identifiers={("speakers", "1")}, name="Speaker"
    )
    await ask("Hello", device_id=speaker.id)
    device = bridge.turns[0].command.device
    assert device is not None
    assert device.model_dump() == {"id": speaker.id, "name": "Speaker", "area": None}


async def test_the_extra_prompt_is_a_template(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, ask: Ask
) -> None:
    options = {**loaded.options, CONF_PROMPT: "It is {{ 40 + 2 }} degrees."}
    hass.config_entries.async_update_entry(loaded, options=options)
    await hass.config_entries.async_reload(loaded.entry_id)
    await ask("Hello")
    assert "It is 42 degrees." in str(bridge.turns[0].command.instructions)


async def test_a_template_that_is_broken_is_told(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, ask: Ask
) -> None:
    options = {**loaded.options, CONF_PROMPT: "{{ nothing.at.all }}"}
    hass.config_entries.async_update_entry(loaded, options=options)
    await hass.config_entries.async_reload(loaded.entry_id)
    result = await ask("Hello")
    assert result.response.response_type is intent.IntentResponseType.ERROR
    assert bridge.turns == []


async def test_the_conversation_so_far(bridge: BridgeServer, ask: Ask) -> None:
    first = await ask("My name is Anna.")
    # Another agent, and one of Home Assistant's own: what they said was said all the same.
    await ask("I like tea.", "electra", conversation_id=first.conversation_id)
    await ask("Who am I?", conversation_id=first.conversation_id)
    history = bridge.turns[-1].command.history
    assert history is not None
    assert [(said.role, said.content) for said in history] == [
        ("user", "My name is Anna."),
        ("assistant", "My name is Anna. "),
        ("user", "I like tea."),
        ("assistant", "I like tea. "),
    ]
    assert bridge.turns[-1].command.conversation_id == first.conversation_id


async def test_sentences_that_home_assistant_handled_itself_are_known(
    bridge: BridgeServer, ask: Ask
) -> None:
    first = await ask("Hello")
    await ask("what time is it", "home_assistant", conversation_id=first.conversation_id)
    await ask("What did I ask?", conversation_id=first.conversation_id)
    history = bridge.turns[-1].command.history
    assert history is not None
    assert [said.content for said in history if said.role == "user"] == [
        "Hello",
        "what time is it",
    ]
    assert len(history) == 4


@pytest.mark.parametrize("wanted", [True, False])
async def test_whether_to_go_on_listening(bridge: BridgeServer, ask: Ask, wanted: bool) -> None:
    async def script(turn: ServerTurn) -> None:
        await turn.delta("Shall I?")
        await turn.done("Shall I?", continue_conversation=wanted)

    bridge.script = script
    assert (await ask("Dim the lights")).continue_conversation is wanted


async def test_an_answer_that_was_not_streamed(bridge: BridgeServer, ask: Ask) -> None:
    async def script(turn: ServerTurn) -> None:
        await turn.done("All at once.")

    bridge.script = script
    assert spoken(await ask("Hello")) == "All at once."


async def test_the_end_of_an_answer_that_was_not_streamed(bridge: BridgeServer, ask: Ask) -> None:
    async def script(turn: ServerTurn) -> None:
        await turn.delta("Well, ")
        await turn.done("Well, well.")

    bridge.script = script
    assert spoken(await ask("Hello")) == "Well, well."


SENTENCES = {
    "en": {
        "agent_crashed": "Renarde fell over in the middle of the answer, and will be back in a "
        "moment. Please ask again.",
        "model_timeout": "The language model did not answer Renarde in time. Please ask again.",
        "a_code_from_the_future": "Renarde could not answer: Because.",
    },
    "fr-CA": {
        "agent_crashed": "Renarde a eu un accident en pleine réponse, et revient dans un instant. "
        "Reposez votre question.",
        "model_timeout": "Le modèle de langage n'a pas répondu à temps à Renarde. "
        "Reposez votre question.",
        "a_code_from_the_future": "Renarde n'a pas pu répondre : Because.",
    },
    "de": {"model_timeout": "The language model did not answer Renarde in time. Please ask again."},
}


@pytest.mark.parametrize(
    ("language", "code", "sentence"),
    [
        (language, code, sentence)
        for language, by_code in SENTENCES.items()
        for code, sentence in by_code.items()
    ],
)
@pytest.mark.parametrize("said", ["", "Well"], ids=["at once", "in mid-answer"])
async def test_failures_are_told_in_the_speakers_language(
    bridge: BridgeServer, ask: Ask, language: str, code: str, sentence: str, said: str
) -> None:
    async def script(turn: ServerTurn) -> None:
        if said:
            await turn.delta(said)
        await turn.failed(code)

    bridge.script = script
    result = await ask("Hello", language=language)
    assert result.response.response_type is intent.IntentResponseType.ERROR
    assert spoken(result) == sentence


@pytest.mark.parametrize("code", sorted(FAILURES))
@pytest.mark.parametrize("language", ["en", "fr"])
async def test_every_failure_has_a_sentence(
    bridge: BridgeServer, ask: Ask, code: str, language: str
) -> None:
    async def script(turn: ServerTurn) -> None:
        await turn.failed(code)

    bridge.script = script
    sentence = spoken(await ask("Hello", language=language))
    assert sentence.endswith((".", "!", "?"))
    assert "{" not in sentence
    assert "Because" not in sentence


async def test_a_failure_leaves_its_reason_in_the_log(
    bridge: BridgeServer, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(turn: ServerTurn) -> None:
        await turn.failed("model_refused", "The key sk-… is not known")

    bridge.script = script
    await ask("Hello")
    assert "Renarde could not answer: The key sk-… is not known (model_refused)" in caplog.text


async def test_an_empty_text(bridge: BridgeServer, ask: Ask) -> None:
    assert spoken(await ask(" ")) == "I heard nothing that I could pass on to Renarde."


async def test_an_empty_answer(bridge: BridgeServer, ask: Ask) -> None:
    async def script(turn: ServerTurn) -> None:
        await turn.thinking("I will say nothing.")
        await turn.done("")

    bridge.script = script
    result = await ask("Hello")
    assert result.response.response_type is intent.IntentResponseType.ERROR
    assert spoken(result) == "Renarde had nothing to say. Please ask in another way."


async def test_an_agent_that_is_not_live(bridge: BridgeServer, ask: Ask) -> None:
    await bridge.set_agent(agent("renarde", state="crashed", reason="It fell over."))
    assert spoken(await ask("Hello")) == "Renarde is not available at the moment."


async def test_a_core_that_is_away(bridge: BridgeServer, ask: Ask) -> None:
    await bridge.stop()
    await asyncio.sleep(0.05)
    assert spoken(await ask("Hello")).startswith("H-Core cannot be reached at the moment")


async def test_a_core_that_goes_away_in_mid_answer(bridge: BridgeServer, ask: Ask) -> None:
    async def script(turn: ServerTurn) -> None:
        await turn.delta("Well")
        await asyncio.sleep(0.02)
        bridge.abort()

    bridge.script = script
    async with asyncio.timeout(2):
        result = await ask("Hello")
    assert spoken(result).startswith("The connection to H-Core was lost before Renarde")


async def test_someone_else_cancels(bridge: BridgeServer, ask: Ask) -> None:
    async def script(turn: ServerTurn) -> None:
        turn.ended = True
        await turn.event({"kind": "cancelled"})

    bridge.script = script
    assert spoken(await ask("Hello")) == "The question to Renarde was cancelled."


async def test_whoever_stops_listening_cancels_the_turn(bridge: BridgeServer, ask: Ask) -> None:
    bridge.script = hang
    asking = asyncio.create_task(ask("Tell me everything"))
    await eventually(lambda: bool(bridge.turns))
    await asyncio.sleep(0.02)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(bridge.turns[0].cancelled.wait(), 1)
    assert sum(isinstance(command, Cancel) for command in bridge.commands) == 1
    # The conversation goes on.
    bridge.script = lambda turn: turn.done("Yes.")
    assert spoken(await ask("Are you there?")) == "Yes."


async def test_two_conversations_at_once(bridge: BridgeServer, ask: Ask) -> None:
    both = asyncio.Barrier(2)

    async def script(turn: ServerTurn) -> None:
        for word in turn.command.text.split():
            async with asyncio.timeout(2):
                await both.wait()
            await turn.delta(f"{word} ")
        await turn.done(turn.command.text + " ")

    bridge.script = script
    answers = await asyncio.gather(ask("one two three", "renarde"), ask("four five six", "electra"))
    assert [spoken(answer) for answer in answers] == ["one two three ", "four five six "]
