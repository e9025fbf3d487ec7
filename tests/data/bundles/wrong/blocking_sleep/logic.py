"""An agent."""

import time
from time import sleep as pause

from hairem_core.sdk import BaseAgent

nap = time.sleep


class Agent(BaseAgent):
    async def setup(self):
        time.sleep(1)
        pause(1)
        nap(1)
        getattr(time, "sleep")(1)
