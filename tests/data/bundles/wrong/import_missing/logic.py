"""An agent."""

from hairem_core.sdk import BaseAgent

from . import drivers
from .helpers import great
from .tools.lamp import Lamp


class Agent(BaseAgent):
    parts = (drivers, great, Lamp)
