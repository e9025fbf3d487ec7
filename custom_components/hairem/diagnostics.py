"""What a person can attach to a report of a problem, without secrets."""

from dataclasses import asdict
from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_HOST, CONF_PROMPT, CONF_TOKEN
from homeassistant.core import HomeAssistant

from .coordinator import HairemConfigEntry

TO_REDACT = {CONF_HOST, CONF_PROMPT, CONF_TOKEN}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: HairemConfigEntry
) -> dict[str, Any]:
    """Return the state of one H-Core's connection and crew."""
    coordinator = entry.runtime_data.coordinator
    statistics = asdict(coordinator.statistics())
    if (down_since := statistics.pop("down_since")) is not None:
        statistics["down_for_seconds"] = round(hass.loop.time() - down_since, 1)
    # It may name the host.
    statistics["last_error"] = statistics["last_error"] and (
        statistics["last_error"].replace(entry.data[CONF_HOST], "**REDACTED**")
    )
    return {
        "entry": {
            "data": async_redact_data(dict(entry.data), TO_REDACT),
            "options": async_redact_data(dict(entry.options), TO_REDACT),
        },
        "server": asdict(coordinator.server) if coordinator.server else None,
        "connection": {
            "available": coordinator.available,
            "open_turns": coordinator.client.open_turns if coordinator.client else 0,
            **statistics,
        },
        "agents": [asdict(agent) for agent in coordinator.agents.values()],
    }
