"""The strict side of the scripted model: what a request must look like, else 400.

The rules are those of OpenAI's chat completions API and of Ollama's `/api/chat`, taken at their
strictest: what one provider refuses (a `name` on a system message, a system message in the middle)
is refused here, so that code which passes here passes everywhere.
Sources: https://platform.openai.com/docs/api-reference/chat/create and
https://docs.ollama.com/api/chat.
"""

import json
import re
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from tests.support.scripted_rules import ToolReply, Turn

TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BODY_KEYS = {
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "reasoning_effort",
    "response_format",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
}
_MESSAGE_KEYS = {
    "system": {"role", "content"},
    "developer": {"role", "content"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "refusal", "tool_calls"},
    "tool": {"role", "content", "tool_call_id"},
}


class BadRequestError(Exception):
    """The body is not what the protocol allows; `param` says where."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


def read_openai(body: Any) -> Turn:
    """Return the turn in the body of a chat completion. Raises BadRequestError."""
    _need(isinstance(body, dict), "the body must be a JSON object", None)
    for key in body:
        _need(key in _BODY_KEYS, f"Unrecognized request argument supplied: {key}", key)
    model = body.get("model")
    _need(isinstance(model, str) and model != "", "you must provide a model parameter", "model")
    stream = body.get("stream", False)
    _need(isinstance(stream, bool), "'stream' must be a boolean", "stream")
    if "stream_options" in body:
        _need(stream, "'stream_options' is only allowed when 'stream' is enabled", "stream_options")
    _number(body, "temperature", 0, 2)
    _number(body, "top_p", 0, 1)
    for key in ("max_tokens", "max_completion_tokens", "n"):
        value = body.get(key)
        _need(value is None or (_is_int(value) and value >= 1), f"'{key}' must be >= 1", key)
    tools = _tools(body.get("tools")) if "tools" in body else {}
    for key in ("tool_choice", "parallel_tool_calls"):
        _need(key not in body or bool(tools), f"'{key}' is only allowed with 'tools'", key)
    messages = body.get("messages")
    _need(isinstance(messages, list) and bool(messages), "[] is too short", "messages")
    _check_messages(messages)
    return _turn(model, messages, tools)


def read_ollama(body: Any) -> Turn:
    """Return the turn in the body of `/api/chat`. Raises BadRequestError."""
    _need(isinstance(body, dict), "invalid JSON", None)
    model = body.get("model")
    _need(isinstance(model, str) and model != "", "model is required", None)
    _need(isinstance(body.get("stream", True), bool), "stream must be a boolean", None)
    messages = body.get("messages")
    _need(isinstance(messages, list), "messages must be an array", None)
    for message in messages:
        _need(isinstance(message, dict), "a message must be an object", None)
        role = message.get("role")
        _need(role in ("system", "user", "assistant", "tool"), f"invalid role: {role}", None)
        content = message.get("content", "")
        _need(content is None or isinstance(content, str), "content must be a string", None)
        for call in message.get("tool_calls") or ():
            function = call.get("function") if isinstance(call, dict) else None
            if not isinstance(function, dict):
                raise BadRequestError("a tool call must have a function")
            _need(isinstance(function.get("name"), str), "a tool call must have a name", None)
            _need(isinstance(function.get("arguments"), dict), "arguments must be an object", None)
    tools = _tools(body["tools"], empty_allowed=True) if body.get("tools") is not None else {}
    return _turn(model, messages, tools)


def _need(holds: bool, message: str, param: str | None) -> None:
    if not holds:
        raise BadRequestError(message, param)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(body: dict[str, Any], key: str, low: float, high: float) -> None:
    value = body.get(key)
    if value is not None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        _need(number and low <= value <= high, f"'{key}' must be in {low}..{high}", key)


def _tools(tools: Any, *, empty_allowed: bool = False) -> dict[str, dict[str, Any]]:
    _need(isinstance(tools, list), "'tools' must be an array", "tools")
    _need(bool(tools) or empty_allowed, "[] is too short - 'tools'", "tools")
    found: dict[str, dict[str, Any]] = {}
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        _need(isinstance(tool, dict) and tool.get("type") == "function", "not a function", where)
        function = tool.get("function")
        _need(isinstance(function, dict), "missing 'function'", f"{where}.function")
        _need(
            set(function) <= {"name", "description", "parameters", "strict"},
            f"unknown keys among {sorted(function)}",
            f"{where}.function",
        )
        name = function.get("name")
        _need(
            isinstance(name, str) and bool(TOOL_NAME.fullmatch(name)),
            f"{name!r} does not match {TOOL_NAME.pattern}",
            f"{where}.function.name",
        )
        _need(name not in found, f"{name!r} is there twice", f"{where}.function.name")
        _need(
            isinstance(function.get("description", ""), str),
            "description must be a string",
            f"{where}.function.description",
        )
        schema = function.get("parameters", {"type": "object", "properties": {}})
        _check_schema(schema, f"{where}.function.parameters")
        found[name] = schema
    return found


def _check_schema(schema: Any, where: str) -> None:
    _need(isinstance(schema, dict), "the schema must be an object", where)
    _need(schema.get("type") == "object", "schema must have type 'object'", where)
    for key in ("oneOf", "anyOf", "allOf", "enum", "not"):
        _need(key not in schema, f"schema must not have '{key}' at the top level", where)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as err:
        raise BadRequestError(f"Invalid schema for function: {err.message}", where) from err


def _check_messages(messages: list[Any]) -> None:
    waiting: set[str] = set()
    seen_other = False
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        _need(isinstance(message, dict), "a message must be an object", where)
        role = message.get("role")
        _need(role in _MESSAGE_KEYS, f"{role!r} is not a role", f"{where}.role")
        for key in message:
            _need(key in _MESSAGE_KEYS[role], f"'{key}' was unexpected", f"{where}.{key}")
        if role != "tool":
            _need(
                not waiting,
                "an assistant message with 'tool_calls' must be followed by tool "
                f"messages responding to each 'tool_call_id': {sorted(waiting)}",
                where,
            )
        if role in ("system", "developer"):
            _need(not seen_other, "system messages come first", f"{where}.role")
        else:
            seen_other = True
        calls = _check_calls(message["tool_calls"], where) if "tool_calls" in message else set()
        _check_content(message, bool(calls), where)
        if role == "tool":
            call_id = message.get("tool_call_id")
            _need(
                call_id in waiting,
                "messages with role 'tool' must be a response to a preceding "
                f"message with 'tool_calls': {call_id!r}",
                f"{where}.tool_call_id",
            )
            waiting.discard(call_id)
        waiting |= calls
    _need(not waiting, f"no tool message responds to {sorted(waiting)}", "messages")


def _check_calls(calls: Any, where: str) -> set[str]:
    _need(isinstance(calls, list) and bool(calls), "[] is too short", f"{where}.tool_calls")
    ids: set[str] = set()
    for index, call in enumerate(calls):
        at = f"{where}.tool_calls[{index}]"
        _need(isinstance(call, dict) and call.get("type") == "function", "not a function", at)
        call_id = call.get("id")
        _need(isinstance(call_id, str) and call_id not in ids, f"bad id {call_id!r}", f"{at}.id")
        function = call.get("function")
        _need(isinstance(function, dict), "missing 'function'", f"{at}.function")
        name = function.get("name")
        _need(isinstance(name, str) and bool(TOOL_NAME.fullmatch(name)), f"bad name {name!r}", at)
        _need(
            isinstance(_json_object(function.get("arguments")), dict),
            "arguments must be a string of a JSON object",
            f"{at}.function.arguments",
        )
        ids.add(call_id)
    return ids


def _check_content(message: dict[str, Any], has_calls: bool, where: str) -> None:
    content = message.get("content")
    if message["role"] == "assistant" and content is None and has_calls:
        return
    parts = isinstance(content, list) and all(
        isinstance(part, dict) and isinstance(part.get("type"), str) for part in content
    )
    _need(
        isinstance(content, str) or parts, "content must be a string or parts", f"{where}.content"
    )


def _json_object(text: Any) -> dict[str, Any] | None:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return content or ""


def _turn(model: str, messages: list[dict[str, Any]], tools: dict[str, dict[str, Any]]) -> Turn:
    """Build the rules' view; in Ollama's protocol results answer the calls in order."""
    system: list[str] = []
    users: list[str] = []
    calls: dict[str, tuple[str, dict[str, Any]]] = {}
    order: list[str] = []
    replies: list[ToolReply] = []
    for message in messages:
        text = _text(message.get("content"))
        match message["role"]:
            case "system" | "developer":
                system.append(text)
            case "user":
                users.append(text)
                replies = []
            case "assistant":
                order = []
                for call in message.get("tool_calls") or ():
                    function = call["function"]
                    arguments = function["arguments"]
                    if isinstance(arguments, str):
                        arguments = _json_object(arguments) or {}
                    order.append(str(call.get("id") or f"call {len(order)}"))
                    calls[order[-1]] = (function["name"], arguments)
            case "tool":
                call_id = message.get("tool_call_id", "")
                if call_id not in calls:
                    call_id = order.pop(0) if order else ""
                name, arguments = calls.get(call_id, (message.get("tool_name", ""), {}))
                replies.append(ToolReply(name=name, arguments=arguments, content=text))
    return Turn(
        model=model,
        system="\n\n".join(system),
        user=users[-1] if users else "",
        earlier=users[:-1],
        tools=tools,
        tool_replies=replies,
    )
