"""An agent."""

import asyncio

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def setup(self):
        self.task = asyncio.create_task(self._work())
        asyncio.get_running_loop().create_task(self._work())
        asyncio.ensure_future(self._work())

    async def _work(self):
        await asyncio.sleep(1)
