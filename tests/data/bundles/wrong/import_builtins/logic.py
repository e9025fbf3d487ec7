"""An agent."""

import builtins

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    look = builtins.open
