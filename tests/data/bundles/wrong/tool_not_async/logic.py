"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


class Agent(BaseAgent):
    """Does what it does."""

    @tool
    def add(self, item: str) -> str:
        """Put a thing on the list."""
        return item

    @tool
    async def each(self) -> str:
        """Say them all."""
        yield "milk"
