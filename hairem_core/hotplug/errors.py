"""What can go wrong with an agent."""

from hairem_core.errors import HairemError


class BundleError(HairemError):
    """A bundle cannot become an agent."""

    code = "bundle"


class StartFailed(BundleError):
    """A process of the bundle did not become ready; `file` and `line` are in the bundle."""

    def __init__(
        self, what: str, *, file: str = "", line: int | None = None, hint: str | None = None
    ) -> None:
        where = f"{file}:{line}" if line else file or None
        super().__init__(what, where=where, hint=hint)
        self.file = file
        self.line = line


class AgentUnavailable(HairemError):
    """The agent has no process that could answer."""

    code = "agent_unavailable"


class AgentCrashed(HairemError):
    """The agent's process ended in the middle of a message."""

    code = "agent_crashed"


class AgentFailed(HairemError):
    """The agent's code raised, or did not finish in time."""

    code = "agent_failed"


class TurnTimeout(HairemError):
    """An agent did not finish a message in time."""

    code = "turn_timeout"


class ForkserverError(HairemError):
    """No process can be forked."""

    code = "forkserver"


class UnknownAgent(HairemError):
    """There is no agent of this id."""

    code = "unknown_agent"


class ControlRefused(HairemError):
    """An agent cannot be enabled, disabled, reloaded or removed as it is."""

    code = "refused"


class AgentGone(AgentCrashed):
    """The process had ended before it was given the message."""
