"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


class Agent(BaseAgent):
    """Does what it does."""

    async def setup(self, options):
        self.options = options

    async def on_message(message: Message):
        pass

    async def instructions(self, message: Message, *, mood) -> str:
        return mood
