"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


class Agent(BaseAgent):
    """Does what it does."""

    async def on_utterance(self, message: Message):
        llm = self.ctx.llm
        async for delta in llm.stream(message):
            print(delta)
