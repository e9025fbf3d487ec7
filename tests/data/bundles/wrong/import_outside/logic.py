"""An agent."""

from hairem_core.sdk import BaseAgent

from ..electra.logic import Agent as Electra
from .drivers import lamp


class Agent(BaseAgent):
    parts = (Electra, lamp)
