"""Whose devices there are: the crew, with those who have only just left.

An agent gets a device when it first works, keeps it whatever its bundle goes through, and loses it
a moment after it left. The moment is for an agent whose id changes, or whose folder is moved:
H-Core tells of an agent that goes and one that comes, and only the UUID says that they are the
same.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.event import async_call_later

from .const import LOGGER
from .device import agent_device_info, agent_identifier, agent_uuid_of
from .migration import async_migrate_to_uuids
from .models import Agent

GRACE: Final = 2.0
"""Seconds that a device outlives its agent, whose entities are unavailable meanwhile. Moving a
folder takes a fraction of that, and so does an H-Core that has just started to read them all."""


class Crew:
    """Keeps the devices of one H-Core in step with its agents."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        server_id: str,
        *,
        on_gone: CALLBACK_TYPE,
    ) -> None:
        """Prepare; `on_gone` is called when one who was leaving is waited for no longer."""
        self.members: dict[str, Agent] = {}
        """Agents with a device, by UUID."""
        self._hass = hass
        self._entry = entry
        self._server_id = server_id
        self._on_gone = on_gone
        self._leaving: dict[str, CALLBACK_TYPE] = {}
        """What ends the wait for an agent that left, by its UUID."""
        self._pending: set[str] = set()
        """Ids of those who are no agents yet, or are kept from it."""
        self._ambiguous: set[str] = set()

    @property
    def known(self) -> set[str]:
        """Return the UUIDs of all that have a device: the members and those who are leaving."""
        return self.members.keys() | self._leaving.keys()

    @callback
    def async_update(self, agents: Mapping[str, Agent]) -> None:
        """Take over who is there."""
        async_migrate_to_uuids(self._hass, self._entry, self._server_id, agents.values())
        members = {
            uuid: agent
            for uuid, agent in self._by_uuid(self._identified(agents.values())).items()
            if agent.is_established or uuid in self.known or self._has_device(uuid)
        }
        for uuid in self._leaving.keys() & members.keys():
            self._leaving.pop(uuid)()
        for uuid in self.members.keys() - members.keys():
            self._leaving[uuid] = self._wait_for(uuid)
        self.members = members
        self._pending = {agent.id for agent in agents.values() if not agent.is_established}
        self.async_sync_devices()

    @callback
    def async_sync_devices(self) -> None:
        """Make the registry's devices those of the crew."""
        registry = dr.async_get(self._hass)
        wanted = {agent_identifier(self._server_id, uuid) for uuid in self.known}
        for device in dr.async_entries_for_config_entry(registry, self._entry.entry_id):
            # That of one who is kept from working may yet be known by the agent's id.
            if device.identifiers.isdisjoint(wanted) and device.model_id not in self._pending:
                registry.async_remove_device(device.id)
        for agent in self.members.values():
            if agent.is_established:
                registry.async_get_or_create(
                    config_entry_id=self._entry.entry_id,
                    **agent_device_info(self._server_id, agent),
                )

    @callback
    def async_release(self, device: dr.AnyDeviceEntry) -> bool:
        """Let a person remove a device. Returns whether they may: not while its agent is there."""
        for uuid in self.known:
            if agent_identifier(self._server_id, uuid) in device.identifiers:
                if uuid in self.members:
                    return False
                self._leaving.pop(uuid)()
                self._on_gone()
        return True

    @callback
    def async_close(self) -> None:
        """Wait for nobody any more; what is left over is for the next snapshot to settle."""
        for stop_waiting in self._leaving.values():
            stop_waiting()
        self._leaving.clear()

    def _identified(self, agents: Collection[Agent]) -> list[Agent]:
        """Return the agents under the UUIDs that their devices have.

        A bundle whose manifest cannot be read has lost its agent's, but not for good; the id is
        then the best guess at whose it was.
        """
        claimed = {agent.uuid for agent in agents}
        uuids = {
            device.model_id: uuid
            for device in dr.async_entries_for_config_entry(
                dr.async_get(self._hass), self._entry.entry_id
            )
            if (uuid := agent_uuid_of(self._server_id, device)) and uuid not in claimed
        }
        return [
            replace(agent, uuid=uuids[agent.id])
            if not agent.is_established and agent.id in uuids and not self._has_device(agent.uuid)
            else agent
            for agent in agents
        ]

    def _by_uuid(self, agents: Iterable[Agent]) -> dict[str, Agent]:
        """Return the agents by UUID; where two claim one, who had it keeps it, else the first."""
        found: dict[str, Agent] = {}
        ambiguous: set[str] = set()
        for agent in agents:
            holder, other = self.members.get(agent.uuid), found.get(agent.uuid)
            if other is None or (holder is not None and holder.id == agent.id):
                found[agent.uuid] = agent
            if other is None:
                continue
            ambiguous.add(agent.uuid)
            if agent.uuid not in self._ambiguous:
                LOGGER.warning(
                    "%s and %s have the same UUID, %s: give one of them another in its manifest",
                    other.id,
                    agent.id,
                    agent.uuid,
                )
        self._ambiguous = ambiguous
        return found

    def _has_device(self, uuid: str) -> bool:
        return bool(
            dr.async_get(self._hass).async_get_devices(
                identifiers={agent_identifier(self._server_id, uuid)},
                config_entry_id=self._entry.entry_id,
            )
        )

    def _wait_for(self, uuid: str) -> CALLBACK_TYPE:
        @callback
        def give_up(_: datetime) -> None:
            del self._leaving[uuid]
            self.async_sync_devices()
            self._on_gone()

        return async_call_later(self._hass, GRACE, HassJob(give_up, cancel_on_shutdown=True))
