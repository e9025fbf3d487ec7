"""What can go wrong between Home Assistant and H-Core.

None of these reaches a person as it is: the config flow, the setup and the conversation entity turn
them into translated sentences.
"""


class BridgeError(Exception):
    """Root of what the bridge's client raises."""


class CannotConnect(BridgeError):
    """H-Core did not answer, answered too late, or the connection went away."""


class InvalidFrame(CannotConnect):
    """The other end says what docs/bridge.md does not allow; the connection is given up."""


class InvalidAuth(BridgeError):
    """H-Core does not know the token."""


class WrongServer(BridgeError):
    """Another H-Core than the one that was set up answers at this address."""


class UnsupportedSchema(BridgeError):
    """H-Core speaks a version of the protocol that this integration does not."""

    def __init__(self, message: str, *, server_version: str, core_is_older: bool) -> None:
        """Keep which of the two must be updated."""
        super().__init__(message)
        self.server_version = server_version
        self.core_is_older = core_is_older


class CodedError(BridgeError):
    """Something failed for a reason that has a code."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code, one of docs/bridge.md's or our own, and words for the log."""
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message


class CommandFailed(CodedError):
    """H-Core refused a command."""


class TurnFailed(CodedError):
    """An utterance got no answer."""
