"""What every entity of an agent has in common."""

from typing import override

from homeassistant.core import callback
from homeassistant.helpers.entity import Entity

from .coordinator import HairemCoordinator
from .device import agent_device_info, agent_unique_id
from .models import Agent


class HairemEntity(Entity):
    """An entity of one agent."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, coordinator: HairemCoordinator, agent: Agent) -> None:
        """Belong to `agent`'s device."""
        self.coordinator = coordinator
        self.agent = agent
        self._attr_unique_id = agent_unique_id(coordinator.server_id, agent.uuid)
        self._attr_device_info = agent_device_info(coordinator.server_id, agent)

    @property
    @override
    def available(self) -> bool:
        """Return whether the core is there and the agent lives."""
        is_there = self.agent.uuid in self.coordinator.crew.members
        return self.coordinator.available and is_there and self.agent.is_live

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the agent's changes."""
        await super().async_added_to_hass()
        self.async_on_remove(self.coordinator.async_add_listener(self._async_handle_update))
        # Agents may change, or leave, between an entity's making and this moment; adding the entity
        # of one that left has made its device anew. It can only be removed once it is added.
        if not self._async_take_over():
            self.hass.loop.call_soon(self.coordinator.crew.async_sync_devices)

    @callback
    def _async_handle_update(self) -> None:
        if self._async_take_over():
            self.async_write_ha_state()

    @callback
    def _async_take_over(self) -> bool:
        """Take over what the core says of the agent. Returns whether it has a device."""
        crew = self.coordinator.crew
        if agent := crew.members.get(self.agent.uuid):
            self.agent = agent
            self._async_agent_changed()
        return self.agent.uuid in crew.known

    @callback
    def _async_agent_changed(self) -> None:
        """Take over what the entity shows of its agent."""
