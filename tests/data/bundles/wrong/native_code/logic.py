"""An agent."""

import ctypes
from ctypes import CDLL

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    libc = CDLL(None)
    string_at = ctypes.string_at
