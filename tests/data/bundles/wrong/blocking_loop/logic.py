"""An agent."""

import asyncio

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def setup(self):
        asyncio.run(self._work())
        loop = asyncio.get_event_loop()
        loop.run_until_complete(self._work())
        self.name = input("Your name? ")

    async def _work(self):
        await asyncio.sleep(1)
