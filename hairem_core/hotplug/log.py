"""The last lines of an agent's log, for those who ask later and those who watch."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

_KEPT = 500
"""Lines."""


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line of an agent's log."""

    at: datetime
    level: str
    """`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`."""
    text: str


class AgentLog:
    """Keeps an agent's last lines across its generations."""

    def __init__(self) -> None:
        self._lines: deque[LogLine] = deque(maxlen=_KEPT)
        self._listeners: list[Callable[[LogLine], None]] = []

    def add(self, level: str, text: str) -> None:
        """Add a line, now, and tell those who watch."""
        line = LogLine(at=datetime.now(UTC), level=level, text=text)
        self._lines.append(line)
        for listener in list(self._listeners):
            listener(line)

    def lines(self, limit: int = _KEPT) -> list[LogLine]:
        """Return the last `limit` lines, oldest first."""
        return list(self._lines)[-limit:] if limit > 0 else []

    def subscribe(self, listener: Callable[[LogLine], None]) -> Callable[[], None]:
        """Call `listener` with every line to come; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
