"""What a person hears when an agent cannot answer."""

from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import language as language_util

from .const import DOMAIN, LANGUAGES, LOGGER
from .errors import CannotConnect, CodedError
from .models import Agent

FAILURES: Final = frozenset(
    {
        # From H-Core, in a `failed` event or a refused command.
        "agent_crashed",
        "agent_failed",
        "agent_unavailable",
        "bus_unavailable",
        "empty_text",
        "model_interrupted",
        "model_refused",
        "model_rubbish",
        "model_timeout",
        "model_unreachable",
        "stopping",
        "tool_timeout",
        "turn_timeout",
        "unknown_agent",
        # Found out on this side.
        "cancelled",
        "connection_lost",
        "empty_answer",
        "not_connected",
        "too_many_tool_rounds",
    }
)
"""Each has a sentence of its own in `translations/`; any other code is told as `failed`."""


async def async_failure(
    hass: HomeAssistant, agent: Agent, language: str, err: CodedError | CannotConnect
) -> HomeAssistantError:
    """Return the error to raise when `agent` gives no answer because of `err`.

    Home Assistant speaks the text of an error, and words a translated one in English whatever
    language it is asked in: so the error brings its text along, in the speaker's language, beside
    its translation key for whoever looks that up.
    """
    code = err.code if isinstance(err, CodedError) else "connection_lost"
    detail = err.message if isinstance(err, CodedError) else str(err)
    LOGGER.warning("%s could not answer: %s (%s)", agent.name, detail, code)
    key = code if code in FAILURES else "failed"
    placeholders = {"agent": agent.name, "error": detail}
    supported = language_util.matches(language, LANGUAGES)
    translations = await async_get_translations(
        hass, supported[0] if supported else "en", "exceptions", [DOMAIN]
    )
    sentence = translations[f"component.{DOMAIN}.exceptions.{key}.message"]
    return HomeAssistantError(
        sentence.format(**placeholders),
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders=placeholders,
    )
