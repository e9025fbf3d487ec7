"""What every entity of an agent has in common."""

from typing import override

from homeassistant.core import callback
from homeassistant.helpers.entity import Entity

from .coordinator import HairemCoordinator
from .device import agent_device_info
from .models import Agent


class HairemEntity(Entity):
    """An entity of one agent."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, coordinator: HairemCoordinator, agent: Agent) -> None:
        """Belong to `agent`'s device."""
        self.coordinator = coordinator
        self.agent = agent
        self._attr_unique_id = f"{coordinator.server_id}_{agent.id}"
        self._attr_device_info = agent_device_info(coordinator.server_id, agent)

    @property
    @override
    def available(self) -> bool:
        """Return whether the core is there and the agent lives."""
        return self.coordinator.available and self.agent.is_live

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the agent's changes."""
        await super().async_added_to_hass()
        self.async_on_remove(self.coordinator.async_add_listener(self._async_handle_update))
        # Agents may change, or leave, between an entity's making and this moment; adding the entity
        # of one that left has made its device anew. It can only be removed once it is added.
        if not self._async_take_over():
            self.hass.loop.call_soon(self.coordinator.async_sync_devices)

    @callback
    def _async_handle_update(self) -> None:
        if self._async_take_over():
            self.async_write_ha_state()

    @callback
    def _async_take_over(self) -> bool:
        """Take over what the core says of the agent. Returns whether there still is one."""
        if agent := self.coordinator.agents.get(self.agent.id):
            self.agent = agent
            self._async_agent_changed()
        return agent is not None

    @callback
    def _async_agent_changed(self) -> None:
        """Take over what the entity shows of its agent."""
