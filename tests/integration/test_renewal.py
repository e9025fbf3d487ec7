"""What an app announces of an H-Core that is set up: another token or address, or nothing new."""

import pytest
from homeassistant.config_entries import (
    ConfigEntryDisabler,
    ConfigEntryState,
)
from homeassistant.const import CONF_HOST, CONF_LLM_HASS_API, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hairem.const import CONF_IS_APP, DOMAIN
from custom_components.hairem.diagnostics import async_get_config_entry_diagnostics
from tests.integration.announcements import (
    OTHER_ID,
    RENEWED,
    announce,
    data_of,
    entries,
    in_progress,
    submit,
)
from tests.integration.bridge_server import TOKEN, BridgeServer
from tests.integration.conftest import eventually
from tests.integration.test_init import set_up

pytestmark = pytest.mark.usefixtures("unloaded")


async def test_nothing_new_disturbs_nothing(
    hass: HomeAssistant, bridge: BridgeServer, app_entry: MockConfigEntry, loaded: MockConfigEntry
) -> None:
    coordinator = loaded.runtime_data.coordinator
    result = await announce(hass, bridge)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert loaded.data == data_of(bridge)
    assert loaded.runtime_data.coordinator is coordinator, "it was not reloaded"


@pytest.mark.parametrize("is_app", [True, False], ids=["app", "typed in"])
async def test_another_token_and_address(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, is_app: bool
) -> None:
    """An entry that a person typed in is the app's from then on."""
    if is_app:
        hass.config_entries.async_update_entry(loaded, data=data_of(bridge))
    coordinator = loaded.runtime_data.coordinator
    await bridge.stop()
    bridge.port, bridge.token = 0, RENEWED
    await bridge.start()
    result = await announce(hass, bridge)
    assert result["reason"] == "already_configured"
    assert loaded.data == data_of(bridge)
    assert loaded.data[CONF_TOKEN] == RENEWED
    assert loaded.state is ConfigEntryState.LOADED
    assert loaded.runtime_data.coordinator is not coordinator
    assert loaded.options == {CONF_LLM_HASS_API: ["assist"]}
    assert in_progress(hass) == []


async def test_a_token_that_is_wrong_replaces_none(
    hass: HomeAssistant, bridge: BridgeServer, app_entry: MockConfigEntry, loaded: MockConfigEntry
) -> None:
    result = await announce(hass, bridge, token="hairem_wrong")
    assert result["reason"] == "invalid_auth"
    assert loaded.data == data_of(bridge)
    assert loaded.state is ConfigEntryState.LOADED


async def test_a_refused_token_of_an_app_waits_for_the_next(
    hass: HomeAssistant, bridge: BridgeServer, app_entry: MockConfigEntry
) -> None:
    bridge.token = RENEWED
    assert await set_up(hass, app_entry) is ConfigEntryState.SETUP_RETRY
    assert app_entry.error_reason_translation_key == "invalid_auth_app"
    assert in_progress(hass) == [], "nobody can know the token, so nobody is asked"

    result = await announce(hass, bridge)
    assert result["reason"] == "already_configured"
    assert app_entry.state is ConfigEntryState.LOADED
    assert app_entry.data == data_of(bridge)


async def test_a_token_that_an_app_takes_back_asks_nobody(
    hass: HomeAssistant, bridge: BridgeServer, app_entry: MockConfigEntry, loaded: MockConfigEntry
) -> None:
    bridge.token = RENEWED
    bridge.abort()
    # The link tries again, is refused, and has the entry set up anew.
    await eventually(lambda: loaded.state is ConfigEntryState.SETUP_RETRY)
    assert loaded.error_reason_translation_key == "invalid_auth_app"
    assert in_progress(hass) == []


@pytest.mark.parametrize("is_renewed", [True, False], ids=["another token", "the same token"])
async def test_a_good_token_ends_a_reauthentication(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry, is_renewed: bool
) -> None:
    bridge.auth_error = "invalid_token"
    assert await set_up(hass, entry) is ConfigEntryState.SETUP_ERROR
    (flow,) = in_progress(hass)
    assert flow["step_id"] == "reauth_confirm"
    issue = ("homeassistant", f"config_entry_reauth_{DOMAIN}_{entry.entry_id}")
    assert ir.async_get(hass).async_get_issue(*issue) is not None

    result = await announce(hass, bridge)
    assert result["reason"] == "invalid_auth"
    assert len(in_progress(hass)) == 1, "a bad one does not"

    bridge.auth_error = None
    if is_renewed:
        bridge.token = RENEWED
    result = await announce(hass, bridge)
    assert result["reason"] == "already_configured"
    assert in_progress(hass) == []
    assert ir.async_get(hass).async_get_issue(*issue) is None
    assert entry.state is ConfigEntryState.LOADED
    assert entry.data == data_of(bridge)


async def test_an_app_that_is_back_is_not_waited_for(
    hass: HomeAssistant, bridge: BridgeServer, app_entry: MockConfigEntry
) -> None:
    await bridge.stop()
    assert await set_up(hass, app_entry) is ConfigEntryState.SETUP_RETRY
    await bridge.start()
    await announce(hass, bridge)
    assert app_entry.state is ConfigEntryState.LOADED


async def test_a_disabled_entry_stays_disabled(
    hass: HomeAssistant, bridge: BridgeServer, app_entry: MockConfigEntry
) -> None:
    await hass.config_entries.async_set_disabled_by(app_entry.entry_id, ConfigEntryDisabler.USER)
    bridge.token = RENEWED
    result = await announce(hass, bridge)
    assert result["reason"] == "already_configured"
    assert app_entry.state is ConfigEntryState.NOT_LOADED
    assert app_entry.data[CONF_TOKEN] == RENEWED, "for the day when it is enabled"


async def test_an_app_and_a_laptop(
    hass: HomeAssistant, bridge: BridgeServer, laptop: BridgeServer, loaded: MockConfigEntry
) -> None:
    """The fixture's entry is the laptop's here, and was typed in."""
    on_laptop = {CONF_HOST: "127.0.0.1", CONF_PORT: laptop.port, CONF_TOKEN: laptop.token}
    hass.config_entries.async_update_entry(loaded, unique_id=OTHER_ID, data=on_laptop)
    assert await hass.config_entries.async_reload(loaded.entry_id)
    of_laptop = loaded.runtime_data.coordinator
    assert (await submit(hass, await announce(hass, bridge)))["type"] is FlowResultType.CREATE_ENTRY
    (of_app,) = (entry for entry in entries(hass) if entry is not loaded)
    bridge.token = RENEWED
    await announce(hass, bridge)
    assert of_app.data == data_of(bridge)
    assert of_app.state is ConfigEntryState.LOADED
    assert loaded.data == on_laptop
    assert loaded.runtime_data.coordinator is of_laptop

    # A laptop's token is a person's to renew.
    laptop.token = RENEWED
    await hass.config_entries.async_reload(loaded.entry_id)
    await hass.async_block_till_done()
    assert loaded.state is ConfigEntryState.SETUP_ERROR
    (flow,) = in_progress(hass)
    assert flow["context"]["entry_id"] == loaded.entry_id
    hass.config_entries.flow.async_abort(flow["flow_id"])


async def test_an_app_that_was_installed_anew(
    hass: HomeAssistant, bridge: BridgeServer, app_entry: MockConfigEntry, loaded: MockConfigEntry
) -> None:
    """Other data, so another H-Core, at the same address, with another token."""
    await hass.config_entries.async_unload(loaded.entry_id)
    bridge.hello["server_id"] = OTHER_ID
    bridge.token = RENEWED
    bridge.clients.clear()
    assert await set_up(hass, loaded) is ConfigEntryState.SETUP_RETRY
    assert loaded.error_reason_translation_key == "wrong_server"
    assert bridge.clients == [], "it was not shown a token that is not for it"

    form = await announce(hass, bridge, uuid="another")
    assert form["step_id"] == "hassio_confirm"
    result = await submit(hass, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].unique_id == OTHER_ID
    assert result["result"].state is ConfigEntryState.LOADED
    assert loaded.data[CONF_TOKEN] == TOKEN
    assert loaded.state is ConfigEntryState.SETUP_RETRY
    assert loaded.error_reason_translation_key == "wrong_server"


@pytest.mark.parametrize("is_moved", [True, False])
async def test_who_moves_an_apps_core_has_it_in_hand(
    hass: HomeAssistant,
    bridge: BridgeServer,
    app_entry: MockConfigEntry,
    loaded: MockConfigEntry,
    is_moved: bool,
) -> None:
    if is_moved:
        await bridge.stop()
        bridge.port = 0
        await bridge.start()
    form = await loaded.start_reconfigure_flow(hass)
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {CONF_HOST: "127.0.0.1", CONF_PORT: bridge.port}
    )
    await hass.async_block_till_done()
    assert result["reason"] == "reconfigure_successful"
    expected = data_of(bridge)
    if is_moved:
        del expected[CONF_IS_APP]
    assert loaded.data == expected


async def test_diagnostics_keep_the_apps_token(
    hass: HomeAssistant, bridge: BridgeServer, app_entry: MockConfigEntry, loaded: MockConfigEntry
) -> None:
    found = await async_get_config_entry_diagnostics(hass, loaded)
    assert found["entry"]["data"][CONF_IS_APP] is True
    assert TOKEN not in str(found)
