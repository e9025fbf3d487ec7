"""Errors that an agent's code may meet."""

from hairem_core.errors import HairemError


class AgentError(HairemError):
    """The root of what `ctx` raises."""

    code = "agent_failed"


class PermissionDenied(AgentError):
    """The manifest does not list the permission for this."""

    code = "permission_denied"


class RemoteError(AgentError):
    """H-Core could not do what was asked; `code` says what kind of failure it was."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code  # type: ignore[misc]  # the class's constant, told by the other side


class ToolError(AgentError):
    """A tool could not be used; the text is for the model, which may try otherwise."""

    code = "tool"


class ToolDefinitionError(AgentError, TypeError):
    """A method with `@tool` cannot be described to a model."""

    code = "tool_definition"


class SecretMissing(AgentError, KeyError):
    """`ctx.secrets` has no value under this name."""

    code = "secret_missing"
