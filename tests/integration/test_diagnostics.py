"""What a person attaches to a report holds no secrets."""

import json

import pytest
from homeassistant.components.diagnostics import REDACTED
from homeassistant.const import CONF_HOST, CONF_PROMPT
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hairem.diagnostics import async_get_config_entry_diagnostics
from tests.integration.bridge_server import SERVER_ID, TOKEN, BridgeServer, agent, finding
from tests.integration.conftest import eventually

PROMPT = "Anna's birthday is in May."


@pytest.fixture
def entry(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    hass.config_entries.async_update_entry(entry, options={**entry.options, CONF_PROMPT: PROMPT})
    return entry


async def test_diagnostics(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    found = await async_get_config_entry_diagnostics(hass, loaded)
    assert found["entry"]["data"] == {
        "host": REDACTED,
        "port": bridge.port,
        "token": REDACTED,
    }
    assert found["entry"]["options"] == {"llm_hass_api": ["assist"], "prompt": REDACTED}
    assert found["server"]["server_id"] == SERVER_ID
    assert found["connection"] == {
        "available": True,
        "open_turns": 0,
        "outages": 0,
        "failed_tries": 0,
        "last_error": None,
    }
    assert [agent["id"] for agent in found["agents"]] == ["renarde", "electra"]


async def test_diagnostics_say_what_is_wrong_with_an_agent(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    await bridge.set_agent(
        agent("electra", findings=[finding()], drift=True, last_error="ValueError: no such light")
    )
    coordinator = loaded.runtime_data.coordinator
    await eventually(lambda: coordinator.agents["electra"].drift)
    found = json.loads(json.dumps(await async_get_config_entry_diagnostics(hass, loaded)))
    assert found["agents"][1]["findings"] == [finding()]
    assert found["agents"][1]["last_error"] == "ValueError: no such light"


async def test_diagnostics_of_an_outage(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    await bridge.stop()
    coordinator = loaded.runtime_data.coordinator
    await eventually(lambda: coordinator.statistics().failed_tries > 0)
    found = await async_get_config_entry_diagnostics(hass, loaded)
    assert found["connection"]["outages"] == 1
    assert found["connection"]["available"] is False
    assert found["connection"]["down_for_seconds"] > 0
    assert found["connection"]["last_error"].startswith("No connection to H-Core at **REDACTED**")
    told = json.dumps(found)
    assert TOKEN not in told
    assert loaded.data[CONF_HOST] not in told
    assert PROMPT not in told
