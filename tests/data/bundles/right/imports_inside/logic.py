"""Imports its own modules in every way there is."""

import calendar

from hairem_core import sdk
from hairem_core.sdk.tools import tool

from . import VERSION, lib
from . import calendar as days
from .drivers.lamp import anything
from .drivers.shade import __name__ as shade_name
from .drivers.shade import __version__
from .lib import Circle as Round


class Agent(sdk.BaseAgent):
    parts = (calendar.MONDAY, VERSION, lib.Circle, days.DAYS, anything, shade_name, __version__, Round)

    @tool
    async def later(self) -> str:
        """Import when it is needed."""
        from .lib import shapes

        return shapes.Circle.__name__
