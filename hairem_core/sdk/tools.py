"""Tools of an agent's own: a method with `@tool` can be called by its model."""

import asyncio
import inspect
import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, overload

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from hairem_core.sdk import _arguments, _docstring
from hairem_core.sdk.chat import ToolCall, ToolResult, ToolSpec
from hairem_core.sdk.errors import ToolDefinitionError, ToolError

type ToolMethod = Callable[..., Awaitable[Any]]

TOOL_TIMEOUT = 30.0
"""Seconds that a tool may take unless it says otherwise."""
LARGEST_RESULT = 64 * 1024
"""Bytes of JSON that a tool may return: it goes into the model's prompt."""

_LONGEST_ERROR = 2_000
_MARK = "__hairem_tool__"
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,63}")
_LOGGER = logging.getLogger("agent.tools")


@overload
def tool[F: ToolMethod](method: F) -> F: ...
@overload
def tool[F: ToolMethod](*, timeout: float = TOOL_TIMEOUT) -> Callable[[F], F]: ...
def tool(method: Any = None, *, timeout: float = TOOL_TIMEOUT) -> Any:
    """Mark an `async def` method as a tool of the agent's model, as `@tool` or `@tool(timeout=…)`.

    Its name, docstring and annotated parameters are what the model is told; a section `Args:` of
    the docstring describes the parameters. Arguments are validated before it runs; after `timeout`
    seconds it is cancelled. Raises ToolDefinitionError, a TypeError, for a method that is not
    `async def`, a parameter without annotation or one that cannot be given by name, and ValueError
    for a timeout that is not positive.
    """
    if timeout <= 0:
        raise ValueError(f"@tool(timeout={timeout:g}): a timeout is more than 0 seconds")

    def mark(method: Any) -> Any:
        _check(method)
        setattr(method, _MARK, timeout)
        return method

    return mark if method is None else mark(method)


class Toolbox:
    """The tools found on an object, ready to be described and called."""

    def __init__(self, owner: object) -> None:
        """Raises ToolDefinitionError for a tool whose parameters no JSON Schema can describe."""
        self._tools: dict[str, _Tool] = {}
        # Looked up on the class: on the object its properties would be computed, and too early.
        for name, found in inspect.getmembers_static(type(owner)):
            if (timeout := getattr(found, _MARK, None)) is not None:
                self._tools[name] = _describe(name, getattr(owner, name), timeout)

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    @property
    def specs(self) -> list[ToolSpec]:
        """The tools as a model is told of them."""
        return [each.spec for each in self._tools.values()]

    async def call(self, call: ToolCall) -> ToolResult:
        """Return the receipt of one call: what the tool returned as JSON, or an error in words.

        Nothing that a tool does raises here, and a failure that is no ToolError is logged. Raises
        KeyError for a tool that is not here.
        """
        tool = self._tools[call.name]
        try:
            data = _as_json(await _run(tool, call.arguments))
        except ToolError as err:
            return _failure(call, str(err))
        except Exception as err:
            # The edge of the author's code: the model is told, and the turn goes on.
            _LOGGER.exception("Tool %s failed", call.name)
            return _failure(call, f"{type(err).__name__}: {err}")
        return ToolResult(id=call.id, name=call.name, data=data)


@dataclass(frozen=True, kw_only=True)
class _Tool:
    method: ToolMethod
    arguments: type[BaseModel]
    spec: ToolSpec
    timeout: float


def _check(method: Any) -> None:
    if not inspect.isfunction(method):
        raise ToolDefinitionError(f"@tool {method!r}: it marks methods, below other decorators")
    is_async: bool = inspect.iscoroutinefunction(method)
    if not is_async:
        raise _arguments.refusal(method, "", "write it as `async def`")
    if not _NAME.fullmatch(method.__name__):
        raise _arguments.refusal(
            method,
            "",
            "a model cannot call it by that name: use at most 64 of a-z, A-Z, 0-9 and _, "
            "beginning with a letter",
        )
    parameters = _arguments.parameters_of(method)
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise _arguments.refusal(method, "", "it has no `self`; write it as a method of the agent")
    _arguments.check_parameters(method, parameters[1:])


def _describe(name: str, method: ToolMethod, timeout: float) -> _Tool:
    description, texts = _docstring.split(inspect.getdoc(method))
    arguments = _arguments.arguments_model(method, texts)
    spec = ToolSpec(
        name=name,
        description=description,
        parameters=_arguments.json_schema(method, arguments),
    )
    return _Tool(method=method, arguments=arguments, spec=spec, timeout=timeout)


async def _run(tool: _Tool, given: dict[str, Any]) -> Any:
    """Return what a tool returns. Raises ToolError, and whatever the tool raises."""
    try:
        model = tool.arguments.model_validate(given)
    except ValidationError as err:
        problems = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in err.errors()
        )
        raise ToolError(f"wrong arguments: {problems}") from err
    fields = tool.arguments.model_fields
    arguments = {field.alias or name: getattr(model, name) for name, field in fields.items()}
    limit = asyncio.timeout(tool.timeout)
    try:
        async with limit:
            return await tool.method(**arguments)
    except TimeoutError:
        if not limit.expired():
            raise
        _LOGGER.warning("Tool %s was cut: it took longer than %g s", tool.spec.name, tool.timeout)
        raise ToolError(f"took longer than {tool.timeout:g} s and was cancelled") from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Something that the tool waited for was cancelled, not the turn.
        raise ToolError("was cancelled from inside") from None


def _as_json(value: Any) -> Any:
    """Return `value` as JSON's own types. Raises ToolError for what is none, or too large."""
    try:
        data = to_jsonable_python(value)
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (ValueError, TypeError, RecursionError) as err:
        raise ToolError(f"returned something that is no JSON: {err}") from err
    if size > LARGEST_RESULT:
        raise ToolError(
            f"returned {size:,} bytes of JSON, where a result holds at most {LARGEST_RESULT:,}"
        )
    return data


def _failure(call: ToolCall, error: str) -> ToolResult:
    # What no encoding can express could not be sent.
    error = error.encode(errors="replace").decode()
    if len(error) > _LONGEST_ERROR:
        error = f"{error[:_LONGEST_ERROR]}…"
    return ToolResult(id=call.id, name=call.name, error=error)
