"""An agent."""

import asyncio
import os as o
import subprocess
from concurrent.futures import ProcessPoolExecutor

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    pool = ProcessPoolExecutor
    pipe = subprocess.PIPE

    async def setup(self):
        await asyncio.create_subprocess_exec("ls")
        if not o.fork():
            o.execv("/bin/sh", ["sh"])
