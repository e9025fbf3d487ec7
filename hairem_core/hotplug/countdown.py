"""Time limits on a clock that stands still while nobody can write to memory.

An answer is kept in memory before it is given: during a backup it waits for that.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

type Paused = Callable[[], float]
"""Tells for how many seconds the clock has stood still, all in all."""


class Countdown:
    """Calls `due` once, after so many seconds of that clock."""

    def __init__(self, seconds: float, due: Callable[[], object], paused: Paused) -> None:
        self._due = due
        self._paused = paused
        self._start(seconds)

    def cancel(self) -> None:
        """Call it no more."""
        self._timer.cancel()

    def _start(self, seconds: float) -> None:
        self._before = self._paused()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        if (more := self._paused() - self._before) > 0:
            self._start(more)
        else:
            self._due()


@asynccontextmanager
async def time_limit(seconds: float, paused: Paused) -> AsyncGenerator[None]:
    """Cut what is done inside after so many seconds of that clock, with TimeoutError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        countdown = Countdown(seconds, lambda: limit.reschedule(loop.time()), paused)
        try:
            yield
        finally:
            countdown.cancel()
