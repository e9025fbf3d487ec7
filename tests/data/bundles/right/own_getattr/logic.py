"""Asks for attributes, harmlessly."""

import logging
import math
import re
import types
from dataclasses import dataclass, field

from hairem_core.sdk import BaseAgent

_LOG = logging.getLogger(__name__)
_LOG.propagate = False
PATTERN = re.compile("x")


@dataclass
class Mood:
    words: list[str] = field(default_factory=list)
    eval: int = 0

    def compile(self, exec: str, input: str) -> str:
        return exec + input


class Agent(BaseAgent):
    async def setup(self) -> None:
        mood = Mood()
        mood.eval = 3
        mood.compile("a", "b")
        setattr(mood, "words", ["calm"])
        getattr(self, "minutes", None)
        getattr(self, "tool_" + "x", None)
        getattr(math, "pi")
        getattr(logging, "INFO")
        type(self).__name__
        getattr(self, "__class__")
        vars(mood)
        mood.__dict__
        "x" in globals()
        spaces = types.SimpleNamespace()
        spaces.x = 1
        eval = mood.eval
        self.eval = eval
