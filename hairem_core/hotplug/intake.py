"""Reading what an agent's process says, no faster than H-Core can take it from one of many."""

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hairem_core.hotplug import frames
from hairem_core.hotplug.rates import TokenBucket

_FRAMES_PER_SECOND = 1_000
"""A model's answer, told word by word, needs some hundred."""
_BYTES_PER_SECOND = 2**20
_MOST_BYTES = 4 * 2**20
"""At once, after a quiet time. Reading JSON costs up to 40 ms of H-Core's one thread for each MiB,
whatever it says."""
_MOST_FAULTS = 8
"""That are worded. A hostile frame may have a million of them, which would take seconds."""
_FRAME: TypeAdapter[Any] = TypeAdapter(frames.ToHost)


class Intake:
    """Reads frames. Whoever sends more waits, at its own end of the socket."""

    def __init__(self, reader: asyncio.StreamReader, *, on_wait: Callable[[float], None]) -> None:
        """`on_wait` is told the seconds for which nothing will be read."""
        self._reader = reader
        self._on_wait = on_wait
        self._frames = TokenBucket(_FRAMES_PER_SECOND, _FRAMES_PER_SECOND)
        self._bytes = TokenBucket(_BYTES_PER_SECOND, _MOST_BYTES)

    async def read(self) -> tuple[Any, int]:
        """Return the next frame, and how many bytes it had. Raises FrameError, EOFError."""
        try:
            length = int.from_bytes(await self._reader.readexactly(4))
            if length > frames.LONGEST_FRAME:
                raise frames.FrameError(f"a frame of {length:,} bytes")
            # Paid for before it is here: what waits, waits in the sender's memory.
            await self._wait(self._frames, 1)
            await self._wait(self._bytes, length)
            body = await self._reader.readexactly(length)
        except ConnectionError as err:
            raise EOFError(str(err)) from err
        # Even while there is more to read, it is others' turn.
        await asyncio.sleep(0)
        return _parse(body), length

    async def _wait(self, bucket: TokenBucket, n: int) -> None:
        if seconds := bucket.delay(n):
            self._on_wait(seconds)
        await bucket.wait(n)


def _parse(body: bytes) -> Any:
    try:
        return _FRAME.validate_json(body)
    except ValidationError as err:
        count = err.error_count()
        what = str(err) if count <= _MOST_FAULTS else f"{count:,} faults"
        raise frames.FrameError(f"a frame of {len(body):,} bytes: {what}") from None
