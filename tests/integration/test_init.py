"""Setting up, coming and going of agents, outages, unloading."""

import asyncio
import logging
import time
from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.const import (
    CONF_TOKEN,
    EVENT_HOMEASSISTANT_STOP,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.entity_platform import EntityPlatform
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.hairem import coordinator as coordinator_module
from custom_components.hairem.const import DOMAIN
from tests.integration.bridge_server import SERVER_ID, BridgeServer, agent, uuid_of
from tests.integration.conftest import eventually


def state(hass: HomeAssistant, entity_id: str = "conversation.renarde") -> str | None:
    found = hass.states.get(entity_id)
    return found.state if found else None


def devices(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, dr.DeviceEntry]:
    """Return the entry's devices by their agents' ids."""
    found = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return {device.model_id: device for device in found if device.model_id}


async def set_up(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigEntryState:
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry.state


async def test_one_device_and_one_entity_per_agent(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    assert bridge.clients[0].startswith("Home Assistant 20")
    assert state(hass, "conversation.renarde") == STATE_UNKNOWN
    assert state(hass, "conversation.electra") == STATE_UNKNOWN
    found = devices(hass, loaded)
    assert set(found) == {"renarde", "electra"}
    renarde = found["renarde"]
    assert renarde.name == "Renarde"
    assert renarde.sw_version == "0.1.0"
    assert renarde.entry_type is dr.DeviceEntryType.SERVICE
    assert renarde.identifiers == {(DOMAIN, f"{SERVER_ID}_{uuid_of('renarde')}")}
    entity = er.async_get(hass).async_get("conversation.renarde")
    assert entity is not None
    assert entity.device_id == renarde.id
    assert entity.unique_id == f"{SERVER_ID}_{uuid_of('renarde')}"


async def test_unloading_and_loading_again(
    hass: HomeAssistant,
    bridge: BridgeServer,
    loaded: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await hass.config_entries.async_unload(loaded.entry_id)
    assert loaded.state is ConfigEntryState.NOT_LOADED
    assert state(hass) == STATE_UNAVAILABLE
    await eventually(lambda: not bridge.connections)
    assert "was lost" not in caplog.text
    assert await set_up(hass, loaded) is ConfigEntryState.LOADED
    assert state(hass) == STATE_UNKNOWN


async def test_the_connection_ends_with_home_assistant(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await eventually(lambda: not bridge.connections)


async def test_no_core(hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry) -> None:
    await bridge.stop()
    assert await set_up(hass, entry) is ConfigEntryState.SETUP_RETRY
    assert entry.reason is not None
    assert entry.reason.startswith("Maison cannot be reached: No connection to H-Core at 127.0.0.1")


@pytest.mark.parametrize("withheld", ["snapshot", "result"])
async def test_a_core_that_does_not_tell_its_agents(
    hass: HomeAssistant,
    bridge: BridgeServer,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    withheld: str,
) -> None:
    monkeypatch.setattr(coordinator_module, "SNAPSHOT_TIMEOUT", 0.05)
    if withheld == "snapshot":
        bridge.withhold_snapshot = True
    else:
        bridge.mute = {"agents/subscribe"}
    assert await set_up(hass, entry) is ConfigEntryState.SETUP_RETRY
    await eventually(lambda: not bridge.connections)


async def test_a_core_that_refuses_to_tell_its_agents(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry
) -> None:
    bridge.refuse = {"agents/subscribe": "bus_unavailable"}
    assert await set_up(hass, entry) is ConfigEntryState.SETUP_RETRY
    assert "bus_unavailable" in str(entry.reason)
    await eventually(lambda: not bridge.connections)


async def test_a_core_that_dies_while_it_tells_its_agents(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry
) -> None:
    bridge.mute = {"agents/subscribe"}
    setting_up = hass.async_create_task(hass.config_entries.async_setup(entry.entry_id))
    await eventually(lambda: bool(bridge.commands))
    bridge.abort()
    await setting_up
    assert entry.state is ConfigEntryState.SETUP_RETRY


async def test_a_wrong_token_asks_for_another(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_TOKEN: "hairem_old"})
    assert await set_up(hass, entry) is ConfigEntryState.SETUP_ERROR
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["source"] == SOURCE_REAUTH


async def test_another_core_at_the_same_address(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry
) -> None:
    bridge.hello["server_id"] = "another"
    assert await set_up(hass, entry) is ConfigEntryState.SETUP_RETRY
    assert entry.reason is not None
    assert entry.reason.startswith("Another H-Core answers at the address of Maison")
    assert bridge.clients == [], "the token is not for it"
    assert devices(hass, entry) == {}


@pytest.mark.parametrize(
    ("range_", "issue"), [((0, 0), "core_outdated"), ((2, 3), "integration_outdated")]
)
async def test_another_version_is_a_repair_issue_until_it_fits(
    hass: HomeAssistant,
    bridge: BridgeServer,
    entry: MockConfigEntry,
    range_: tuple[int, int],
    issue: str,
) -> None:
    bridge.hello["min_schema_version"], bridge.hello["schema_version"] = range_
    assert await set_up(hass, entry) is ConfigEntryState.SETUP_RETRY
    issue_id = f"unsupported_version_{entry.entry_id}"
    found = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    assert found is not None
    assert found.translation_key == issue
    assert found.translation_placeholders == {"name": "Maison", "version": "0.1.0"}

    bridge.hello |= {"min_schema_version": 1, "schema_version": 1}
    await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None
    await hass.config_entries.async_unload(entry.entry_id)


async def test_the_repair_issue_leaves_with_the_entry(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry
) -> None:
    bridge.hello |= {"min_schema_version": 2, "schema_version": 2}
    await set_up(hass, entry)
    await hass.config_entries.async_remove(entry.entry_id)
    assert not ir.async_get(hass).issues


async def test_an_agent_appears(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    await bridge.set_agent(agent("alfred", name="Alfred P."))
    await eventually(lambda: state(hass, "conversation.alfred_p") == STATE_UNKNOWN)
    assert devices(hass, loaded)["alfred"].name == "Alfred P."


@pytest.mark.usefixtures("impatient")
async def test_an_agent_vanishes_and_comes_back(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    for _ in range(2):
        await bridge.remove_agent("electra")
        await eventually(lambda: state(hass, "conversation.electra") is None)
        assert set(devices(hass, loaded)) == {"renarde"}
        assert er.async_get(hass).async_get("conversation.electra") is None
        await bridge.set_agent(agent("electra"))
        await eventually(lambda: state(hass, "conversation.electra") == STATE_UNKNOWN)


@pytest.mark.usefixtures("impatient")
async def test_an_agent_that_leaves_as_it_comes_leaves_nothing_behind(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    for _ in range(20):
        await bridge.set_agent(agent("alfred"))
        await bridge.remove_agent("alfred")
        await bridge.set_agent(agent("dieu"))
        await bridge.remove_agent("dieu")
    await bridge.set_agent(agent("last"))
    await eventually(lambda: state(hass, "conversation.last") == STATE_UNKNOWN)
    await eventually(lambda: len(loaded.runtime_data.coordinator.crew.known) == 3)
    await hass.async_block_till_done()
    assert set(devices(hass, loaded)) == {"renarde", "electra", "last"}
    assert {found.entity_id for found in hass.states.async_all("conversation")} == {
        "conversation.home_assistant",
        "conversation.renarde",
        "conversation.electra",
        "conversation.last",
    }


@pytest.mark.usefixtures("impatient")
async def test_an_agent_that_leaves_while_its_entity_is_made(
    hass: HomeAssistant,
    bridge: BridgeServer,
    loaded: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add = EntityPlatform.async_add_entities
    coordinator = loaded.runtime_data.coordinator
    added = asyncio.Event()

    async def slowly(platform: EntityPlatform, *entities: Any, **details: Any) -> None:
        await bridge.remove_agent("alfred")
        await eventually(lambda: not coordinator.crew.known & {uuid_of("alfred")})
        await add(platform, *entities, **details)
        added.set()

    monkeypatch.setattr(EntityPlatform, "async_add_entities", slowly)
    await bridge.set_agent(agent("alfred"))
    await asyncio.wait_for(added.wait(), 3)
    await hass.async_block_till_done()
    assert "alfred" not in devices(hass, loaded)
    assert state(hass, "conversation.alfred") is None
    assert er.async_get(hass).async_get("conversation.alfred") is None


async def test_an_agent_that_is_not_live_is_unavailable(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    await bridge.set_agent(agent("electra", state="crashed", reason="It fell over."))
    await eventually(lambda: state(hass, "conversation.electra") == STATE_UNAVAILABLE)
    assert state(hass, "conversation.renarde") == STATE_UNKNOWN
    await bridge.set_agent(agent("electra", generation=2, restarts=1))
    await eventually(lambda: state(hass, "conversation.electra") == STATE_UNKNOWN)


async def test_an_agent_changes(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    def features() -> int:
        found = hass.states.get("conversation.electra")
        assert found is not None
        return int(found.attributes["supported_features"])

    assert features() == 1, "it may control the house"
    await bridge.set_agent(
        agent("electra", version="0.2.0", name="Electra II", permissions=["llm"])
    )
    await eventually(lambda: devices(hass, loaded)["electra"].sw_version == "0.2.0")
    assert devices(hass, loaded)["electra"].name == "Electra II"
    await eventually(lambda: features() == 0)


@pytest.mark.usefixtures("impatient")
async def test_the_core_goes_and_comes_back(
    hass: HomeAssistant,
    bridge: BridgeServer,
    loaded: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    await bridge.stop()
    await eventually(lambda: state(hass) == STATE_UNAVAILABLE)
    await asyncio.sleep(1)
    del bridge.agents["electra"]
    bridge.agents["alfred"] = agent("alfred")
    await bridge.start()
    back = time.monotonic()
    await eventually(lambda: state(hass) == STATE_UNKNOWN)
    assert time.monotonic() - back < 1
    # Who left meanwhile is gone, who came is there.
    await eventually(lambda: state(hass, "conversation.alfred") == STATE_UNKNOWN)
    await eventually(lambda: state(hass, "conversation.electra") is None)
    assert set(devices(hass, loaded)) == {"renarde", "alfred"}
    ours = [r.message for r in caplog.records if r.name == "custom_components.hairem"]
    assert sum("was lost" in message for message in ours) == 1
    assert sum("is back" in message for message in ours) == 1


async def test_the_token_is_revoked_meanwhile(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    bridge.auth_error = "invalid_token"
    bridge.abort()
    await eventually(lambda: loaded.state is ConfigEntryState.SETUP_ERROR)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["source"] == SOURCE_REAUTH


async def test_the_core_is_updated_meanwhile(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    bridge.hello |= {"min_schema_version": 2, "schema_version": 2}
    bridge.abort()
    await eventually(lambda: loaded.state is ConfigEntryState.SETUP_RETRY)
    await eventually(lambda: bool(ir.async_get(hass).issues))
    assert await hass.config_entries.async_unload(loaded.entry_id)


async def test_devices_may_be_removed_by_hand_only_without_their_agent(
    hass: HomeAssistant,
    bridge: BridgeServer,
    loaded: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    assert await async_setup_component(hass, "config", {})
    client = await hass_ws_client(hass)
    registry = dr.async_get(hass)
    stale = registry.async_get_or_create(
        config_entry_id=loaded.entry_id, identifiers={(DOMAIN, f"{SERVER_ID}_gone")}
    )
    response = await client.remove_device(stale.id)
    assert response["success"]
    response = await client.remove_device(devices(hass, loaded)["renarde"].id)
    assert not response["success"]
