"""A circuit breaker: a model that keeps failing is left alone for a while.

Without it, every turn would wait out the timeout of a dead server before its fallback is asked.
Source: Nygard, Release It!, 2nd ed. (2018), "Circuit Breaker".
"""

import time
from collections.abc import Callable
from typing import Literal

type BreakerState = Literal["closed", "open", "half_open"]

FAILURES = 3
"""So many failures in a row open the breaker: one may be chance, three are not."""
COOL_DOWN = 15.0
"""Seconds before a single request may try again. Short, since a person may have just mended it."""

COUNTED = ("model_unreachable", "model_timeout", "model_interrupted")
"""Failures that say the server is in trouble; a wrong key or a strange answer does not."""


class CircuitBreaker:
    """Counts the failures of one target. `clock` returns seconds and never goes back."""

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        cool_down: float = COOL_DOWN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._cool_down = cool_down
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._trial = False

    @property
    def state(self) -> BreakerState:
        """`closed`: requests pass; `open`: none does; `half_open`: one may try."""
        if self._opened_at is None:
            return "closed"
        return "open" if self.retry_in > 0 else "half_open"

    @property
    def retry_in(self) -> float:
        """Seconds until a request may try again; 0 when it may now."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._cool_down - self._clock())

    def allow(self) -> bool:
        """Return whether a request may pass.

        A half-open breaker lets one pass at a time; it must then be told how that one ended, by
        `succeeded`, `failed` or `abandoned`.
        """
        match self.state:
            case "closed":
                return True
            case "open":
                return False
            case "half_open":
                allowed = not self._trial
                self._trial = True
                return allowed

    def succeeded(self) -> None:
        """Close the breaker."""
        self._failures = 0
        self._opened_at = None
        self._trial = False

    def failed(self) -> None:
        """Count a failure; enough of them in a row, or one of a trial, open the breaker."""
        self._failures += 1
        if self._trial or self._failures >= self._limit:
            self._opened_at = self._clock()
        self._trial = False

    def abandoned(self) -> None:
        """Take note that a request ended without telling anything about the target."""
        self._trial = False
