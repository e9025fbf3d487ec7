"""An agent."""

import importlib
import sys
from importlib import import_module as load

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def on_utterance(self, message):
        eval(message.payload.content)
        exec("x = 1")
        compile("1", "x", "eval")
        __import__("os")
        importlib.import_module("os")
        load("os")
        sys.path.append("lib")
        runner = eval
        runner("1")
