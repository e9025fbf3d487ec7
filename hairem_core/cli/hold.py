"""Commands that wait while a backup lets everything stand still say so."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from hairem_core.cli.output import complain
from hairem_core.cli.places import Places
from hairem_core.errors import HairemError

_LOOK_SECONDS = 1.5
"""How long an answer may take before it is looked why."""
_HELD = "everything stands still for a backup; this goes on when it is over (`hairem backup post`)"


@asynccontextmanager
async def telling_of_a_hold(
    places: Places,
    *,
    may_wait: asyncio.Event | None = None,
    is_amid_a_line: Callable[[], bool] = lambda: False,
) -> AsyncIterator[None]:
    """Say meanwhile, once, that this waits because a backup lets everything stand still.

    It is looked whether it does once `may_wait` is set, with None from now on; `is_amid_a_line`
    says whether the terminal shows the beginning of a line.
    """

    async def look() -> None:
        from hairem_core.cli.client import get_json

        if may_wait is not None:
            await may_wait.wait()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            _, health = await asyncio.to_thread(get_json, places, "/api/health", 5.0)
            if health.get("held"):
                if is_amid_a_line():
                    print(file=sys.stderr)
                complain(_HELD)
                return

    looking = asyncio.create_task(look(), name="look for a hold")
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError, HairemError):
            await looking
