"""A driver that keeps its own task, and ends it."""

import asyncio
from contextlib import suppress


class Link:
    def __init__(self) -> None:
        self.reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Link:
        self.reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.reading is not None:
            self.reading.cancel()
            with suppress(asyncio.CancelledError):
                await self.reading

    async def _read(self) -> None:
        while True:
            await asyncio.sleep(1)
