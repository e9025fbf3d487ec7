"""An agent."""

from hairem_core.sdk import BaseAgent

from .fast import add


class Agent(BaseAgent):
    add = add
