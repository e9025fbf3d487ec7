"""How many calls of a model are made in an hour, at most."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

_HOUR = timedelta(hours=1)


class CallBudget:
    """Counts calls over the last hour. What is over the limit is not asked for at all."""

    def __init__(self, per_hour: int, clock: Callable[[], datetime]) -> None:
        self._per_hour = per_hour
        self._clock = clock
        self._calls: deque[datetime] = deque()

    def take(self) -> bool:
        """Count a call; return False, and count none, if there were too many."""
        if self.left() <= 0:
            return False
        self._calls.append(self._clock())
        return True

    def left(self) -> int:
        """Return how many calls may still be made."""
        now = self._clock()
        while self._calls and not now - _HOUR < self._calls[0] <= now:
            self._calls.popleft()  # too old, or of a clock that was put back
        return self._per_hour - len(self._calls)
