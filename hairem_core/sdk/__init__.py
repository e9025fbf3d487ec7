"""What an agent's author imports. It needs nothing but pydantic."""

from hairem_core.sdk.agent import BaseAgent
from hairem_core.sdk.chat import ChatMessage, ChatRequest, Delta, ToolCall, ToolResult, ToolSpec
from hairem_core.sdk.context import AgentContext
from hairem_core.sdk.errors import (
    AgentError,
    PermissionDenied,
    RemoteError,
    SecretMissing,
    ToolDefinitionError,
    ToolError,
)
from hairem_core.sdk.message import (
    CREW,
    Header,
    Message,
    MessageType,
    Metadata,
    Payload,
    Priority,
    Topic,
)
from hairem_core.sdk.persona import Persona
from hairem_core.sdk.recollection import Recollection
from hairem_core.sdk.tools import Toolbox, tool
from hairem_core.sdk.turn import Turn
from hairem_core.sdk.utterance import Device, Utterance

__all__ = [
    "CREW",
    "AgentContext",
    "AgentError",
    "BaseAgent",
    "ChatMessage",
    "ChatRequest",
    "Delta",
    "Device",
    "Header",
    "Message",
    "MessageType",
    "Metadata",
    "Payload",
    "PermissionDenied",
    "Persona",
    "Priority",
    "Recollection",
    "RemoteError",
    "SecretMissing",
    "ToolCall",
    "ToolDefinitionError",
    "ToolError",
    "ToolResult",
    "ToolSpec",
    "Toolbox",
    "Topic",
    "Turn",
    "Utterance",
    "tool",
]
