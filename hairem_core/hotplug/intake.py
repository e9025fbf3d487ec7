"""Reading what an agent's process says, no faster than H-Core can take it from one of many."""

import asyncio
from collections.abc import Callable
from typing import Any

from hairem_core.hotplug import frames
from hairem_core.hotplug.rates import TokenBucket

_FRAMES_PER_SECOND = 1_000
"""A model's answer, told word by word, needs some hundred."""
_BYTES_PER_SECOND = 2**20
_MOST_BYTES = 4 * 2**20
"""At once, after a quiet time. Reading JSON costs up to 40 ms of H-Core's one thread for each MiB,
whatever it says."""


class Intake:
    """Reads frames. Whoever sends more waits, at its own end of the socket."""

    def __init__(self, reader: asyncio.StreamReader, *, on_wait: Callable[[float], None]) -> None:
        """`on_wait` is told the seconds for which nothing will be read."""
        self._reader = reader
        self._on_wait = on_wait
        self._frames = TokenBucket(_FRAMES_PER_SECOND, _FRAMES_PER_SECOND)
        self._bytes = TokenBucket(_BYTES_PER_SECOND, _MOST_BYTES)
        self._size = 0

    async def read(self) -> tuple[Any, int]:
        """Return the next frame, and how many bytes it had. Raises FrameError, EOFError."""
        frame = await frames.read_to_host(self)
        await self._wait(self._frames, 1)
        # Even while there is more to read, it is others' turn.
        await asyncio.sleep(0)
        return frame, self._size

    async def readexactly(self, n: int) -> bytes:
        """Return `n` bytes. Raises IncompleteReadError, which is an EOFError."""
        # Paid for before they are here: what waits, waits in the sender's memory.
        await self._wait(self._bytes, n)
        self._size = n
        return await self._reader.readexactly(n)

    async def _wait(self, bucket: TokenBucket, n: int) -> None:
        if seconds := bucket.delay(n):
            self._on_wait(seconds)
        await bucket.wait(n)
