"""An agent."""

from typing import TYPE_CHECKING

from pydantic import Field

from hairem_core.sdk import BaseAgent, tool

if TYPE_CHECKING:
    from datetime import date


class Agent(BaseAgent):
    """Does what it does."""

    @tool
    async def add(self, item, count: int, /, *more: str, **rest: str) -> str:
        """Put things on the list."""
        return item

    @tool(timeout=5)
    async def drop(self, item, when: list[date], many: int = Field(default=1)) -> str:
        """Take a thing off the list."""
        return item
