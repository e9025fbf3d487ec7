"""From one generation of an agent to the next: who begins when, and who may still finish."""

import asyncio

from hairem_core.hotplug.generation import Generation

_MOST_DRAINING = 3
"""Older generations that may finish what they hold beside the live one."""


class Handover:
    """The older generations of an agent, and the tasks that see to their end."""

    def __init__(self, agent_id: str) -> None:
        self._agent_id = agent_id
        self._draining: dict[Generation, asyncio.Task[None]] = {}
        self._beginning: asyncio.Task[None] | None = None

    @property
    def draining(self) -> list[Generation]:
        """The generations that finish what they hold."""
        return list(self._draining)

    async def wait_for_room(self) -> None:
        """Return when one more generation may drain."""
        while len(self._draining) >= _MOST_DRAINING:
            await asyncio.wait(self._draining.values(), return_when=asyncio.FIRST_COMPLETED)

    def begin(self, old: Generation | None, fresh: Generation) -> None:
        """Let `fresh` begin once the background tasks of `old` have ended, and `old` drain.

        It does not wait: whoever is cancelled in a swap must not leave half of one. Of swaps in
        quick succession each waits for the one before.
        """
        self._beginning = beginning = asyncio.create_task(
            self._begin(old, fresh, self._beginning),
            name=f"agent {self._agent_id} generation {fresh.number} begins",
        )
        if old is not None:
            self._draining[old] = asyncio.create_task(
                self._drain(old, beginning),
                name=f"agent {self._agent_id} generation {old.number} drains",
            )

    async def stop(self) -> None:
        """Wait for nobody any more."""
        tasks = [*self._draining.values(), *([self._beginning] if self._beginning else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(
        self, old: Generation | None, fresh: Generation, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        if old is not None:
            await old.process.retire()
        fresh.process.begin()

    async def _drain(self, old: Generation, beginning: asyncio.Task[None]) -> None:
        try:
            await asyncio.wait([beginning])
            await old.drain()
        finally:
            del self._draining[old]
