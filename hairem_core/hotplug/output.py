"""What an agent says for the log: over its socket, and on its stdout and stderr."""

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from hairem_core.hotplug.log import AgentLog
from hairem_core.hotplug.rates import TokenBucket

_LONGEST_LINE = 16_384
"""Characters."""
_CHUNK = 65_536
_LINE_COSTS = 128
"""Characters that a line counts beside its own: what the log writes before each, and the work."""
_LINES_AT_ONCE = 50
_FLOOD_PAUSE = 0.005
"""Seconds between two chunks of a flood. One that writes more than 13 MB/s waits."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TOLD_EVERY = 5.0
"""Seconds between two lines that say how much was left out."""


class AgentOutput:
    """Brings an agent's words to H-Core's log and to its own, no more than its share of them.

    One that says too much loses lines, and is not made to wait within reason: that would change how
    it runs.
    """

    def __init__(
        self,
        agent_id: str,
        log: AgentLog,
        *,
        kb_per_second: int,
        redact: Callable[[str], str] = str,
        snapshot: Path | None = None,
    ) -> None:
        self._logger = logging.getLogger(f"hairem.agent.{agent_id}")
        self._log = log
        self._bucket = TokenBucket(kb_per_second * 1024, kb_per_second * 4096)
        self._redact = redact
        self._snapshot = f"{snapshot}{os.sep}" if snapshot else None
        self._left_out = 0
        self._told_at = 0.0

    def take(self, level: int, text: str) -> None:
        """Log what the agent said, unless it has said too much."""
        if self._bucket.take(len(text) + _LINE_COSTS):
            self._tell_left_out()
            self.say(level, text)
        else:
            self._leave_out(1)

    def say(self, level: int, text: str) -> None:
        """Log what H-Core has to say of the agent."""
        if self._snapshot:
            text = text.replace(self._snapshot, "")
        # Before it is cut: half a secret is not recognised.
        text = _printable(self._redact(text)[:_LONGEST_LINE])
        level = min(max(level, logging.DEBUG), logging.CRITICAL)
        self._logger.log(level, "%s", text)
        self._log.add(logging.getLevelName(level // 10 * 10), text)

    async def read(self, descriptor: int) -> None:
        """Read its stdout and stderr until they are closed."""
        reader = asyncio.StreamReader(limit=2 * _CHUNK)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
        )
        rest, is_cut = b"", False
        try:
            while chunk := await reader.read(_CHUNK):
                if self._bucket.delay(_LINE_COSTS):
                    # Not even looked at: there may be ten thousand lines in it.
                    self._leave_out(chunk.count(b"\n"))
                    rest, is_cut = b"", not chunk.endswith(b"\n")
                    await asyncio.sleep(_FLOOD_PAUSE)
                    continue
                *lines, rest = (rest + chunk).split(b"\n")
                if is_cut and lines:
                    lines, is_cut = lines[1:], False
                if is_cut:
                    rest = b""
                elif len(rest) > 2 * _LONGEST_LINE:
                    # Of a line without end the beginning is kept, and what follows left out: a
                    # secret must not be read in two halves.
                    lines.append(rest)
                    rest, is_cut = b"", True
                await self._take_lines(lines)
                # A flood leaves the loop to others between two chunks.
                await asyncio.sleep(0)
            if rest:
                self.take(logging.INFO, rest.decode(errors="replace"))
        finally:
            transport.close()

    async def _take_lines(self, lines: list[bytes]) -> None:
        for number, line in enumerate(lines):
            if self._bucket.delay(_LINE_COSTS):
                self._leave_out(len(lines) - number)
                return
            self.take(logging.INFO, line.decode(errors="replace"))
            if not number % _LINES_AT_ONCE:
                await asyncio.sleep(0)

    def _leave_out(self, lines: int) -> None:
        self._left_out += lines
        if time.monotonic() - self._told_at > _TOLD_EVERY:
            self._tell_left_out()

    def _tell_left_out(self) -> None:
        if self._left_out:
            lines, self._left_out = self._left_out, 0
            self._told_at = time.monotonic()
            self.say(
                logging.WARNING,
                f"… {lines:,} lines left out: more than agents.limits.log_kb_per_second",
            )


def _printable(text: str) -> str:
    """Return `text` so that it cannot pass for another line of the log or steer a terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text).replace("\n", "\n  ")
