"""`home.act: [light]` holds in Home Assistant itself: its tools, given what H-Core lets through."""

from typing import Any

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import Context, HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import llm
from homeassistant.setup import async_setup_component

from custom_components.hairem.convert import format_tools
from hairem_core.hotplug.bundle import Manifest
from hairem_core.hotplug.home_rules import Refusal, decide
from hairem_core.hotplug.permissions import Permissions
from hairem_core.sdk.chat import ToolCall, ToolSpec


class House:
    """A lamp, a lock and a shutter that share an assistant, and the services that move them."""

    def __init__(self, hass: HomeAssistant, api: llm.APIInstance) -> None:
        self._api = api
        self.offered = [ToolSpec.model_validate(tool) for tool in format_tools(api)]
        self.moved: list[ServiceCall] = []
        for domain, services in {
            "light": ("turn_on", "turn_off"),
            "lock": ("lock", "unlock"),
            "cover": ("open_cover", "close_cover", "set_cover_position"),
            "valve": ("open_valve", "close_valve", "set_valve_position"),
        }.items():
            for service in services:
                hass.services.async_register(domain, service, self.moved.append)

    async def use(self, tool: str, permissions: Permissions, /, **arguments: Any) -> list[str]:
        """Return the entities that a call moved. Raises what Home Assistant does."""
        call = decide(ToolCall(id="1", name=tool, arguments=arguments), permissions, self.offered)
        assert not isinstance(call, Refusal), call.error
        before = len(self.moved)
        await self._api.async_call_tool(
            llm.ToolInput(tool_name=call.name, tool_args=dict(call.arguments))
        )
        await self._api.api.hass.async_block_till_done()
        found: list[str] = []
        for each in self.moved[before:]:
            ids = each.data["entity_id"]
            found += [ids] if isinstance(ids, str) else ids
        return found


def permitted(*domains: str) -> Permissions:
    manifest = {"id": "x", "name": "X", "permissions": [{"home.act": list(domains)}]}
    return Manifest.model_validate(manifest).permissions


@pytest.fixture
async def house(hass: HomeAssistant) -> House:
    for component in ("intent", "llm", "light", "lock", "cover", "valve"):
        assert await async_setup_component(hass, component, {})
    for entity_id, state in {
        "light.hall": "off",
        "lock.hall": "locked",
        "cover.blind": "open",
        "valve.blind": "open",
    }.items():
        name = entity_id.partition(".")[2].title()
        hass.states.async_set(entity_id, state, {"friendly_name": name, "supported_features": 15})
        async_expose_entity(hass, "conversation", entity_id, True)
    context = llm.LLMContext(
        platform="hairem",
        context=Context(),
        language="en",
        assistant="conversation",
        device_id=None,
    )
    return House(hass, await llm.async_get_api(hass, "assist", context))


async def test_the_name_of_a_lock_does_not_reach_it(house: House) -> None:
    """`HassTurnOff` unlocks: the one word that must not slip through."""
    lights = permitted("light")
    assert await house.use("intent__HassTurnOff", lights, name="Hall") == ["light.hall"]
    everything = Manifest.model_validate({"id": "x", "name": "X", "permissions": ["home.act"]})
    moved = await house.use(
        "intent__HassTurnOff", everything.permissions, name="Hall", domain=["lock"]
    )
    assert moved == ["lock.hall"], "the test's own house must have a lock that can be reached"
    for given in ({}, {"domain": ["light"]}, {"domain": ["light", "lock"]}):
        moved = await house.use("intent__HassTurnOff", lights, name="Hall", **given)
        assert moved == ["light.hall"]


async def test_what_is_only_elsewhere_is_not_found(house: House) -> None:
    with pytest.raises(HomeAssistantError):
        await house.use("intent__HassTurnOff", permitted("light"), name="Blind")
    assert house.moved == []


async def test_a_tool_of_two_domains_reaches_the_one_allowed(house: House) -> None:
    moved = await house.use(
        "intent__HassSetPosition", permitted("cover", "light"), name="Blind", position=40
    )
    assert moved == ["cover.blind"]
    moved = await house.use("intent__HassSetPosition", permitted("valve"), name="Blind", position=1)
    assert moved == ["valve.blind"]


async def test_a_light_is_set_though_the_tool_only_takes_lights(house: House) -> None:
    moved = await house.use("light__HassLightSet", permitted("light"), name="Hall", brightness=5)
    assert moved == ["light.hall"]
