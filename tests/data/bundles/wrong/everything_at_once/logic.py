"""An agent."""

import socket

from hairem_core.sdk import BaseAgent

from .helpers import help


class Agent(BaseAgent):
    def setup(self):
        help(socket)
