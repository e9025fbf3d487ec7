"""A chat request as the chat-completion APIs take it."""

import json
from typing import Any

from hairem_core.sdk.chat import ChatMessage, ChatRequest


def to_messages(request: ChatRequest) -> list[dict[str, Any]]:
    """Return the messages of a request in OpenAI's shape.

    Providers differ over several system messages, over one in the middle and over a `name` on it:
    all become one at the top, each named part between tags of its name, so that the model can tell
    what it was told from what is remembered. Where several people speak, each begins with their
    name: few providers take a `name` beside the words.
    """
    system = [_part(each) for each in request.messages if each.role == "system" and each.content]
    speakers = {each.name for each in request.messages if each.role == "user"} - {None}
    messages: list[dict[str, Any]] = []
    if system:
        messages.append({"role": "system", "content": "\n\n".join(system)})
    for message in request.messages:
        match message.role:
            case "system":
                continue
            case "assistant" if message.tool_calls:
                messages.append(
                    {
                        "role": "assistant",
                        "content": message.content or None,
                        "tool_calls": [
                            {
                                "id": call.id,
                                "type": "function",
                                "function": {
                                    "name": call.name,
                                    "arguments": json.dumps(call.arguments, ensure_ascii=False),
                                },
                            }
                            for call in message.tool_calls
                        ],
                    }
                )
            case "assistant":
                if message.content:
                    messages.append({"role": "assistant", "content": message.content})
            case "tool":
                messages.append(
                    {
                        "role": "tool",
                        "tool_call_id": message.tool_call_id or "",
                        "content": message.content,
                    }
                )
            case "user":
                is_named = message.name is not None and len(speakers) > 1
                content = f"{message.name}: {message.content}" if is_named else message.content
                messages.append({"role": "user", "content": content})
    return messages


def to_tools(request: ChatRequest) -> list[dict[str, Any]]:
    """Return the tools of a request in OpenAI's shape."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            },
        }
        for tool in request.tools
    ]


def _part(message: ChatMessage) -> str:
    if message.name is None:
        return message.content
    return f"<{message.name}>\n{message.content.strip()}\n</{message.name}>"
