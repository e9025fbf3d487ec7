"""What a person can do about an agent from Home Assistant's repairs."""

from typing import Any

import probatio
from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN, LOGGER
from .coordinator import HairemConfigEntry
from .errors import CannotConnect, CommandFailed


class RestartAgentFlow(RepairsFlow):
    """Offer to start an agent again that is in quarantine."""

    def __init__(self, entry_id: str, agent_id: str) -> None:
        """Be about the agent `agent_id` of the H-Core of that config entry."""
        self._entry_id = entry_id
        self._agent_id = agent_id

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Begin."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Say what happened, and start the agent if that is wanted."""
        if user_input is not None:
            return await self._async_restart()
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        return self.async_show_form(
            step_id="confirm",
            data_schema=probatio.Schema({}),
            description_placeholders=issue.translation_placeholders if issue else None,
        )

    async def _async_restart(self) -> RepairsFlowResult:
        entry: HairemConfigEntry | None = self.hass.config_entries.async_get_entry(self._entry_id)
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_connected")
        try:
            await entry.runtime_data.coordinator.async_reload_agent(self._agent_id)
        except CannotConnect as err:
            LOGGER.debug("%s was not started again: %s", self._agent_id, err)
            return self.async_abort(reason="not_connected")
        except CommandFailed as err:
            return self.async_abort(
                reason="refused", description_placeholders={"error": err.message}
            )
        return self.async_create_entry(data={})


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow that mends an issue; `data` is what the issue was made with."""
    assert data is not None
    return RestartAgentFlow(str(data["entry_id"]), str(data["agent_id"]))
