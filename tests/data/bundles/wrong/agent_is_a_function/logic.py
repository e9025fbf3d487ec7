"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


def Agent(ctx):
    return BaseAgent(ctx)
