"""What can go wrong between Electra and Home Assistant."""

from hairem_core.sdk import AgentError


class HomeAssistantError(AgentError):
    """The root of what the driver raises."""

    code = "home_assistant"


class Unreachable(HomeAssistantError):
    """There is no connection, or it broke. Another try may work."""

    code = "home_assistant_unreachable"


class TokenRefused(HomeAssistantError):
    """Home Assistant does not accept the token. Trying again gets one's address banned."""

    code = "home_assistant_token"


class CommandRefused(HomeAssistantError):
    """Home Assistant understood a command and refused it."""

    code = "home_assistant_refused"

    def __init__(self, command: str, reason: str, message: str) -> None:
        super().__init__(f"{message or 'refused'} ({reason})", where=command)
        self.reason = reason
        """Home Assistant's own code, such as `not_found`."""
