"""Between Home Assistant's shapes of a conversation and the bridge's."""

from collections.abc import Callable, Iterable
from typing import Any

import probatio
from homeassistant.components import conversation
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import llm
from homeassistant.helpers.json import json_dumps

from .models import ToolCall, ToolResult

_LONGEST_NAME = 64
_UNSUPPORTED_KEYS = {"oneOf", "anyOf", "allOf"}


def format_tool(tool: llm.Tool, custom_serializer: Callable[[Any], Any] | None) -> dict[str, Any]:
    """Return a tool as a `converse` command carries it, its parameters as a JSON Schema."""
    schema = probatio.to_openapi(
        tool.parameters, custom_serializer=custom_serializer, openapi_version="3.1.0"
    )
    # Model servers refuse alternatives at the top of a schema; Home Assistant checks the arguments
    # of a call in any case.
    schema = {key: value for key, value in schema.items() if key not in _UNSUPPORTED_KEYS}
    return {"name": tool.name, "description": tool.description or "", "parameters": schema}


def format_tools(api: llm.APIInstance | None) -> list[dict[str, Any]]:
    """Return the tools of `api`, without those whose names no model server takes."""
    if api is None:
        return []
    return [
        format_tool(tool, api.custom_serializer)
        for tool in api.tools
        if len(tool.name) <= _LONGEST_NAME
    ]


def format_history(content: Iterable[conversation.Content]) -> list[dict[str, str]]:
    """Return what people and assistants said, oldest first."""
    return [
        {"role": item.role, "content": item.content}
        for item in content
        if isinstance(item, conversation.UserContent | conversation.AssistantContent)
        and item.content
    ]


def format_tool_result(content: conversation.ToolResultContent) -> ToolResult:
    """Return what came of a tool, an error in words.

    Home Assistant puts what was raised as `error` (the exception's name) and `error_text`; a tool
    that says itself that it failed may put anything.
    """
    data = content.result.data
    error: str | None = None
    if content.result.error:
        name, text = data.get("error"), data.get("error_text")
        error = ": ".join(str(part) for part in (name, text) if part) or json_dumps(data)
    return ToolResult(
        id=content.tool_call_id,
        name=content.tool_name,
        data=None if error is not None else data,
        error=error,
    )


def tool_deltas(
    calls: Iterable[ToolCall], *, offered: bool
) -> Iterable[conversation.AssistantContentDeltaDict | conversation.ToolResultContentDeltaDict]:
    """Return tool calls as the chat log takes them, which then runs them.

    Where no tools were `offered`, there is nothing to run them with: they are put down as refused.
    """
    inputs = [
        llm.ToolInput(
            id=call.id, tool_name=call.name, tool_args=call.arguments, external=not offered
        )
        for call in calls
    ]
    yield {"tool_calls": inputs}
    if offered:
        return
    for tool_input in inputs:
        refusal = llm.ToolResult(
            data={"error": "NotOffered", "error_text": "This agent was offered no tools"},
            error=True,
        )
        yield {
            "role": "tool_result",
            "tool_call_id": tool_input.id,
            "tool_name": tool_input.tool_name,
            "result": refusal,
        }


async def async_speaker(
    hass: HomeAssistant, user_input: conversation.ConversationInput
) -> dict[str, str] | None:
    """Return who speaks, or None where nobody identified themselves."""
    user_id = user_input.context.user_id
    if user_id is None or (user := await hass.auth.async_get_user(user_id)) is None:
        return None
    return {"id": user.id, **({"name": user.name} if user.name else {})}


def device_of(
    hass: HomeAssistant, user_input: conversation.ConversationInput
) -> dict[str, str] | None:
    """Return the device that was spoken to, and its area, as far as they are known."""
    device_id = user_input.device_id
    if device_id is None or (device := dr.async_get(hass).async_get(device_id)) is None:
        return None
    described = {"id": device.id}
    if name := device.name_by_user or device.name:
        described["name"] = name
    area_id = dr.async_get_effective_area_id(hass, device)
    if area_id and (area := ar.async_get(hass).async_get_area(area_id)):
        described["area"] = area.name
    return described
