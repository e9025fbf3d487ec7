"""An agent."""

from hairem_core.sdk import BaseAgent

from .drivers.lamp import Lamp


class Agent(BaseAgent):
    async def setup(self):
        self.lamp = Lamp()

    async def on_utterance(self, message):
        self.lamp.warm_up()
        self._count()

    def _count(self):
        while True:
            self.count = 1
