"""An agent as a device."""

from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo

from .const import DOMAIN
from .models import Agent


def agent_identifier(server_id: str, agent_id: str) -> tuple[str, str]:
    """Return what identifies an agent's device: two cores may each have an agent of one name."""
    return (DOMAIN, f"{server_id}_{agent_id}")


def agent_device_info(server_id: str, agent: Agent) -> DeviceInfo:
    """Return an agent as a device."""
    return DeviceInfo(
        identifiers={agent_identifier(server_id, agent.id)},
        name=agent.name,
        manufacturer="hAIrem",
        model="Agent",
        model_id=agent.id,
        sw_version=agent.version,
        entry_type=DeviceEntryType.SERVICE,
    )
