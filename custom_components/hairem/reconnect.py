"""When to try again: keeps a link up over outages.

Knows nothing of what the link is for, so that it can be tested for itself.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from .errors import CannotConnect

MIN_DELAY: Final = 0.4
"""Seconds between tries at first. A restarted core is back within seconds, and someone waits."""
MAX_DELAY: Final = 30.0
"""Seconds between tries at last."""
DELAY_PER_OUTAGE: Final = 0.1
"""A wait as a share of the outage so far: being back takes at most a tenth longer than being away,
and up to ten seconds of absence cost at most one."""
JITTER: Final = 0.25
"""The share of a wait that chance may take off: several houses on one core do not all knock at
once, and no wait grows longer than promised."""


class Link(Protocol):
    """A connection that can be lost."""

    async def wait_closed(self) -> None:
        """Return when the connection is gone."""

    async def close(self) -> None:
        """End the connection."""


@dataclass(kw_only=True, slots=True)
class ReconnectStatistics:
    """What happened to the link since it was first up."""

    outages: int = 0
    failed_tries: int = 0
    """In the outage under way, or in the last one."""
    down_since: float | None = None
    """The event loop's clock, seconds; None while the link is up."""
    last_error: str | None = None
    """What the last failed try said."""


def reconnect_delay(outage: float, chance: float) -> float:
    """Return how long to wait before the next try, in seconds.

    `outage` is how long the link has been down, in seconds; `chance` is from 0 to 1.
    """
    delay = min(max(outage * DELAY_PER_OUTAGE, MIN_DELAY), MAX_DELAY)
    return delay * (1 - JITTER * chance)


class ReconnectLogic[LinkT: Link]:
    """Opens a link again whenever it is lost."""

    def __init__(
        self,
        open_link: Callable[[], Awaitable[LinkT]],
        *,
        on_down: Callable[[], None],
        on_up: Callable[[], None],
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Keep what opens a link, and whom to tell once per outage that it is down, and up again.

        `open_link` raises CannotConnect where another try is worth it, anything else where not.
        """
        self._open_link = open_link
        self._on_down = on_down
        self._on_up = on_up
        self._chance = chance
        self._sleep = sleep
        self._statistics = ReconnectStatistics()

    def statistics(self) -> ReconnectStatistics:
        """Return what happened so far."""
        return self._statistics

    async def run(self, link: LinkT) -> None:
        """Watch over `link` and those that follow it, until cancelled; then close the last.

        Raises whatever `open_link` raises beside CannotConnect.
        """
        try:
            while True:
                await link.wait_closed()
                self._statistics.outages += 1
                self._statistics.failed_tries = 0
                self._statistics.down_since = asyncio.get_running_loop().time()
                self._on_down()
                link = await self._reopen(self._statistics.down_since)
                self._statistics.down_since = None
                self._on_up()
        finally:
            await link.close()

    async def _reopen(self, down_since: float) -> LinkT:
        loop = asyncio.get_running_loop()
        while True:
            await self._sleep(reconnect_delay(loop.time() - down_since, self._chance()))
            try:
                return await self._open_link()
            except CannotConnect as err:
                self._statistics.failed_tries += 1
                self._statistics.last_error = str(err)
