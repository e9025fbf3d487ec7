"""An agent."""


class Agent:
    async def setup(self):
        """Start."""
