"""Uses a driver."""

from hairem_core.sdk import BaseAgent

from .drivers.link import Link


class Agent(BaseAgent):
    async def setup(self) -> None:
        self.ctx.spawn_task(self._run())

    async def _run(self) -> None:
        async with Link():
            self.ctx.logger.info("linked")
