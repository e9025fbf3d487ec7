"""Is written in odd ways."""
from hairem_core.sdk import BaseAgent; from . import comment, empty
from .crlf import one; from .escape import PATTERN; from .latin import WORD
class Agent(BaseAgent): parts = (comment, empty, one, PATTERN, WORD)