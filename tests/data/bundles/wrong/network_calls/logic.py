"""An agent."""

import asyncio as aio

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def setup(self):
        loop = aio.get_running_loop()
        await aio.open_connection("example.org", 80)
        await loop.create_connection(aio.Protocol, "example.org", 80)
