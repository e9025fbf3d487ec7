"""An agent as a device.

A device is known by its agent's UUID, which is the agent's own and stays: names change, and so do
ids. Until 0.1 it was known by the id; `migration.py` sees to devices of that time.
"""

from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo

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
    """Return an agent as a device."""
    return DeviceInfo(
        identifiers={agent_identifier(server_id, agent.uuid)},
        name=agent.name,
        manufacturer="hAIrem",
        model="Agent",
        model_id=agent.id,
        sw_version=agent.version,
        entry_type=DeviceEntryType.SERVICE,
    )
