"""Who has a device, and what of it survives when an agent is renamed, moved or broken."""

import logging
from datetime import timedelta

import pytest
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.hairem.crew import GRACE
from tests.integration.bridge_server import BridgeServer, agent, finding, uuid_of
from tests.integration.conftest import Ask, eventually, spoken
from tests.integration.test_init import devices, state

ELECTRA = "conversation.electra"
"""The agent's entity, whatever becomes of the agent's names."""


def pass_time(hass: HomeAssistant, seconds: float = GRACE + 1) -> None:
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=seconds))


def identity(hass: HomeAssistant) -> tuple[str, str, str | None, str | None]:
    """Return what must stay: the entries' ids, and what the person chose."""
    entity = er.async_get(hass).async_get(ELECTRA)
    assert entity is not None
    assert entity.device_id is not None
    device = dr.async_get(hass).async_get(entity.device_id)
    assert isinstance(device, dr.DeviceEntry)
    return entity.id, device.id, device.name_by_user, device.area_id


def furnish(hass: HomeAssistant) -> tuple[str, str, str | None, str | None]:
    """Give Electra's device a name and an area of the person's own."""
    area = ar.async_get(hass).async_create("Workshop")
    dr.async_get(hass).async_update_device(
        identity(hass)[1], name_by_user="The sparky one", area_id=area.id
    )
    return identity(hass)


# Renamed


async def test_another_display_name(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    before = identity(hass)
    await bridge.set_agent(agent("electra", name="Sparks"))
    await eventually(lambda: devices(hass, loaded)["electra"].name == "Sparks")
    found = hass.states.get(ELECTRA)
    assert found is not None
    assert found.name == "Sparks"
    assert identity(hass) == before


async def test_another_display_name_leaves_alone_what_the_person_chose(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    before = furnish(hass)
    await bridge.set_agent(agent("electra", name="Sparks"))
    await eventually(lambda: devices(hass, loaded)["electra"].name == "Sparks")
    found = hass.states.get(ELECTRA)
    assert found is not None
    assert found.name == "The sparky one"
    assert identity(hass) == before


async def test_another_id_with_the_same_uuid(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, ask: Ask
) -> None:
    before = furnish(hass)
    await bridge.remove_agent("electra")
    await eventually(lambda: state(hass, ELECTRA) == STATE_UNAVAILABLE)
    assert identity(hass) == before
    # A generation of that id has yet to start.
    await bridge.set_agent(agent("sparks", uuid=uuid_of("electra"), state="discovered"))
    await bridge.set_agent(agent("sparks", uuid=uuid_of("electra"), state="starting"))
    crew = loaded.runtime_data.coordinator.crew
    await eventually(lambda: uuid_of("electra") in crew.members)
    pass_time(hass)
    await hass.async_block_till_done()
    assert identity(hass) == before
    await bridge.set_agent(agent("sparks", uuid=uuid_of("electra")))
    await eventually(lambda: state(hass, ELECTRA) == STATE_UNKNOWN)
    assert set(devices(hass, loaded)) == {"renarde", "sparks"}
    assert identity(hass) == before
    assert spoken(await ask("Hello", agent="electra")) == "Hello "
    assert bridge.turns[-1].command.agent_id == "sparks"


async def test_another_id_told_in_the_other_order(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    before = furnish(hass)
    await bridge.set_agent(agent("sparks", uuid=uuid_of("electra")))
    await bridge.remove_agent("electra")
    await eventually(lambda: set(devices(hass, loaded)) == {"renarde", "sparks"})
    pass_time(hass)
    await hass.async_block_till_done()
    assert state(hass, ELECTRA) == STATE_UNKNOWN
    assert identity(hass) == before


async def test_another_id_while_nobody_looked(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    before = furnish(hass)
    await bridge.stop()
    await eventually(lambda: state(hass) == STATE_UNAVAILABLE)
    del bridge.agents["electra"]
    bridge.agents["sparks"] = agent("sparks", uuid=uuid_of("electra"))
    await bridge.start()
    await eventually(lambda: set(devices(hass, loaded)) == {"renarde", "sparks"})
    await eventually(lambda: state(hass, ELECTRA) == STATE_UNKNOWN)
    assert identity(hass) == before


# Gone


async def test_one_that_left_goes_after_a_moment(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    await bridge.remove_agent("electra")
    await eventually(lambda: state(hass, ELECTRA) == STATE_UNAVAILABLE)
    pass_time(hass, GRACE - 1)
    await hass.async_block_till_done()
    assert "electra" in devices(hass, loaded)
    pass_time(hass)
    await hass.async_block_till_done()
    assert set(devices(hass, loaded)) == {"renarde"}
    assert state(hass, ELECTRA) is None


async def test_one_that_comes_back_in_time_never_went(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    before = furnish(hass)
    for _ in range(3):
        await bridge.remove_agent("electra")
        await bridge.set_agent(agent("electra"))
    await bridge.set_agent(agent("electra", version="0.2.0"))
    await eventually(lambda: devices(hass, loaded)["electra"].sw_version == "0.2.0")
    pass_time(hass)
    await hass.async_block_till_done()
    assert state(hass, ELECTRA) == STATE_UNKNOWN
    assert identity(hass) == before


async def test_one_that_a_snapshot_leaves_out_goes_after_a_moment_too(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    """A core that has just started may have told before it had read every bundle."""
    before = identity(hass)
    electra = bridge.agents.pop("electra")
    bridge.abort()
    await eventually(lambda: state(hass) == STATE_UNAVAILABLE)
    await eventually(lambda: state(hass) == STATE_UNKNOWN)
    assert state(hass, ELECTRA) == STATE_UNAVAILABLE
    await bridge.set_agent(electra)
    await eventually(lambda: state(hass, ELECTRA) == STATE_UNKNOWN)
    assert identity(hass) == before

    del bridge.agents["electra"]
    bridge.abort()
    await eventually(lambda: state(hass) == STATE_UNAVAILABLE)
    await eventually(lambda: state(hass) == STATE_UNKNOWN)
    pass_time(hass)
    await hass.async_block_till_done()
    assert set(devices(hass, loaded)) == {"renarde"}


async def test_nobody_is_waited_for_once_the_entry_is_unloaded(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    await bridge.remove_agent("electra")
    await eventually(lambda: state(hass, ELECTRA) == STATE_UNAVAILABLE)
    assert await hass.config_entries.async_unload(loaded.entry_id)
    pass_time(hass)
    await hass.async_block_till_done()
    assert set(devices(hass, loaded)) == {"renarde", "electra"}
    assert await hass.config_entries.async_setup(loaded.entry_id)
    await hass.async_block_till_done()
    assert set(devices(hass, loaded)) == {"renarde"}


async def test_a_person_may_remove_one_that_is_leaving_and_it_may_come_back(
    hass: HomeAssistant,
    bridge: BridgeServer,
    loaded: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    assert await async_setup_component(hass, "config", {})
    client = await hass_ws_client(hass)
    leaving = devices(hass, loaded)["electra"]
    await bridge.remove_agent("electra")
    await eventually(lambda: state(hass, ELECTRA) == STATE_UNAVAILABLE)
    assert (await client.remove_device(leaving.id))["success"]
    await hass.async_block_till_done()
    assert state(hass, ELECTRA) is None
    await bridge.set_agent(agent("electra"))
    await eventually(lambda: state(hass, ELECTRA) == STATE_UNKNOWN)


# Not an agent yet, or not any more


@pytest.mark.parametrize(
    "first", ["discovered", "vetting", "starting", "rejected", "crashed", "quarantined"]
)
async def test_a_bundle_has_no_device_until_it_is_an_agent(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, first: str
) -> None:
    await bridge.set_agent(agent("alfred", state=first, reason="It is not whole."))
    await eventually(lambda: "alfred" in loaded.runtime_data.coordinator.agents)
    await hass.async_block_till_done()
    assert set(devices(hass, loaded)) == {"renarde", "electra"}
    assert state(hass, "conversation.alfred") is None
    await bridge.set_agent(agent("alfred"))
    await eventually(lambda: state(hass, "conversation.alfred") == STATE_UNKNOWN)


@pytest.mark.parametrize(
    "then", ["vetting", "starting", "rejected", "crashed", "quarantined", "stopped"]
)
async def test_an_agent_keeps_its_device_whatever_its_bundle_goes_through(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, then: str
) -> None:
    before = furnish(hass)
    await bridge.set_agent(agent("electra", state=then))
    await eventually(lambda: state(hass, ELECTRA) == STATE_UNAVAILABLE)
    pass_time(hass)
    await hass.config_entries.async_reload(loaded.entry_id)
    await hass.async_block_till_done()
    found = hass.states.get(ELECTRA)
    assert found is not None
    assert found.state == STATE_UNAVAILABLE
    assert "restored" not in found.attributes, "Home Assistant would offer to delete it"
    await bridge.set_agent(agent("electra"))
    await eventually(lambda: state(hass, ELECTRA) == STATE_UNKNOWN)
    assert identity(hass) == before


@pytest.mark.parametrize("home_restarts", [False, True])
async def test_a_manifest_that_cannot_be_read_after_a_restart_of_the_core(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, home_restarts: bool
) -> None:
    """Its agent has neither a UUID nor a name then, only what stands in for them."""
    before = furnish(hass)
    bridge.agents["electra"] = agent(
        "electra",
        uuid=uuid_of("a folder"),
        name="folder_of_electra",
        version="0.0.0",
        state="rejected",
        findings=[finding()],
    )
    if home_restarts:
        await hass.config_entries.async_reload(loaded.entry_id)
    else:
        bridge.abort()
        await eventually(lambda: state(hass) == STATE_UNAVAILABLE)
    await eventually(lambda: state(hass) == STATE_UNKNOWN)
    pass_time(hass)
    await hass.async_block_till_done()
    found = hass.states.get(ELECTRA)
    assert found is not None
    assert found.state == STATE_UNAVAILABLE
    assert "restored" not in found.attributes, "Home Assistant would offer to delete it"
    assert identity(hass) == before
    assert devices(hass, loaded)["electra"].name == "Electra"
    assert devices(hass, loaded)["electra"].sw_version == "0.1.0"
    await bridge.set_agent(agent("electra"))
    await eventually(lambda: state(hass, ELECTRA) == STATE_UNKNOWN)
    assert identity(hass) == before
    assert set(devices(hass, loaded)) == {"renarde", "electra"}


async def test_another_agent_under_the_id_of_one_that_left(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    before = identity(hass)
    await bridge.remove_agent("electra")
    for state_ in ("discovered", "starting"):
        await bridge.set_agent(agent("electra", uuid=uuid_of("another"), state=state_))
    await bridge.set_agent(agent("electra", uuid=uuid_of("another"), version="7.0.0"))
    await eventually(lambda: loaded.runtime_data.coordinator.agents["electra"].version == "7.0.0")
    pass_time(hass)
    await hass.async_block_till_done()
    assert set(devices(hass, loaded)) == {"renarde", "electra"}
    assert devices(hass, loaded)["electra"].id != before[1]
    assert dr.async_get(hass).async_get(before[1]) is None


# Odd


async def test_two_agents_with_one_uuid(
    hass: HomeAssistant,
    bridge: BridgeServer,
    loaded: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As after copying a bundle and changing only its id."""
    caplog.set_level(logging.WARNING)
    before = identity(hass)
    copy = agent("copy", uuid=uuid_of("electra"), name="Copy")
    bridge.agents = {"copy": copy} | bridge.agents
    await bridge.set_agent(copy)
    await bridge.set_agent(agent("electra", version="0.2.0"))
    await eventually(lambda: devices(hass, loaded)["electra"].sw_version == "0.2.0")
    assert set(devices(hass, loaded)) == {"renarde", "electra"}
    assert identity(hass) == before
    assert caplog.text.count("have the same UUID") == 1
    # Told in this order, the copy would be the first to ask.
    bridge.abort()
    await eventually(lambda: state(hass) == STATE_UNAVAILABLE)
    await eventually(lambda: state(hass, ELECTRA) == STATE_UNKNOWN)
    assert set(devices(hass, loaded)) == {"renarde", "electra"}
    await bridge.remove_agent("electra")
    await eventually(lambda: set(devices(hass, loaded)) == {"renarde", "copy"})
    assert identity(hass) == before
