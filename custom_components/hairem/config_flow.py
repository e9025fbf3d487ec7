"""How an H-Core is added, and what can be set about it."""

from collections.abc import Mapping
from typing import Any, override

import probatio
from homeassistant.config_entries import (
    ConfigEntry,
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

from .const import DEFAULT_NAME, DEFAULT_PORT, DOMAIN, LOGGER
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


def _tidied(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was typed, without what copying and pasting adds."""
    return {
        key: value.strip() if isinstance(value, str) else value for key, value in user_input.items()
    }


def _without_token(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form may be filled in with: a secret is never shown again."""
    return {key: value for key, value in data.items() if key != CONF_TOKEN}


class HairemConfigFlow(ConfigFlow, domain=DOMAIN):
    """Add, reconfigure or reauthenticate an H-Core."""

    VERSION = 1
    MINOR_VERSION = MINOR_VERSION

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
                return self.async_create_entry(
                    title=server.name or DEFAULT_NAME, data=user_input, options=DEFAULT_OPTIONS
                )
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(
                USER_SCHEMA, _without_token(user_input or {})
            ),
            errors=errors,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where the same H-Core is now."""
        errors: dict[str, str] = {}
        entry = self._get_reconfigure_entry()
        if user_input is not None:
            user_input = {**entry.data, **_tidied(user_input)}
            if server := await self._async_try(user_input, errors):
                await self.async_set_unique_id(server.server_id)
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
            user_input = {**entry.data, **_tidied(user_input)}
            if server := await self._async_try(user_input, errors):
                await self.async_set_unique_id(server.server_id)
                self._abort_if_unique_id_mismatch(reason="wrong_server")
                return self.async_update_reload_and_abort(entry, data=user_input)
        return self.async_show_form(
            step_id="reauth_confirm", data_schema=REAUTH_SCHEMA, errors=errors
        )

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
