"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


@tool
async def add(item: str) -> str:
    """Put a thing on the list."""
    return item


class Agent(BaseAgent):
    """Does what it does."""
