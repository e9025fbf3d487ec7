"""An agent as a device.

A device is known by its agent's UUID, which is the agent's own and stays: names change, and so do
ids. Until 0.1 it was known by the id; `migration.py` sees to devices of that time.
"""

from uuid import UUID

from homeassistant.helpers.device_registry import DeviceEntry, DeviceEntryType, DeviceInfo

from .const import DOMAIN
from .models import Agent


def agent_unique_id(server_id: str, key: str) -> str:
    """Return what nobody else has: two cores may each have the same agent.

    `key` is the agent's UUID.
    """
    return f"{server_id}_{key}"


def agent_identifier(server_id: str, key: str) -> tuple[str, str]:
    """Return what identifies the device of the agent whose UUID is `key`."""
    return (DOMAIN, agent_unique_id(server_id, key))


def agent_device_info(server_id: str, agent: Agent) -> DeviceInfo:
    """Return an agent as a device.

    One that does not work, as far as is known, takes nothing from what its device shows.
    """
    identifiers = {agent_identifier(server_id, agent.uuid)}
    if not agent.is_established:
        return DeviceInfo(identifiers=identifiers)
    return DeviceInfo(
        identifiers=identifiers,
        name=agent.name,
        manufacturer="hAIrem",
        model="Agent",
        model_id=agent.id,
        sw_version=agent.version,
        entry_type=DeviceEntryType.SERVICE,
    )


def agent_uuid_of(server_id: str, device: DeviceEntry) -> str | None:
    """Return the UUID of the agent whose device it is, None where it is not known by one."""
    prefix = agent_unique_id(server_id, "")
    for domain, value in device.identifiers:
        if domain == DOMAIN and value.startswith(prefix):
            key = value.removeprefix(prefix)
            try:
                UUID(key)
            except ValueError:
                continue
            return key
    return None
