"""An agent."""

from hairem_core.sdk import BaseAgent, tool


class Agent(BaseAgent):
    """Does what it does."""

    @tool
    async def _add(self, item: str) -> str:
        """Put a thing on the list."""
        return item

    @tool
    async def enlève(self, item: str) -> str:
        """Take a thing off the list."""
        return item
