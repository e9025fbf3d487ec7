"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


class Agent(BaseAgent):
    """Does what it does."""

    def setup(self):
        self.count = 0

    async def on_utterance(self, message: Message):
        yield "one word at a time"
