"""What an agent and a language model say to each other.

The shapes are those of the chat-completion APIs, so that a gateway passes them on unchanged.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

type ModelRole = Literal["chat", "lite"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ToolSpec(_Strict):
    """A tool that a model may call."""

    name: str = Field(min_length=1, max_length=64)
    description: str = ""
    parameters: dict[str, Any] = Field(
        default_factory=lambda: {"type": "object", "properties": {}},
        description="JSON Schema of the arguments, an object",
    )


class ToolCall(_Strict):
    """A model's wish to use a tool."""

    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolResult(_Strict):
    """What came of a tool call: `data`, or an `error` in words."""

    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    data: Any = None
    error: str | None = None


class ChatMessage(_Strict):
    """One message of a prompt."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    name: str | None = Field(
        default=None,
        description='On a system message, which part of the prompt it is: "memory" holds what '
        "was recalled, one line each: `- 2026-11-21 18:02 user Anna: words`. On a user's, who said "
        "it, where that is known",
    )
    tool_calls: list[ToolCall] = Field(default_factory=list)
    tool_call_id: str | None = None


class ChatRequest(_Strict):
    """One call of a model."""

    messages: list[ChatMessage] = Field(min_length=1)
    tools: list[ToolSpec] = Field(default_factory=list)
    role: ModelRole = "chat"
    language: str = "en"


class Delta(_Strict):
    """A piece of a model's answer, as it arrives. Exactly one of the first three fields is set."""

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[ToolCall] | None = None
    is_offline: bool = False
    """No language model says so: none is configured."""
