"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


def build():
    class Agent(BaseAgent):
        """Nobody finds it."""

    return Agent
