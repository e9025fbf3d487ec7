"""An agent."""

import asyncio

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def setup(self):
        self.ctx.spawn_task(self._spin())

    async def _spin(self):
        while True:
            self.turns = 1

    async def _spin_too(self):
        while 1:
            async def rest():
                await asyncio.sleep(1)

            self.rest = rest
