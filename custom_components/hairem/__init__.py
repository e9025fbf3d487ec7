"""hAIrem: the crew of an H-Core as conversation agents of this house."""

from homeassistant.const import EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import AnyDeviceEntry
from homeassistant.helpers.issue_registry import (
    IssueSeverity,
    async_create_issue,
    async_delete_issue,
)
from homeassistant.helpers.typing import ConfigType

from .const import CONF_IS_APP, DOMAIN
from .coordinator import HairemConfigEntry, HairemCoordinator, HairemRuntimeData
from .errors import CannotConnect, InvalidAuth, UnsupportedSchema, WrongServer
from .issues import async_delete_agent_issues, async_sync_agent_issues

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)

PLATFORMS = [Platform.CONVERSATION]


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Set up what does not depend on an H-Core: so far, nothing."""
    return True


async def async_setup_entry(hass: HomeAssistant, entry: HairemConfigEntry) -> bool:
    """Connect to an H-Core and bring its crew in.

    Raises ConfigEntryNotReady or ConfigEntryAuthFailed.
    """
    assert entry.unique_id is not None
    coordinator = HairemCoordinator(hass, entry, entry.unique_id)
    placeholders = {"name": entry.title}
    try:
        await coordinator.async_connect()
    except UnsupportedSchema as err:
        _async_create_version_issue(hass, entry, err)
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key="unsupported_version",
            translation_placeholders=placeholders | {"error": str(err)},
        ) from err
    except InvalidAuth as err:
        if entry.data.get(CONF_IS_APP):
            raise ConfigEntryNotReady(
                translation_domain=DOMAIN,
                translation_key="invalid_auth_app",
                translation_placeholders=placeholders,
            ) from err
        raise ConfigEntryAuthFailed(
            translation_domain=DOMAIN,
            translation_key="invalid_auth",
            translation_placeholders=placeholders,
        ) from err
    except WrongServer as err:
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key="wrong_server",
            translation_placeholders=placeholders,
        ) from err
    except CannotConnect as err:
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key="cannot_connect",
            translation_placeholders=placeholders | {"error": str(err)},
        ) from err
    async_delete_issue(hass, DOMAIN, _version_issue_id(entry))

    async def close(_: Event) -> None:
        await coordinator.async_close()

    @callback
    def sync_issues() -> None:
        async_sync_agent_issues(hass, entry, coordinator.agents)

    @callback
    def withdraw_issues() -> None:
        async_delete_agent_issues(hass, entry)

    entry.async_on_unload(hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, close))
    entry.async_on_unload(coordinator.async_add_listener(sync_issues))
    entry.async_on_unload(withdraw_issues)
    sync_issues()
    entry.runtime_data = HairemRuntimeData(coordinator=coordinator)
    coordinator.async_watch()
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: HairemConfigEntry) -> bool:
    """Let the crew go and end the connection. Returns whether that worked."""
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if unloaded:
        await entry.runtime_data.coordinator.async_close()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: HairemConfigEntry) -> None:
    """Take the entry's repair issues with it."""
    async_delete_agent_issues(hass, entry)
    async_delete_issue(hass, DOMAIN, _version_issue_id(entry))


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: HairemConfigEntry, device: AnyDeviceEntry
) -> bool:
    """Return whether a person may remove a device: not while its agent is part of the crew."""
    return entry.runtime_data.coordinator.crew.async_release(device)


def _version_issue_id(entry: HairemConfigEntry) -> str:
    return f"unsupported_version_{entry.entry_id}"


def _async_create_version_issue(
    hass: HomeAssistant, entry: HairemConfigEntry, err: UnsupportedSchema
) -> None:
    async_create_issue(
        hass,
        DOMAIN,
        _version_issue_id(entry),
        is_fixable=False,
        severity=IssueSeverity.ERROR,
        translation_key="core_outdated" if err.core_is_older else "integration_outdated",
        translation_placeholders={"name": entry.title, "version": err.server_version},
    )
