"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


class Agent(BaseAgent):
    """Does what it does."""

    @tool
    async def add(self, item, count: int, /, *more: str, _hidden: bool = False, **rest: str) -> str:
        """Put things on the list."""
        return item

    @tool
    async def drop(self, item) -> str:
        """Take a thing off the list."""
        return item
