"""An agent."""

import asyncio
import json
import time as t

from hairem_core.sdk import BaseAgent

asyncio.sleep = None
json.JSONEncoder.default = str
t.time: object = None
setattr(BaseAgent, "setup", None)
del json.dumps


class Agent(BaseAgent):
    """Changes what is not its own."""
