"""Tools of an agent's own: a method with `@tool` can be called by its model."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from hairem_core.sdk.chat import ToolCall, ToolResult, ToolSpec
from hairem_core.sdk.errors import ToolError

type ToolMethod = Callable[..., Awaitable[Any]]

_MARK = "__hairem_tool__"


def tool[F: ToolMethod](method: F) -> F:
    """Mark an `async def` method as a tool.

    Its name, docstring and annotated parameters become the tool's description; arguments are
    validated before it runs. Raises TypeError for a method that is not `async def`.
    """
    is_async: bool = inspect.iscoroutinefunction(method)
    if not is_async:
        raise TypeError(f"@tool {method.__qualname__}: write it as `async def`")
    setattr(method, _MARK, True)
    return method


class Toolbox:
    """The tools found on an object, ready to be described and called."""

    def __init__(self, owner: object) -> None:
        self._methods: dict[str, tuple[ToolMethod, type[BaseModel]]] = {}
        for name, method in inspect.getmembers(owner, inspect.iscoroutinefunction):
            if getattr(method, _MARK, False):
                self._methods[name] = (method, _arguments_model(name, method))

    def __contains__(self, name: str) -> bool:
        return name in self._methods

    @property
    def specs(self) -> list[ToolSpec]:
        """The tools as a model is told of them."""
        return [
            ToolSpec(
                name=name,
                description=inspect.getdoc(method) or "",
                parameters=model.model_json_schema(),
            )
            for name, (method, model) in self._methods.items()
        ]

    async def call(self, call: ToolCall) -> ToolResult:
        """Run one tool. Wrong arguments and a ToolError become the result's error."""
        method, model = self._methods[call.name]
        try:
            arguments = model.model_validate(call.arguments)
            data = await method(
                **{name: getattr(arguments, name) for name in type(arguments).model_fields}
            )
        except ValidationError as err:
            problems = "; ".join(
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in err.errors()
            )
            return ToolResult(id=call.id, name=call.name, error=f"wrong arguments: {problems}")
        except ToolError as err:
            return ToolResult(id=call.id, name=call.name, error=str(err))
        return ToolResult(id=call.id, name=call.name, data=data)


def _arguments_model(name: str, method: ToolMethod) -> type[BaseModel]:
    hints = get_type_hints(method)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(method).parameters.values():
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints.get(parameter.name, Any), default)
    model = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    return cast("type[BaseModel]", model)
