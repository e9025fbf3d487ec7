"""One of two agents."""

from hairem_core.sdk import *

try:
    import zoneinfo

    class Agent(BaseAgent):
        zones = zoneinfo.available_timezones
except ImportError:

    class Agent(BaseAgent):
        zones = None
