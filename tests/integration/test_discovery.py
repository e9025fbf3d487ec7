"""H-Cores that apps announce are offered, each once, and never confused."""

from typing import Any

import pytest
from homeassistant.config_entries import (
    SOURCE_HASSIO,
    SOURCE_IGNORE,
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    signal_discovered_config_entry_removed,
)
from homeassistant.const import CONF_HOST, CONF_LLM_HASS_API, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.service_info.hassio import HassioServiceInfo
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hairem.client import BridgeClient
from custom_components.hairem.const import DOMAIN
from tests.integration.announcements import (
    APP,
    OTHER_ID,
    RENEWED,
    SLUG,
    UUID,
    announce,
    data_of,
    entries,
    in_progress,
    submit,
)
from tests.integration.bridge_server import SERVER_ID, TOKEN, BridgeServer
from tests.integration.conftest import eventually

pytestmark = pytest.mark.usefixtures("unloaded")


async def test_an_app_is_offered_and_added(
    hass: HomeAssistant, bridge: BridgeServer, caplog: pytest.LogCaptureFixture
) -> None:
    form = await announce(hass, bridge)
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == "hassio_confirm"
    assert form["errors"] == {}
    assert form["data_schema"] is None, "there is nothing to type"
    assert form["description_placeholders"] == {"app": APP}
    (flow,) = in_progress(hass)
    assert flow["context"]["unique_id"] == SERVER_ID
    assert flow["context"]["confirm_only"] is True
    assert flow["context"]["title_placeholders"] == {"name": "Maison"}
    assert flow["context"]["configuration_url"] == f"homeassistant://app/{SLUG}"
    assert entries(hass) == [], "nobody was asked yet"

    result = await submit(hass, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Maison"
    assert result["data"] == data_of(bridge)
    assert result["options"] == {CONF_LLM_HASS_API: ["assist"]}
    assert result["result"].unique_id == SERVER_ID
    assert result["result"].state is ConfigEntryState.LOADED
    assert hass.states.get("conversation.renarde") is not None
    assert TOKEN not in caplog.text


async def test_an_app_that_names_no_core_is_called_by_its_own_name(
    hass: HomeAssistant, bridge: BridgeServer
) -> None:
    bridge.hello["name"] = ""
    form = await announce(hass, bridge)
    (flow,) = in_progress(hass)
    assert flow["context"]["title_placeholders"] == {"name": APP}
    assert (await submit(hass, form))["title"] == "hAIrem"


@pytest.mark.parametrize("at_first", [True, False], ids=["when found", "when confirmed"])
@pytest.mark.parametrize(
    ("trouble", "reason", "is_told"),
    [
        ("away", "cannot_connect", False),
        ("rubbish", "cannot_connect", False),
        ("token", "invalid_auth", True),
        ("version", "unsupported_version", True),
        ("bug", "unknown", True),
    ],
)
async def test_an_app_that_is_of_no_use(
    hass: HomeAssistant,
    bridge: BridgeServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    at_first: bool,
    trouble: str,
    reason: str,
    is_told: bool,
) -> None:
    async def fail(_: BridgeClient) -> None:
        raise ZeroDivisionError

    caplog.set_level("INFO")
    form = None if at_first else await announce(hass, bridge)
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
        result = await (announce(hass, bridge) if form is None else submit(hass, form))
    assert (f"{APP} is of no use: {reason}" in caplog.text) is is_told
    assert TOKEN not in caplog.text
    assert entries(hass) == []
    if at_first or reason != "cannot_connect":
        assert result["type"] is FlowResultType.ABORT
        assert result["reason"] == reason
        assert in_progress(hass) == []
        return

    # The app was stopped since: it can be started, and the form submitted again.
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"base": "cannot_connect"}
    assert result["description_placeholders"] == {"app": APP}
    bridge.first_frame = None
    if trouble == "away":
        await bridge.start()
    assert (await submit(hass, result))["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    "wrong",
    [
        {CONF_HOST: None},
        {CONF_HOST: ""},
        {CONF_PORT: "8127"},
        {CONF_PORT: 0},
        {CONF_PORT: 65536},
        {CONF_TOKEN: ""},
        {CONF_TOKEN: [TOKEN]},
    ],
    ids=str,
)
async def test_an_announcement_that_is_none(
    hass: HomeAssistant,
    bridge: BridgeServer,
    caplog: pytest.LogCaptureFixture,
    wrong: dict[str, Any],
) -> None:
    result = await announce(hass, bridge, **wrong)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "invalid_discovery_info"
    assert f"The app {APP} announced an H-Core without" in caplog.text
    assert TOKEN not in caplog.text
    assert bridge.clients == []


async def test_a_key_that_is_missing(hass: HomeAssistant) -> None:
    result = await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_HASSIO},
        data=HassioServiceInfo(config={"addon": APP}, name=APP, slug=SLUG, uuid=UUID),
    )
    assert result["reason"] == "invalid_discovery_info"


async def test_ignoring(hass: HomeAssistant, bridge: BridgeServer) -> None:
    await announce(hass, bridge)
    await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_IGNORE},
        data={"unique_id": SERVER_ID, "title": "Maison"},
    )
    assert in_progress(hass) == []
    (ignored,) = entries(hass)
    result = await announce(hass, bridge, uuid="another")
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert ignored.data == {}, "what is ignored is given no token"

    # Whoever adds it by hand after all may.
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    typed = {CONF_HOST: "127.0.0.1", CONF_PORT: bridge.port, CONF_TOKEN: TOKEN}
    result = await hass.config_entries.flow.async_configure(form["flow_id"], typed)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (added,) = entries(hass)
    assert added.source == SOURCE_USER
    assert added.data == typed


@pytest.mark.parametrize("is_typed_in", [False, True], ids=["discovered", "typed in"])
async def test_a_removed_app_is_offered_again(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry, is_typed_in: bool
) -> None:
    if not is_typed_in:
        await hass.config_entries.async_remove(entry.entry_id)
        await submit(hass, await announce(hass, bridge))
    else:
        await announce(hass, bridge)
    removed: list[ConfigEntry] = []
    async_dispatcher_connect(hass, signal_discovered_config_entry_removed("hassio"), removed.append)
    (known,) = entries(hass)
    await hass.config_entries.async_remove(known.entry_id)
    await hass.async_block_till_done()
    # By these, Home Assistant asks the Supervisor what to offer again.
    assert removed == [known]
    assert [key.key for key in known.discovery_keys["hassio"]] == [UUID]

    form = await announce(hass, bridge)
    assert form["step_id"] == "hassio_confirm"
    assert (await submit(hass, form))["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("change", ["token", "server_id", "slug", "started"])
async def test_a_newer_offer_takes_the_place_of_an_older_one(
    hass: HomeAssistant, bridge: BridgeServer, change: str
) -> None:
    older = await announce(hass, bridge)
    if change == "token":
        bridge.token = RENEWED
    elif change == "server_id":
        bridge.hello["server_id"] = OTHER_ID
    # The last stands for what an app of a later version may announce beside.
    newer = await announce(
        hass, bridge, slug="local_hairem" if change == "slug" else SLUG, started=change
    )
    assert newer["type"] is FlowResultType.FORM
    assert [flow["flow_id"] for flow in in_progress(hass)] == [newer["flow_id"]]
    assert older["flow_id"] != newer["flow_id"]
    result = await submit(hass, newer)
    assert result["data"] == data_of(bridge)


async def test_two_apps_are_two_offers(
    hass: HomeAssistant, bridge: BridgeServer, laptop: BridgeServer
) -> None:
    await announce(hass, bridge)
    await announce(hass, laptop, slug="local_hairem", uuid="another")
    assert {flow["context"]["unique_id"] for flow in in_progress(hass)} == {SERVER_ID, OTHER_ID}


async def test_what_was_offered_is_another_core_by_now(
    hass: HomeAssistant, bridge: BridgeServer
) -> None:
    form = await announce(hass, bridge)
    bridge.hello["server_id"] = OTHER_ID
    result = await submit(hass, form)
    assert result["result"].unique_id == OTHER_ID


async def test_what_was_offered_is_known_by_now(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry
) -> None:
    """As after a backup of the app was brought back while the offer waited."""
    bridge.hello["server_id"] = OTHER_ID
    form = await announce(hass, bridge)
    bridge.hello["server_id"] = SERVER_ID
    result = await submit(hass, form)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert entry.data == data_of(bridge)


async def test_adding_by_hand_ends_the_offer(hass: HomeAssistant, bridge: BridgeServer) -> None:
    await announce(hass, bridge)
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    typed = {CONF_HOST: "127.0.0.1", CONF_PORT: bridge.port, CONF_TOKEN: TOKEN}
    result = await hass.config_entries.flow.async_configure(form["flow_id"], typed)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert in_progress(hass) == []


async def test_a_wrong_server_is_named_though_it_is_on_offer(
    hass: HomeAssistant, bridge: BridgeServer, laptop: BridgeServer, loaded: MockConfigEntry
) -> None:
    await announce(hass, laptop)
    typed = {CONF_HOST: "127.0.0.1", CONF_PORT: laptop.port, CONF_TOKEN: laptop.token}
    form = await loaded.start_reconfigure_flow(hass)
    result = await hass.config_entries.flow.async_configure(form["flow_id"], typed)
    assert result["reason"] == "wrong_server"


async def test_trying_leaves_no_connection(hass: HomeAssistant, bridge: BridgeServer) -> None:
    await announce(hass, bridge)
    assert len(bridge.clients) == 1
    await eventually(lambda: not bridge.connections)
