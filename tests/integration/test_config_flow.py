"""Adding an H-Core, moving it, giving it another token, setting its options."""

from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.const import CONF_HOST, CONF_LLM_HASS_API, CONF_PORT, CONF_PROMPT, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hairem.client import BridgeClient
from custom_components.hairem.const import DOMAIN
from tests.integration.bridge_server import SERVER_ID, TOKEN, BridgeServer
from tests.integration.conftest import eventually


@pytest.fixture
def typed(bridge: BridgeServer) -> dict[str, Any]:
    """Return what a person types to add the bridge's H-Core."""
    return {CONF_HOST: "127.0.0.1", CONF_PORT: bridge.port, CONF_TOKEN: TOKEN}


async def begin(hass: HomeAssistant) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})


async def go_on(
    hass: HomeAssistant, flow: ConfigFlowResult, typed: dict[str, Any]
) -> ConfigFlowResult:
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], typed)
    await hass.async_block_till_done()
    return result


async def unload(hass: HomeAssistant) -> None:
    for entry in hass.config_entries.async_entries(DOMAIN):
        if entry.state is ConfigEntryState.LOADED:
            await hass.config_entries.async_unload(entry.entry_id)


async def test_adding(hass: HomeAssistant, bridge: BridgeServer, typed: dict[str, Any]) -> None:
    form = await begin(hass)
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {}
    # As people paste.
    pasted = {**typed, CONF_HOST: " 127.0.0.1", CONF_TOKEN: f"{TOKEN} "}
    result = await go_on(hass, form, pasted)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Maison"
    assert result["data"] == typed
    assert isinstance(result["data"][CONF_PORT], int)
    assert result["options"] == {CONF_LLM_HASS_API: ["assist"]}
    assert result["result"].unique_id == SERVER_ID
    assert result["result"].state is ConfigEntryState.LOADED
    assert hass.states.get("conversation.renarde") is not None
    await unload(hass)


@pytest.mark.parametrize(
    ("trouble", "errors"),
    [
        ("away", {"base": "cannot_connect"}),
        ("rubbish", {"base": "cannot_connect"}),
        ("token", {CONF_TOKEN: "invalid_auth"}),
        ("version", {"base": "unsupported_version"}),
        ("bug", {"base": "unknown"}),
    ],
)
async def test_errors_and_another_try(
    hass: HomeAssistant,
    bridge: BridgeServer,
    typed: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
    errors: dict[str, str],
) -> None:
    async def fail(_: BridgeClient) -> None:
        raise ZeroDivisionError

    form = await begin(hass)
    with monkeypatch.context() as patch:
        if trouble == "away":
            await bridge.stop()
        elif trouble == "rubbish":
            bridge.first_frame = "SSH-2.0"
        elif trouble == "token":
            bridge.auth_error = "invalid_token"
        elif trouble == "version":
            bridge.hello |= {"min_schema_version": 2, "schema_version": 2}
        else:
            patch.setattr(BridgeClient, "connect", fail)
        form = await go_on(hass, form, typed)
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == errors
    assert form["data_schema"] is not None
    suggested = {
        str(key): key.description["suggested_value"]
        for key in form["data_schema"].schema
        if key.description
    }
    assert suggested == {CONF_HOST: "127.0.0.1", CONF_PORT: bridge.port}, "never the token"

    if trouble == "away":
        await bridge.start()
    bridge.first_frame = bridge.auth_error = None
    bridge.hello |= {"min_schema_version": 1, "schema_version": 1}
    result = await go_on(hass, form, typed)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await unload(hass)


async def test_a_host_that_is_none(hass: HomeAssistant, typed: dict[str, Any]) -> None:
    result = await go_on(hass, await begin(hass), {**typed, CONF_HOST: "http://house:1/"})
    assert result["errors"] == {"base": "cannot_connect"}


async def test_the_same_core_twice(
    hass: HomeAssistant, entry: MockConfigEntry, typed: dict[str, Any]
) -> None:
    result = await go_on(hass, await begin(hass), typed)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


async def test_trying_leaves_no_connection(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry, typed: dict[str, Any]
) -> None:
    await go_on(hass, await begin(hass), typed)
    await eventually(lambda: not bridge.connections)


async def test_reauthentication(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_TOKEN: "hairem_old"})
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    form = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert form["step_id"] == "reauth_confirm"

    form = await go_on(hass, form, {CONF_TOKEN: "hairem_wrong"})
    assert form["errors"] == {CONF_TOKEN: "invalid_auth"}

    result = await go_on(hass, form, {CONF_TOKEN: TOKEN})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reauth_successful"
    assert entry.data[CONF_TOKEN] == TOKEN
    assert entry.state is ConfigEntryState.LOADED
    await unload(hass)


async def test_reauthentication_with_another_core(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry
) -> None:
    bridge.hello["server_id"] = "another"
    form = await entry.start_reauth_flow(hass)
    result = await go_on(hass, form, {CONF_TOKEN: TOKEN})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "wrong_server"


@pytest.mark.parametrize("token", [None, TOKEN])
async def test_moving(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, token: str | None
) -> None:
    await bridge.stop()
    bridge.port = 0
    form = await loaded.start_reconfigure_flow(hass)
    assert form["step_id"] == "reconfigure"
    moved = {CONF_HOST: "127.0.0.1", CONF_PORT: loaded.data[CONF_PORT]}
    if token:
        moved[CONF_TOKEN] = token
    form = await go_on(hass, form, moved)
    assert form["errors"] == {"base": "cannot_connect"}

    await bridge.start()
    result = await go_on(hass, form, {**moved, CONF_PORT: bridge.port})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    assert loaded.data == {CONF_HOST: "127.0.0.1", CONF_PORT: bridge.port, CONF_TOKEN: TOKEN}
    assert loaded.state is ConfigEntryState.LOADED


async def test_moving_to_another_core(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry, typed: dict[str, Any]
) -> None:
    bridge.hello["server_id"] = "another"
    form = await entry.start_reconfigure_flow(hass)
    result = await go_on(hass, form, typed)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "wrong_server"


@pytest.mark.parametrize(
    ("chosen", "options", "features"),
    [
        (
            {CONF_LLM_HASS_API: ["assist"], CONF_PROMPT: "Rhyme."},
            {CONF_LLM_HASS_API: ["assist"], CONF_PROMPT: "Rhyme."},
            1,
        ),
        ({}, {CONF_LLM_HASS_API: []}, 0),
    ],
)
async def test_options(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    chosen: dict[str, Any],
    options: dict[str, Any],
    features: int,
) -> None:
    form = await hass.config_entries.options.async_init(loaded.entry_id)
    assert form["type"] is FlowResultType.FORM
    result = await hass.config_entries.options.async_configure(form["flow_id"], chosen)
    await hass.async_block_till_done()
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert loaded.options == options
    # They are in force without a restart.
    renarde = hass.states.get("conversation.renarde")
    assert renarde is not None
    assert renarde.attributes["supported_features"] == features


async def test_options_do_not_suggest_tools_that_are_gone(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(loaded, options={CONF_LLM_HASS_API: ["assist", "gone"]})
    form = await hass.config_entries.options.async_init(loaded.entry_id)
    assert form["data_schema"] is not None
    (marker,) = (key for key in form["data_schema"].schema if key == CONF_LLM_HASS_API)
    assert marker.description == {"suggested_value": ["assist"]}
