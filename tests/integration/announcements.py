"""What the Supervisor and a person do about an app that announces its H-Core."""

from typing import Any

from homeassistant.config_entries import (
    SOURCE_HASSIO,
    ConfigEntry,
    ConfigFlowContext,
    ConfigFlowResult,
)
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.helpers.discovery_flow import DiscoveryKey
from homeassistant.helpers.service_info.hassio import HassioServiceInfo

from custom_components.hairem.const import CONF_IS_APP, DOMAIN
from tests.integration.bridge_server import BridgeServer

APP = "hAIrem"
SLUG = "0f1cc410_hairem"
UUID = "2f1bb2ad5b3e4a4c8ad1b8e7e0d1b8a1"
"""Of the announcement, as the Supervisor numbers them."""
RENEWED = "hairem_renewed"
OTHER_ID = "0199a0c4-0000-7a3b-8c1d-2f4e6a8b0c1d"
"""Of another H-Core than the fixture's."""


def data_of(bridge: BridgeServer) -> dict[str, Any]:
    """Return what an app's config entry holds."""
    return {
        CONF_HOST: "127.0.0.1",
        CONF_PORT: bridge.port,
        CONF_TOKEN: bridge.token,
        CONF_IS_APP: True,
    }


def entries(hass: HomeAssistant) -> list[ConfigEntry]:
    return hass.config_entries.async_entries(DOMAIN)


def in_progress(hass: HomeAssistant) -> list[ConfigFlowResult]:
    return hass.config_entries.flow.async_progress_by_handler(DOMAIN)


async def announce(
    hass: HomeAssistant, bridge: BridgeServer, *, slug: str = SLUG, uuid: str = UUID, **config: Any
) -> ConfigFlowResult:
    """Do what Home Assistant does with what an app posted to the Supervisor's `/discovery`."""
    posted = {CONF_HOST: "127.0.0.1", CONF_PORT: bridge.port, CONF_TOKEN: bridge.token, **config}
    result = await hass.config_entries.flow.async_init(
        DOMAIN,
        context=ConfigFlowContext(
            source=SOURCE_HASSIO,
            discovery_key=DiscoveryKey(domain="hassio", key=uuid, version=1),
        ),
        data=HassioServiceInfo(config={**posted, "addon": APP}, name=APP, slug=slug, uuid=uuid),
    )
    await hass.async_block_till_done()
    return result


async def submit(hass: HomeAssistant, form: ConfigFlowResult) -> ConfigFlowResult:
    result = await hass.config_entries.flow.async_configure(form["flow_id"], {})
    await hass.async_block_till_done()
    return result
