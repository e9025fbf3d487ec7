"""Devices and entities of the time when they were known by their agents' ids.

An entry of minor version 1 may hold such. Which UUID an agent has is known once H-Core has told its
crew, so this is no `async_migrate_entry`: it is done whenever the crew is told, until none is left.
"""

from collections.abc import Iterable
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er

from .const import LOGGER
from .device import agent_identifier, agent_unique_id
from .models import Agent

MINOR_VERSION: Final = 2
"""Of config entries whose devices and entities are all known by UUIDs."""


@callback
def async_migrate_to_uuids(
    hass: HomeAssistant, entry: ConfigEntry, server_id: str, agents: Iterable[Agent]
) -> None:
    """Have what is known by an agent's id be known by its UUID.

    An agent that was rejected is left for later: a manifest that cannot be read has no UUID, and
    what stands in for one is not the agent's.
    """
    if entry.minor_version >= MINOR_VERSION:
        return
    registry = dr.async_get(hass)
    is_complete = True
    for agent in agents:
        if agent.is_established:
            _migrate_device(registry, entry, server_id, agent)
            _migrate_entities(er.async_get(hass), entry, server_id, agent)
        elif _old_devices(registry, entry, server_id, agent):
            is_complete = False
    if is_complete:
        hass.config_entries.async_update_entry(entry, minor_version=MINOR_VERSION)


def _old_devices(
    registry: dr.DeviceRegistry, entry: ConfigEntry, server_id: str, agent: Agent
) -> list[dr.DeviceEntry]:
    return registry.async_get_devices(
        identifiers={agent_identifier(server_id, agent.id)}, config_entry_id=entry.entry_id
    )


def _migrate_device(
    registry: dr.DeviceRegistry, entry: ConfigEntry, server_id: str, agent: Agent
) -> None:
    new = {agent_identifier(server_id, agent.uuid)}
    if registry.async_get_devices(identifiers=new, config_entry_id=entry.entry_id):
        return
    for device in _old_devices(registry, entry, server_id, agent):
        LOGGER.debug("The device of %s is known by %s from now on", agent.id, agent.uuid)
        registry.async_update_device(device.id, new_identifiers=new)


def _migrate_entities(
    registry: er.EntityRegistry, entry: ConfigEntry, server_id: str, agent: Agent
) -> None:
    old, new = (agent_unique_id(server_id, key) for key in (agent.id, agent.uuid))
    for entity in er.async_entries_for_config_entry(registry, entry.entry_id):
        if entity.unique_id == old and not registry.async_get_entity_id(
            entity.domain, entity.platform, new
        ):
            registry.async_update_entity(entity.entity_id, new_unique_id=new)
