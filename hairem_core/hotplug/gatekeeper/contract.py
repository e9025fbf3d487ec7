"""What an agent's code and the SDK agree on, read from the SDK itself."""

import dataclasses
import inspect
from typing import Any, get_type_hints

from hairem_core.sdk.agent import BaseAgent
from hairem_core.sdk.context import AgentContext

CTX = "<ctx>"
"""What an agent's `ctx` is called in dotted names: `<ctx>.llm`."""
CTX_CLASSES = frozenset({"hairem_core.sdk.AgentContext", "hairem_core.sdk.context.AgentContext"})
BASE_AGENTS = frozenset({"hairem_core.sdk.BaseAgent", "hairem_core.sdk.agent.BaseAgent"})
TOOL_DECORATORS = frozenset({"hairem_core.sdk.tool", "hairem_core.sdk.tools.tool"})
OVERRIDE_DECORATORS = frozenset({"typing.override", "typing_extensions.override"})

HANDLERS = {
    name: list(inspect.signature(method).parameters)
    for name, method in vars(BaseAgent).items()
    if inspect.iscoroutinefunction(method)
}
"""The methods an agent may override, and their parameters."""
INIT = list(inspect.signature(BaseAgent.__init__).parameters)
"""The parameters of `__init__`."""

_HINTS: dict[str, Any] = get_type_hints(AgentContext)
CTX_FIELDS = sorted(
    {each.name for each in dataclasses.fields(AgentContext)}
    | {name for name, value in vars(AgentContext).items() if isinstance(value, property)}
)
CTX_SERVICES: dict[str, list[str]] = {
    name: sorted(each for each in vars(hint) if not each.startswith("_"))
    for name, hint in _HINTS.items()
    if getattr(hint, "_is_protocol", False) and "__call__" not in vars(hint)
}
"""What each part of `ctx` that is an interface of the SDK has."""

COROUTINES = frozenset(
    [
        *(f"{base}.{name}" for base in BASE_AGENTS for name in HANDLERS),
        *(
            f"{CTX}.{service}.{name}"
            for service, names in CTX_SERVICES.items()
            for name in names
            if inspect.iscoroutinefunction(getattr(_HINTS[service], name))
        ),
    ]
)
"""Methods of the SDK that do nothing unless they are awaited."""
