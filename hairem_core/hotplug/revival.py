"""When an agent's process is started again, and when no more."""

import time
from collections import deque
from collections.abc import Callable
from typing import ClassVar

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 30.0


class Revival:
    """Counts the ends of an agent's processes and says how long to wait after each."""

    MOST_ENDS: ClassVar[int] = 3
    WITHIN_SECONDS: ClassVar[float] = 60.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: deque[float] = deque(maxlen=self.MOST_ENDS)

    def forgive(self) -> None:
        """Forget what was: somebody changed something."""
        self._ends.clear()

    def after_an_end(self, *, is_to_blame: bool = True) -> float | None:
        """Return the seconds until the next start, None when there have been too many ends.

        An end that was not the agent's fault counts as none.
        """
        now = self._clock()
        if not is_to_blame:
            return _FIRST_PAUSE
        self._ends.append(now)
        recent = [each for each in self._ends if now - each <= self.WITHIN_SECONDS]
        if len(recent) >= self.MOST_ENDS:
            return None
        return min(_FIRST_PAUSE * 4.0 ** (len(recent) - 1), _LONGEST_PAUSE)
