"""How an H-Core is added, and what can be set about it."""

import logging
from collections.abc import Mapping
from typing import Any, override

import probatio
from homeassistant.config_entries import (
    SOURCE_HASSIO,
    SOURCE_IGNORE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlowWithReload,
)
from homeassistant.const import CONF_HOST, CONF_LLM_HASS_API, CONF_PORT, CONF_PROMPT, CONF_TOKEN
from homeassistant.core import callback
from homeassistant.helpers import llm
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    TemplateSelector,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.helpers.service_info.hassio import HassioServiceInfo

from .const import CONF_IS_APP, DEFAULT_NAME, DEFAULT_PORT, DOMAIN, LOGGER
from .coordinator import bridge_client
from .errors import CannotConnect, InvalidAuth, UnsupportedSchema
from .migration import MINOR_VERSION
from .models import ServerInfo

DEFAULT_OPTIONS = {CONF_LLM_HASS_API: [llm.LLM_API_ASSIST]}

_HOST = TextSelector(TextSelectorConfig(autocomplete="off"))
_PORT = probatio.All(
    NumberSelector(NumberSelectorConfig(min=1, max=65535, mode=NumberSelectorMode.BOX)),
    probatio.Coerce(int),
)
_TOKEN = TextSelector(
    TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="current-password")
)

USER_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_HOST): _HOST,
        probatio.Required(CONF_PORT, default=DEFAULT_PORT): _PORT,
        probatio.Required(CONF_TOKEN): _TOKEN,
    }
)
REAUTH_SCHEMA = probatio.Schema({probatio.Required(CONF_TOKEN): _TOKEN})
RECONFIGURE_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_HOST): _HOST,
        probatio.Required(CONF_PORT): _PORT,
        probatio.Optional(CONF_TOKEN): _TOKEN,
    }
)
APP_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_HOST): probatio.All(str, probatio.Length(min=1)),
        probatio.Required(CONF_PORT): probatio.All(int, probatio.Range(min=1, max=65535)),
        probatio.Required(CONF_TOKEN): probatio.All(str, probatio.Length(min=1)),
    },
    extra=probatio.REMOVE_EXTRA,
)
"""What the app announces; beside it, Home Assistant puts the app's name."""

_FAILED = frozenset({ConfigEntryState.SETUP_ERROR, ConfigEntryState.SETUP_RETRY})
_UNDER_WAY = frozenset({ConfigEntryState.LOADED, ConfigEntryState.SETUP_IN_PROGRESS})


def _tidied(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was typed, without what copying and pasting adds."""
    return {
        key: value.strip() if isinstance(value, str) else value for key, value in user_input.items()
    }


def _without_token(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form may be filled in with: a secret is never shown again."""
    return {key: value for key, value in data.items() if key != CONF_TOKEN}


def _moved(entry: ConfigEntry, user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of an entry with what a person typed over it.

    An H-Core that a person moved is no app's any more, unless an app announces it again.
    """
    data = {**entry.data, **_tidied(user_input)}
    if data != entry.data:
        data.pop(CONF_IS_APP, None)
    return data


class HairemConfigFlow(ConfigFlow, domain=DOMAIN):
    """Add, reconfigure or reauthenticate an H-Core."""

    VERSION = 1
    MINOR_VERSION = MINOR_VERSION

    _app: HassioServiceInfo
    _app_data: dict[str, Any]

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> HairemOptionsFlow:
        """Return the flow that sets options."""
        return HairemOptionsFlow()

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for an address and a token, and try them."""
        errors: dict[str, str] = {}
        if user_input is not None:
            user_input = _tidied(user_input)
            if server := await self._async_try(user_input, errors):
                await self.async_set_unique_id(server.server_id, raise_on_progress=False)
                self._abort_if_unique_id_configured()
                return self._create_entry(server, user_input)
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(
                USER_SCHEMA, _without_token(user_input or {})
            ),
            errors=errors,
        )

    @override
    async def async_step_hassio(self, discovery_info: HassioServiceInfo) -> ConfigFlowResult:
        """React to an app that announces its H-Core: a new one, or news of one that is known.

        Home Assistant calls this when the app's announcement changes, and for each of them when it
        starts. Nobody watches, so the log says what is wrong with one.
        """
        try:
            announced: dict[str, Any] = APP_SCHEMA(discovery_info.config)
        except probatio.Invalid:
            # The reason would quote what was announced, which holds a token.
            LOGGER.warning(
                "The app %s announced an H-Core without host, port and token; update the app",
                discovery_info.name,
            )
            return self.async_abort(reason="invalid_discovery_info")
        self._app = discovery_info
        self._app_data = {**announced, CONF_IS_APP: True}
        errors: dict[str, str] = {}
        server = await self._async_try(self._app_data, errors)
        if server is None:
            return self._abort_discovery(*errors.values())
        configuration_url = f"homeassistant://app/{discovery_info.slug}"
        self._end_older_offers(server.server_id, configuration_url)
        if entry := await self.async_set_unique_id(server.server_id, raise_on_progress=False):
            return self._renew_and_abort(entry)
        self.context.update(
            {
                "configuration_url": configuration_url,
                "title_placeholders": {"name": server.name or discovery_info.name},
            }
        )
        return await self.async_step_hassio_confirm()

    async def async_step_hassio_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether the app's H-Core is to be added."""
        errors: dict[str, str] = {}
        if user_input is not None:
            # Days may lie between the discovery and this.
            if server := await self._async_try(self._app_data, errors):
                if entry := await self.async_set_unique_id(server.server_id):
                    return self._renew_and_abort(entry)
                return self._create_entry(server, self._app_data)
            if errors != {"base": "cannot_connect"}:
                return self._abort_discovery(*errors.values())
        self._set_confirm_only()
        return self.async_show_form(
            step_id="hassio_confirm",
            description_placeholders={"app": self._app.name},
            errors=errors,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where the same H-Core is now."""
        errors: dict[str, str] = {}
        entry = self._get_reconfigure_entry()
        if user_input is not None:
            user_input = _moved(entry, user_input)
            if server := await self._async_try(user_input, errors):
                await self.async_set_unique_id(server.server_id, raise_on_progress=False)
                self._abort_if_unique_id_mismatch(reason="wrong_server")
                return self.async_update_reload_and_abort(entry, data=user_input)
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                RECONFIGURE_SCHEMA, _without_token(user_input or entry.data)
            ),
            errors=errors,
        )

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """React to a token that H-Core no longer takes."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for another token."""
        errors: dict[str, str] = {}
        entry = self._get_reauth_entry()
        if user_input is not None:
            user_input = _moved(entry, user_input)
            if server := await self._async_try(user_input, errors):
                await self.async_set_unique_id(server.server_id, raise_on_progress=False)
                self._abort_if_unique_id_mismatch(reason="wrong_server")
                return self.async_update_reload_and_abort(entry, data=user_input)
        return self.async_show_form(
            step_id="reauth_confirm", data_schema=REAUTH_SCHEMA, errors=errors
        )

    def _create_entry(self, server: ServerInfo, data: dict[str, Any]) -> ConfigFlowResult:
        return self.async_create_entry(
            title=server.name or DEFAULT_NAME, data=data, options=DEFAULT_OPTIONS
        )

    def _abort_discovery(self, reason: str) -> ConfigFlowResult:
        # An app that is not up yet is no trouble: it may have been announced before a restart.
        level = logging.DEBUG if reason == "cannot_connect" else logging.WARNING
        LOGGER.log(level, "The H-Core of the app %s is of no use: %s", self._app.name, reason)
        return self.async_abort(reason=reason)

    @callback
    def _end_older_offers(self, server_id: str, configuration_url: str) -> None:
        """End discoveries that wait for a person, and that this one makes untrue.

        An app has one H-Core: an offer of the same app, or of the same H-Core, holds an address, a
        token or an id of before.
        """
        for flow in self._async_in_progress(match_context={"source": SOURCE_HASSIO}):
            context = flow["context"]
            if (
                context.get("unique_id") == server_id
                or context.get("configuration_url") == configuration_url
            ):
                self.hass.config_entries.flow.async_abort(flow["flow_id"])

    @callback
    def _renew_and_abort(self, entry: ConfigEntry) -> ConfigFlowResult:
        """Give an entry the address and the token that its app announced, and end the flow."""
        if entry.source != SOURCE_IGNORE:
            is_changed = self.hass.config_entries.async_update_entry(
                entry, data={**entry.data, **self._app_data}
            )
            # H-Core answered and took the token, so what failed is worth another try at once. A
            # reload ends a reauthentication that is under way.
            if entry.state in _FAILED or (is_changed and entry.state in _UNDER_WAY):
                self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return self.async_abort(reason="already_configured")

    async def _async_try(
        self, data: Mapping[str, Any], errors: dict[str, str]
    ) -> ServerInfo | None:
        """Return which H-Core answers; where none does, None, and `errors` says why."""
        client = bridge_client(
            self.hass, host=data[CONF_HOST], port=data[CONF_PORT], token=data[CONF_TOKEN]
        )
        try:
            server = await client.connect()
        except InvalidAuth:
            errors[CONF_TOKEN] = "invalid_auth"
        except UnsupportedSchema:
            errors["base"] = "unsupported_version"
        except CannotConnect as err:
            LOGGER.debug("Could not connect: %s", err)
            errors["base"] = "cannot_connect"
        except Exception:  # noqa: BLE001 - what is shown is a form, so the log must have it
            LOGGER.exception("Unexpected error while connecting")
            errors["base"] = "unknown"
        else:
            await client.close()
            return server
        return None


class HairemOptionsFlow(OptionsFlowWithReload):
    """What the crew of an H-Core may use of Home Assistant."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask which tools agents are offered, and what to tell them beside."""
        if user_input is not None:
            return self.async_create_entry(data=user_input)
        apis = [
            SelectOptionDict(value=api.id, label=api.name) for api in llm.async_get_apis(self.hass)
        ]
        known = {api["value"] for api in apis}
        suggested = dict(self.config_entry.options)
        # An API whose integration was removed would make the form refuse its own suggestion.
        suggested[CONF_LLM_HASS_API] = [
            api for api in suggested.get(CONF_LLM_HASS_API, []) if api in known
        ]
        schema = probatio.Schema(
            {
                probatio.Optional(CONF_LLM_HASS_API, default=list): SelectSelector(
                    SelectSelectorConfig(options=apis, multiple=True)
                ),
                probatio.Optional(CONF_PROMPT): TemplateSelector(),
            }
        )
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
        )
