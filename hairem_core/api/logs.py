"""An agent's log, on its way to a client."""

import asyncio
from collections.abc import Callable

from hairem_core.api import frames
from hairem_core.hotplug.log import AgentLog, LogLine
from hairem_core.sdk.message import now

LINES_PER_SECOND = 200
"""What one subscription forwards: more is not read, and would cost the client its connection."""


class LogForwarder:
    """Tells a client an agent's log: the last lines, then each as it comes.

    Of a flood, `LINES_PER_SECOND` are passed on each second, and then one line says how many were
    left out. While `is_full()` none are: a client that reads slowly is owed turns, not logs.
    """

    def __init__(
        self,
        log: AgentLog,
        emit: Callable[[frames.AgentLogLine], None],
        *,
        is_full: Callable[[], bool],
    ) -> None:
        self._emit = emit
        self._is_full = is_full
        self._forwarded = 0
        self._left_out = 0
        self._second: asyncio.TimerHandle | None = None
        self._unsubscribe = log.subscribe(self._take)

    def stop(self) -> None:
        """Forward no more."""
        self._unsubscribe()
        if self._second is not None:
            self._second.cancel()
            self._second = None

    def _take(self, line: LogLine) -> None:
        if self._second is None:
            self._second = asyncio.get_running_loop().call_later(1.0, self._end_second)
        if self._forwarded >= LINES_PER_SECOND or self._is_full():
            self._left_out += 1
            return
        self._forwarded += 1
        self._emit(as_event(line))

    def _end_second(self) -> None:
        self._forwarded = 0
        self._second = None
        if not self._left_out:
            return
        self._second = asyncio.get_running_loop().call_later(1.0, self._end_second)
        if self._is_full():
            return
        text = f"… {self._left_out} {'line' if self._left_out == 1 else 'lines'} left out"
        self._left_out = 0
        self._forwarded = 1
        self._emit(frames.AgentLogLine(at=now(), level="WARNING", text=text))


def as_event(line: LogLine) -> frames.AgentLogLine:
    """Return a line as clients are told of it."""
    # A logger may be given a level of its author's own; what has no name here is information.
    known = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
    level = line.level if line.level in known else "INFO"
    return frames.AgentLogLine.model_validate({"at": line.at, "level": level, "text": line.text})
