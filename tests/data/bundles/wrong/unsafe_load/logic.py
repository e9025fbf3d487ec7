"""An agent."""

import marshal
import pickle

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    def read(self, data):
        return pickle.loads(data) or marshal.loads(data)
