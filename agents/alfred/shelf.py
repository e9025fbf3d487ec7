"""A value of `ctx.state` that is changed by one hand at a time."""

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hairem_core.sdk import AgentContext

_RETRY = 0.005
"""Seconds between two tries to get hold of the value; it is held for a few milliseconds."""


class Shelf:
    """Reads a value, has it changed, writes it back, with nobody in between.

    Several handlers run at once, and while the agent is reloaded its old version finishes what it
    holds beside the new one: both work in the same folder, where a locked file keeps them apart.
    The kernel lets go of the lock when a process dies.
    """

    def __init__(self, ctx: AgentContext, key: str, *, folder: Path | None = None) -> None:
        """`folder`: where the lock is; by itself the agent's working folder."""
        self._ctx = ctx
        self._key = key
        self._path = (folder or Path()) / f".{key}.lock"
        self._turn = asyncio.Lock()

    async def get(self) -> Any:
        """Return the value as it is now, None if there is none. Raises RemoteError."""
        return await self._ctx.state.get(self._key)

    async def change[T](self, change: Callable[[Any], tuple[Any, T]]) -> T:
        """Put the value through `change`, which returns the new one and what this is to return.

        Raises RemoteError, and what `change` raises; then nothing is changed.
        """
        async with self._alone():
            value, result = change(await self.get())
            await self._ctx.state.set(self._key, value)
            return result

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[None]:
        async with self._turn:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                await _wait_for_lock(handle)
                yield
            finally:
                os.close(handle)


async def _wait_for_lock(handle: int) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(_RETRY)
        else:
            return
