"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


class Agent(BaseAgent):
    """Does what it does."""

    async def on_utterance(self, message: Message):
        await self.ctx.ha.call_tools(message, [])
