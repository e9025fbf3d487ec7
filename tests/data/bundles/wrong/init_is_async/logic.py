"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


class Agent(BaseAgent):
    """Does what it does."""

    async def __init__(self, ctx):
        super().__init__(ctx)
