"""The tools that come with what a person says, as Home Assistant would offer and execute them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hairem_core.sdk.chat import ToolCall, ToolResult, ToolSpec


@dataclass(frozen=True, kw_only=True)
class HomeCall:
    """A tool of the house that the agent had executed."""

    name: str
    arguments: dict[str, Any]


class ScriptedHome:
    """Offers tools with everything that is said to the agent, and answers their calls."""

    def __init__(self) -> None:
        self.calls: list[HomeCall] = []
        """What the agent had executed, oldest first."""
        self._tools: dict[str, tuple[ToolSpec, Any, str | None]] = {}

    def offers(
        self,
        name: str,
        *,
        returns: Any = None,
        fails: str | None = None,
        description: str = "",
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Offer a tool from now on; calls of it return `returns`, or fail with `fails`.

        `parameters` are the properties of its arguments, in JSON Schema.
        """
        schema = {"type": "object", "properties": dict(parameters or {})}
        spec = ToolSpec(name=name, description=description, parameters=schema)
        self._tools[name] = (spec, {"success": True} if returns is None else returns, fails)

    @property
    def tools(self) -> list[ToolSpec]:
        """The tools on offer."""
        return [spec for spec, _, _ in self._tools.values()]

    def execute(self, calls: list[ToolCall]) -> list[ToolResult]:
        """Note the calls and return what the test said they return."""
        results = []
        for call in calls:
            self.calls.append(HomeCall(name=call.name, arguments=call.arguments))
            _, data, error = self._tools.get(call.name, (None, None, "there is no such tool"))
            results.append(
                ToolResult(id=call.id, name=call.name, error=error)
                if error
                else ToolResult(id=call.id, name=call.name, data=data)
            )
        return results
