"""An agent."""

import os
from os import environ

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    key = os.getenv("MY_KEY") or environ["MY_KEY"]
    home = os.environ.get("HOME")
