"""What can go wrong with an agent."""

from hairem_core.errors import HairemError


class BundleError(HairemError):
    """A bundle cannot become an agent."""

    code = "bundle"


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
