"""How much of something an agent may do: token buckets.

Source: https://datatracker.ietf.org/doc/html/rfc2697#section-3 (one rate, one burst size).
"""

import asyncio
import time
from collections.abc import Callable

from hairem_core.errors import HairemError

_ROUNDING = 1e-6
"""Tokens."""


class RateLimited(HairemError):
    """An agent does something more often than it may."""

    code = "rate_limited"


class TokenBucket:
    """Lets `rate` tokens a second through, and up to `burst` at once after a quiet time.

    What is larger than the whole bucket passes when the bucket is full and leaves it in debt, so
    that the rate holds in the long run whatever the sizes are.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` returns seconds. Raises ValueError when `rate` or `burst` is not positive."""
        if rate <= 0 or burst <= 0:
            raise ValueError(f"a rate of {rate} and a burst of {burst} let nothing through")
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._at = clock()

    def take(self, n: float = 1) -> bool:
        """Take `n` tokens; False, with nothing taken, when they are not there yet."""
        self._refill()
        # Whoever slept for `delay()` must not fall short by a rounding error.
        if self._tokens < min(n, self._burst) - _ROUNDING:
            return False
        self._tokens -= n
        return True

    def delay(self, n: float = 1) -> float:
        """Return the seconds until `take(n)` succeeds if nothing else is taken; 0 for now."""
        self._refill()
        return max(0.0, (min(n, self._burst) - self._tokens) / self._rate)

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now

    async def wait(self, n: float = 1) -> None:
        """Take `n` tokens as soon as they are there."""
        if not self.take(n):
            await asyncio.sleep(self.delay(n))
            # In debt, where another took them meanwhile: the rate holds in the long run.
            self._tokens -= n
