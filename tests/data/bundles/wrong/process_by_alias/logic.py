"""An agent."""

from hairem_core.sdk import BaseAgent

from .shell import run


def start():
    run("ls")


class Agent(BaseAgent):
    start = start
