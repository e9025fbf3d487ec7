"""An agent."""

import asyncio

from hairem_core.sdk import BaseAgent

from .helpers import greet


class Agent(BaseAgent):
    async def setup(self):
        self._begin()
        greet()
        asyncio.sleep(1)
        self.ctx.state.set("ready", True)
        super().setup()

    async def _begin(self):
        """Begin."""
