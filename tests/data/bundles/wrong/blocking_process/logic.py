"""An agent."""

import os
import subprocess

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def setup(self):
        subprocess.run(["ls"], check=True)
        os.system("ls")
        process = subprocess.Popen(["ls"])
        process.wait()
