"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


class Agent(BaseAgent):
    """Does what it does."""

    async def on_message(self, message: Message):
        await super().on_message(message)
