"""An agent."""

import smtplib
import socket

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def setup(self):
        self.socket = socket.create_connection(("example.org", 80))
        self.mail = smtplib.SMTP("example.org")
