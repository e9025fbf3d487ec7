"""Agents act in the house, and Home Assistant does it."""

from typing import Any

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.components.light import LightEntity
from homeassistant.components.light.const import ColorMode
from homeassistant.const import CONF_LLM_HASS_API, STATE_OFF, STATE_ON
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import intent, llm
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockUser,
    async_capture_events,
    setup_test_component_platform,
)

from custom_components.hairem.const import MAX_TOOL_ROUNDS
from tests.integration.bridge_frames import Cancel, ToolResult, ToolResults
from tests.integration.bridge_server import BridgeServer, ServerTurn, agent
from tests.integration.conftest import Ask, eventually, spoken

type Call = tuple[str, dict[str, Any]]

TURN_ON: Call = ("intent__HassTurnOn", {"name": "Kitchen lamp"})
WHAT_TIME: Call = ("llm__GetDateTime", {})


class Lamp(LightEntity):
    """A lamp that can be switched, and may be broken."""

    _attr_name = "Kitchen lamp"
    _attr_unique_id = "lamp"
    _attr_should_poll = False
    _attr_color_mode = ColorMode.ONOFF
    _attr_is_on = False
    breaks: Exception | None = None

    def __init__(self) -> None:
        self._attr_supported_color_modes = {ColorMode.ONOFF}

    async def async_turn_on(self, **_: Any) -> None:
        if self.breaks:
            raise self.breaks
        self._attr_is_on = True
        self.async_write_ha_state()


@pytest.fixture(autouse=True)
async def lamp(hass: HomeAssistant, home: None) -> Lamp:
    """Put a lamp into the house, for assistants to see."""
    lamp = Lamp()
    setup_test_component_platform(hass, "light", [lamp])
    assert await async_setup_component(hass, "light", {"light": {"platform": "test"}})
    await hass.async_block_till_done()
    async_expose_entity(hass, "conversation", "light.kitchen_lamp", True)
    return lamp


def lit(hass: HomeAssistant) -> str:
    state = hass.states.get("light.kitchen_lamp")
    assert state is not None
    return state.state


class Acting:
    """An agent that calls tools, round after round, and then says what came of it."""

    def __init__(self, *rounds: list[Call], said: str = "Done.") -> None:
        self.rounds = rounds
        self.said = said
        self.results: list[list[ToolResult]] = []

    async def __call__(self, turn: ServerTurn) -> None:
        for calls in self.rounds:
            self.results.append(await turn.call_tools(*calls))
        if self.said:
            await turn.delta(self.said)
        await turn.done(self.said)


async def test_an_agent_turns_a_light_on(
    hass: HomeAssistant, bridge: BridgeServer, ask: Ask
) -> None:
    bridge.script = acting = Acting([TURN_ON])
    calls = async_capture_events(hass, "call_service")
    user = MockUser(id="anna", is_owner=True).add_to_hass(hass)
    assert lit(hass) == STATE_OFF
    result = await ask("Light, please", context=Context(user_id=user.id))
    assert lit(hass) == STATE_ON
    assert spoken(result) == "Done."
    assert result.response.response_type is intent.IntentResponseType.ACTION_DONE
    ((outcome,),) = acting.results
    assert outcome.name == "intent__HassTurnOn"
    assert outcome.error is None
    assert outcome.data["data"]["success"][0]["id"] == "light.kitchen_lamp"
    # It was done in the speaker's name.
    assert {call.context.user_id for call in calls} == {"anna"}


async def test_an_agent_may_do_no_more_than_the_speaker(
    hass: HomeAssistant, bridge: BridgeServer, ask: Ask
) -> None:
    bridge.script = acting = Acting([TURN_ON], said="You may not.")
    guest = MockUser(id="guest").add_to_hass(hass)
    assert spoken(await ask("Light, please", context=Context(user_id=guest.id))) == "You may not."
    assert lit(hass) == STATE_OFF
    ((outcome,),) = acting.results
    assert outcome.error is not None or outcome.data["data"]["success"] == []


async def test_a_lamp_that_is_broken(
    hass: HomeAssistant, bridge: BridgeServer, ask: Ask, lamp: Lamp
) -> None:
    bridge.script = acting = Acting([TURN_ON], said="It is broken.")
    lamp.breaks = HomeAssistantError("No bulb")
    assert spoken(await ask("Light, please")) == "It is broken."
    ((outcome,),) = acting.results
    assert outcome.error is not None or outcome.data["data"]["success"] == []


async def test_the_tools_that_are_offered(bridge: BridgeServer, ask: Ask) -> None:
    await ask("Hello")
    offered = {tool.name: tool for tool in bridge.turns[0].command.tools}
    turn_on = offered["intent__HassTurnOn"]
    assert turn_on.description
    assert turn_on.parameters.properties["name"]["type"] == "string"
    assert "Kitchen lamp" in str(bridge.turns[0].command.instructions)


async def test_a_tool_whose_name_no_model_takes_is_left_out(
    bridge: BridgeServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = llm.IntentTool.__init__

    def with_long_name(tool: llm.IntentTool, name: str, *args: Any, **details: Any) -> None:
        make(tool, name if name.endswith("TurnOn") else "x" * 65, *args, **details)

    monkeypatch.setattr(llm.IntentTool, "__init__", with_long_name)
    await ask("Hello")
    offered = {tool.name for tool in bridge.turns[0].command.tools}
    assert "intent__HassTurnOn" in offered
    assert "intent__HassTurnOff" not in offered


@pytest.mark.parametrize("reason", ["permission", "option"])
async def test_no_tools_without_permission_or_option(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, ask: Ask, reason: str
) -> None:
    if reason == "permission":
        await bridge.set_agent(agent("renarde", permissions=["llm"]))
        await eventually(
            lambda: not loaded.runtime_data.coordinator.agents["renarde"].may_use_tools
        )
    else:
        hass.config_entries.async_update_entry(loaded, options={CONF_LLM_HASS_API: []})
        await hass.config_entries.async_reload(loaded.entry_id)
    # Even an agent that tries regardless gets nowhere.
    bridge.script = acting = Acting([TURN_ON], said="I cannot.")
    assert spoken(await ask("Light, please")) == "I cannot."
    assert bridge.turns[0].command.tools == []
    assert "Kitchen lamp" not in str(bridge.turns[0].command.instructions)
    ((outcome,),) = acting.results
    assert outcome.error == "NotOffered: This agent was offered no tools"
    assert outcome.data is None
    assert lit(hass) == STATE_OFF


async def test_several_tools_at_once_and_in_turn(
    hass: HomeAssistant, bridge: BridgeServer, ask: Ask
) -> None:
    bridge.script = acting = Acting([TURN_ON, ("homeassistant__GetLiveContext", {})], [WHAT_TIME])
    assert spoken(await ask("Light, and what is on?")) == "Done."
    assert [[outcome.name for outcome in outcomes] for outcomes in acting.results] == [
        ["intent__HassTurnOn", "homeassistant__GetLiveContext"],
        ["llm__GetDateTime"],
    ]
    assert all(outcome.error is None for outcomes in acting.results for outcome in outcomes)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("intent__HassTurnOn", {"name": "Lighthouse"}), "MatchFailedError"),
        (("intent__HassTurnOn", {"name": ["Kitchen lamp"]}), "InvalidSlotInfo"),
        (("SelfDestruct", {}), 'Tool "SelfDestruct" not found'),
    ],
)
async def test_what_home_assistant_refuses_is_told_in_words(
    hass: HomeAssistant,
    bridge: BridgeServer,
    ask: Ask,
    call: Call,
    words: str,
) -> None:
    bridge.script = acting = Acting([call], said="That did not work.")
    assert spoken(await ask("Light, please")) == "That did not work."
    ((outcome,),) = acting.results
    assert outcome.data is None
    assert words in str(outcome.error)
    assert lit(hass) == STATE_OFF


async def test_a_tool_that_has_a_bug_cancels_the_turn(
    hass: HomeAssistant, bridge: BridgeServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("homeassistant.helpers.llm.IntentTool.async_call", fail)
    bridge.script = Acting([TURN_ON])
    with pytest.raises(ZeroDivisionError):
        await ask("Light, please")
    await eventually(lambda: isinstance(bridge.commands[-1], Cancel))


async def test_an_agent_that_only_acts(hass: HomeAssistant, bridge: BridgeServer, ask: Ask) -> None:
    bridge.script = Acting([TURN_ON], said="")
    result = await ask("Light, please")
    assert result.response.response_type is intent.IntentResponseType.ACTION_DONE
    assert spoken(result) == ""
    assert lit(hass) == STATE_ON


async def test_an_agent_that_speaks_before_it_acts(
    hass: HomeAssistant, bridge: BridgeServer, ask: Ask
) -> None:
    async def script(turn: ServerTurn) -> None:
        await turn.delta("There you go.")
        await turn.call_tools(TURN_ON)
        await turn.done("There you go.")

    bridge.script = script
    assert spoken(await ask("Light, please")) == "There you go."
    assert lit(hass) == STATE_ON


async def test_an_agent_that_goes_in_circles_is_stopped(
    hass: HomeAssistant, bridge: BridgeServer, ask: Ask
) -> None:
    bridge.script = Acting(*[[WHAT_TIME]] * (MAX_TOOL_ROUNDS + 5))
    result = await ask("Light, please")
    assert result.response.response_type is intent.IntentResponseType.ERROR
    assert spoken(result).startswith("Renarde tried again and again")
    await eventually(lambda: isinstance(bridge.commands[-1], Cancel))
    rounds = sum(isinstance(command, ToolResults) for command in bridge.commands)
    assert rounds == MAX_TOOL_ROUNDS


async def test_as_many_rounds_as_are_allowed(bridge: BridgeServer, ask: Ask) -> None:
    bridge.script = Acting(*[[WHAT_TIME]] * MAX_TOOL_ROUNDS)
    assert spoken(await ask("Light, please")) == "Done."


async def test_a_turn_that_fails_while_its_tools_run(bridge: BridgeServer, ask: Ask) -> None:
    async def script(turn: ServerTurn) -> None:
        await turn.event(
            {
                "kind": "tool_calls",
                "tool_calls": [{"id": "1", "name": "llm__GetDateTime", "arguments": {}}],
            }
        )
        await turn.failed("turn_timeout")

    bridge.script = script
    result = await ask("Light, please")
    assert spoken(result) == "Renarde took too long to answer. Please ask again."


async def test_results_that_are_refused(bridge: BridgeServer, ask: Ask) -> None:
    bridge.script = Acting([TURN_ON])
    bridge.refuse = {"tool_results": "bus_unavailable"}
    assert spoken(await ask("Light, please")).startswith("H-Core cannot pass messages on")
    await eventually(lambda: isinstance(bridge.commands[-1], Cancel))


async def test_tools_that_are_gone_are_told(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, ask: Ask
) -> None:
    hass.config_entries.async_update_entry(loaded, options={CONF_LLM_HASS_API: ["gone"]})
    await hass.config_entries.async_reload(loaded.entry_id)
    result = await ask("Hello")
    assert result.response.response_type is intent.IntentResponseType.ERROR
    assert bridge.turns == []
