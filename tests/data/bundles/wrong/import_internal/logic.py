"""An agent."""

import hairem_core.config
from hairem_core import errors, sdk
from hairem_core.hlink.bus import Bus


class Agent(sdk.BaseAgent):
    bus: Bus
    errors = errors
    settings = hairem_core.config
