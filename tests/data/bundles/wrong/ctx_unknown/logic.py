"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


class Agent(BaseAgent):
    """Does what it does."""

    async def setup(self):
        await self.ctx.home.turn_on("light.kitchen")
        self.ctx.loger.info("ready")
        await self.ctx.bus.send("crew", "hello")
