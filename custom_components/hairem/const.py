"""Names and figures that several modules of the integration share."""

import logging
from typing import Final

DOMAIN: Final = "hairem"
LOGGER: Final = logging.getLogger(__package__)

DEFAULT_PORT: Final = 8127
DEFAULT_NAME: Final = "hAIrem"

CONF_IS_APP: Final = "is_app"
"""Whether the Supervisor told host, port and token: then it will tell the next ones too, and nobody
has to be asked for a token that nobody ever saw."""

LANGUAGES: Final = ("en", "fr")
"""Those that `translations/` holds."""

PERMISSIONS_HOME: Final = frozenset({"home.act", "home.read"})
"""Without it in its manifest, an agent is offered no tool of the house."""

MAX_TOOL_ROUNDS: Final = 10
"""As in Home Assistant's own assistants: a model that still asks then is going in circles."""

DEFAULT_PROMPT: Final = (
    "You are heard through the voice assistant of {{ ha_name }}: answer in plain text that can be "
    "read aloud, without markup."
)
"""Home Assistant's default prompt would tell the model that it is "a voice assistant for Home
Assistant", which would displace the agent's own character."""
