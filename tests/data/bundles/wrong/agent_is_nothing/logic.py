"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


Agent = None
