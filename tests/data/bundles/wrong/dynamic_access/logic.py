"""An agent."""

import os
from operator import attrgetter

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def on_utterance(self, message):
        name = message.payload.content
        getattr(os, name)
        getattr(self, "__init_subclass__")
        vars(os)[name]
        os.__dict__[name]
        globals()[name]
        globals().get(name)
        attrgetter("ctx.__reduce__")(self)
