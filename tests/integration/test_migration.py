"""Devices and entities of before agents were known by their UUIDs."""

import pytest
from homeassistant.const import STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hairem.const import DOMAIN
from tests.integration.bridge_server import SERVER_ID, BridgeServer, agent, finding, uuid_of
from tests.integration.conftest import eventually
from tests.integration.test_init import devices, set_up, state


@pytest.fixture
def entry(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """Return the config entry as version 0.1.0 left it, with three agents."""
    hass.config_entries.async_update_entry(entry, minor_version=1)
    area = ar.async_get(hass).async_create("Kitchen")
    for agent_id in ("renarde", "electra", "gone"):
        device = dr.async_get(hass).async_get_or_create(
            config_entry_id=entry.entry_id,
            identifiers={(DOMAIN, f"{SERVER_ID}_{agent_id}")},
            name=agent_id.capitalize(),
            model_id=agent_id,
        )
        dr.async_get(hass).async_update_device(
            device.id, area_id=area.id, name_by_user=f"My {agent_id}"
        )
        entity = er.async_get(hass).async_get_or_create(
            "conversation",
            DOMAIN,
            f"{SERVER_ID}_{agent_id}",
            config_entry=entry,
            device_id=device.id,
            suggested_object_id=f"my_own_{agent_id}",
        )
        er.async_get(hass).async_update_entity(entity.entity_id, aliases=[f"Dear {agent_id}"])
    return entry


async def test_migration(hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry) -> None:
    before = devices(hass, entry)
    entity_before = er.async_get(hass).async_get("conversation.my_own_renarde")
    await set_up(hass, entry)
    assert entry.minor_version == 2
    found = devices(hass, entry)
    assert set(found) == {"renarde", "electra"}, "who is gone is not migrated"
    assert found["renarde"].id == before["renarde"].id
    assert found["renarde"].identifiers == {(DOMAIN, f"{SERVER_ID}_{uuid_of('renarde')}")}
    assert found["renarde"].name_by_user == "My renarde"
    assert found["renarde"].area_id == before["renarde"].area_id
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert {entity.entity_id: entity.unique_id for entity in entities} == {
        "conversation.my_own_renarde": f"{SERVER_ID}_{uuid_of('renarde')}",
        "conversation.my_own_electra": f"{SERVER_ID}_{uuid_of('electra')}",
    }
    entity = er.async_get(hass).async_get("conversation.my_own_renarde")
    assert entity is not None
    assert entity_before is not None
    assert entity.id == entity_before.id
    assert entity.aliases == entity_before.aliases
    assert state(hass, "conversation.my_own_renarde") == STATE_UNKNOWN
    assert state(hass, "conversation.renarde") is None
    await hass.config_entries.async_unload(entry.entry_id)


async def test_what_cannot_be_told_yet_waits(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry
) -> None:
    """A manifest that cannot be read does not tell its agent's UUID."""
    before = devices(hass, entry)
    bridge.agents["electra"] = agent(
        "electra", uuid=uuid_of("a folder"), state="rejected", findings=[finding()]
    )
    await set_up(hass, entry)
    assert entry.minor_version == 1
    assert devices(hass, entry)["electra"] == before["electra"]
    assert state(hass, "conversation.my_own_renarde") == STATE_UNKNOWN

    await bridge.set_agent(agent("electra"))
    await eventually(lambda: state(hass, "conversation.my_own_electra") == STATE_UNKNOWN)
    assert entry.minor_version == 2
    found = devices(hass, entry)["electra"]
    assert found.id == before["electra"].id
    assert found.identifiers == {(DOMAIN, f"{SERVER_ID}_{uuid_of('electra')}")}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_what_is_there_already_stays(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry
) -> None:
    """As where a backup of an older time was brought back in parts."""
    newer = dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, f"{SERVER_ID}_{uuid_of('renarde')}")},
    )
    er.async_get(hass).async_get_or_create(
        "conversation",
        DOMAIN,
        f"{SERVER_ID}_{uuid_of('renarde')}",
        config_entry=entry,
        device_id=newer.id,
        suggested_object_id="newer",
    )
    await set_up(hass, entry)
    assert entry.minor_version == 2
    assert devices(hass, entry)["renarde"].id == newer.id
    assert state(hass, "conversation.newer") == STATE_UNKNOWN
    assert er.async_get(hass).async_get("conversation.my_own_renarde") is None
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_new_entry_needs_none(loaded: MockConfigEntry) -> None:
    assert loaded.minor_version == 2
