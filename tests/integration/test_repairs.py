"""Starting an agent again from Home Assistant's repairs, through the API that the page uses."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hairem import client as client_module
from custom_components.hairem.const import DOMAIN
from tests.integration.bridge_frames import Reload
from tests.integration.bridge_server import BridgeServer, agent
from tests.integration.conftest import eventually


class Repairs:
    """The page of repairs, opened at one issue."""

    def __init__(self, http: TestClient[Any, Any], issue_id: str) -> None:
        self._http = http
        self._issue_id = issue_id
        self._flow_id = ""

    async def open(self) -> dict[str, Any]:
        """Return the form of the issue."""
        response = await self._http.post(
            "/api/repairs/issues/fix", json={"handler": DOMAIN, "issue_id": self._issue_id}
        )
        assert response.status == 200, await response.text()
        form: dict[str, Any] = await response.json()
        self._flow_id = form["flow_id"]
        return form

    async def submit(self) -> dict[str, Any]:
        """Return what comes of submitting the form."""
        response = await self._http.post(f"/api/repairs/issues/fix/{self._flow_id}", json={})
        assert response.status == 200, await response.text()
        step: dict[str, Any] = await response.json()
        return step


@pytest.fixture
async def repairs(
    hass: HomeAssistant,
    bridge: BridgeServer,
    loaded: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> Repairs:
    """Return the page at the issue of Electra, who is in quarantine."""
    assert await async_setup_component(hass, "repairs", {})
    await bridge.set_agent(agent("electra", state="quarantined", reason="It ended 3 times."))
    issue_id = f"agent_{loaded.entry_id}_electra"
    await eventually(lambda: (DOMAIN, issue_id) in ir.async_get(hass).issues)
    return Repairs(await hass_client(), issue_id)


def is_fixed(hass: HomeAssistant) -> bool:
    return not any(domain == DOMAIN for domain, _ in ir.async_get(hass).issues)


async def test_starting_an_agent_again(
    hass: HomeAssistant, bridge: BridgeServer, repairs: Repairs
) -> None:
    form = await repairs.open()
    assert form["type"] == "form"
    assert form["step_id"] == "confirm"
    assert form["description_placeholders"]["agent"] == "Electra"
    assert form["description_placeholders"]["problems"] == "It ended 3 times."
    assert not any(isinstance(command, Reload) for command in bridge.commands)

    step = await repairs.submit()
    assert step["type"] == "create_entry"
    orders = [command for command in bridge.commands if isinstance(command, Reload)]
    assert [order.agent_id for order in orders] == ["electra"]
    assert is_fixed(hass)
    await eventually(lambda: hass.states.is_state("conversation.electra", "unknown"))


async def test_a_core_that_refuses(
    hass: HomeAssistant, bridge: BridgeServer, repairs: Repairs
) -> None:
    bridge.refuse = {"agents/reload": "refused"}
    await repairs.open()
    step = await repairs.submit()
    assert step["type"] == "abort"
    assert step["reason"] == "refused"
    assert step["description_placeholders"] == {"error": "Because."}
    assert not is_fixed(hass)


async def test_a_core_that_is_away(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, repairs: Repairs
) -> None:
    await repairs.open()
    await bridge.stop()
    await eventually(lambda: not loaded.runtime_data.coordinator.available)
    step = await repairs.submit()
    assert (step["type"], step["reason"]) == ("abort", "not_connected")
    assert not is_fixed(hass)


async def test_a_core_that_does_not_answer(
    hass: HomeAssistant,
    bridge: BridgeServer,
    repairs: Repairs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "RELOAD_TIMEOUT", 0.05)
    bridge.mute = {"agents/reload"}
    await repairs.open()
    step = await repairs.submit()
    assert (step["type"], step["reason"]) == ("abort", "not_connected")
    assert not is_fixed(hass)


async def test_an_entry_that_is_unloaded_meanwhile(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, repairs: Repairs
) -> None:
    await repairs.open()
    await hass.config_entries.async_unload(loaded.entry_id)
    step = await repairs.submit()
    assert (step["type"], step["reason"]) == ("abort", "not_connected")


async def test_an_issue_that_is_mended_while_its_page_is_open(
    hass: HomeAssistant, bridge: BridgeServer, repairs: Repairs
) -> None:
    await bridge.set_agent(agent("electra"))
    await eventually(lambda: is_fixed(hass))
    response = await repairs._http.post(
        "/api/repairs/issues/fix", json={"handler": DOMAIN, "issue_id": repairs._issue_id}
    )
    assert response.status == 400
