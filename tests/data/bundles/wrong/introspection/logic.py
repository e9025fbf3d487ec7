"""An agent."""

import gc
import inspect
import sys

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def setup(self):
        object.__subclasses__()
        self.setup.__globals__["ctx"]
        self.setup.__code__
        getattr(self.setup, "__closure__")
        __builtins__["eval"]
        sys.modules["os"]
        sys._getframe(1).f_globals
        gc.get_objects()
        inspect.currentframe()
