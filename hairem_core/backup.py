"""A hot backup: what H-Core keeps stands still while its files are copied, and the house goes on.

Who reads is not kept waiting. Who writes waits until it is over, and so does whom they answer: the
clocks of their turns stand still too, see `Backup.paused`.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Literal, Protocol

from hairem_core.errors import HairemError

_LOGGER = logging.getLogger(__name__)

HOLD_SECONDS = 600.0
"""After which a hold ends by itself: nobody should wait for a copy that nobody makes any more."""
PATIENCE = 60.0
"""Seconds that a hold waits for what is under way."""

type Released = Literal["released", "nothing_held", "expired"]


class CannotHold(HairemError):
    """Not everything came to a stand in time; nothing is held."""

    code = "cannot_hold"


class Part(Protocol):
    """Something that is kept in files, or in a server's."""

    def standstill(self) -> AbstractAsyncContextManager[None]:
        """Return what lets its files stand still from when it is entered until it is left.

        Entering waits until they do. Raises HairemError.
        """
        ...


class Backup:
    """Holds everything still for a backup, for a while at most."""

    def __init__(
        self,
        parts: Mapping[str, Part],
        *,
        longest: float = HOLD_SECONDS,
        patience: float = PATIENCE,
    ) -> None:
        """`parts` by what they are called in errors, in the order in which they are held."""
        self._parts = parts
        self._longest = longest
        self._patience = patience
        self._lock = asyncio.Lock()
        self._holding: asyncio.Task[None] | None = None
        self._let_go = asyncio.Event()
        self._until = 0.0
        self._since: float | None = None
        self._total = 0.0
        self._expired = False

    @property
    def longest(self) -> float:
        """Seconds after which a hold ends by itself."""
        return self._longest

    @property
    def is_held(self) -> bool:
        """Whether everything stands still."""
        return self._since is not None

    def paused(self) -> float:
        """Return for how many seconds everything stood still, all holds together.

        Whoever has a time limit for what may have to wait for a hold adds what this has grown by.
        """
        now = time.monotonic()
        return self._total + (now - self._since if self._since is not None else 0.0)

    async def hold(self) -> bool:
        """Hold everything still; return whether it was held before, which is now prolonged.

        Raises CannotHold, and what a part raises; then nothing is held.
        """
        async with self._lock:
            self._until = time.monotonic() + self._longest
            if self.is_held:
                return True
            self._expired = False
            self._let_go = asyncio.Event()
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._holding = asyncio.create_task(self._hold(ready), name="backup")
            try:
                await asyncio.wait([ready, self._holding], return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                self._let_go.set()
                raise
            if self._holding.cancelled():
                raise CannotHold("H-Core is stopping", hint="Nothing is held.")
            if not ready.done():
                await self._holding
            _LOGGER.info("Everything stands still for a backup")
            return False

    async def release(self) -> Released:
        """Let everything go on, and return how it was.

        "expired": a hold had ended by itself, so what was copied after that may not fit together.
        """
        async with self._lock:
            was_held = self.is_held
            await self._end()
            expired, self._expired = self._expired, False
            if expired:
                return "expired"
            if was_held:
                _LOGGER.info("The backup is over, and everything goes on")
            return "released" if was_held else "nothing_held"

    async def close(self) -> None:
        """Let everything go on; for the way out. A hold that is about to begin is broken off."""
        if self._holding is not None and not self.is_held:
            self._holding.cancel()
        await self._end()

    async def _end(self) -> None:
        self._let_go.set()
        if self._holding is not None:
            await asyncio.gather(self._holding, return_exceptions=True)
            self._holding = None

    async def _hold(self, ready: asyncio.Future[None]) -> None:
        async with AsyncExitStack() as stack:
            waits_for = ""
            try:
                async with asyncio.timeout(self._patience):
                    for waits_for, part in self._parts.items():  # noqa: B007  told if it fails
                        await stack.enter_async_context(part.standstill())
            except TimeoutError as err:
                raise CannotHold(
                    f"{waits_for} did not come to a stand within {self._patience:g} seconds",
                    hint="Something long is under way, such as forgetting someone. Nothing is "
                    "held: try again later.",
                ) from err
            self._since = time.monotonic()
            ready.set_result(None)
            try:
                await self._until_let_go()
            finally:
                self._total, self._since = self.paused(), None

    async def _until_let_go(self) -> None:
        while (left := self._until - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._let_go.wait()
                    return
            except TimeoutError:
                continue  # it may have been prolonged
        self._expired = True
        _LOGGER.warning(
            "A backup held everything still for %g seconds and never said that it was over: "
            "everything goes on. What is copied from now on may not fit together",
            self._longest,
        )
