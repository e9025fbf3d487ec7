"""An agent."""

import helpers
from drivers.lamp import SHADE
from hairem_agents.electra.logic import Agent as Electra

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    name = helpers.NAME
    shade = SHADE
    other = Electra
