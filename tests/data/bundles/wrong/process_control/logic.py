"""An agent."""

import os
import signal
from sys import exit as leave

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def teardown(self):
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(1)
        leave()
        quit()
