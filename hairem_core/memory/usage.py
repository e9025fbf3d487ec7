"""What was of use: noted in the background, some seconds' worth at a time."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from hairem_core.errors import HairemError
from hairem_core.memory.fragments import FragmentStore

_LOGGER = logging.getLogger(__name__)
_GATHER = 5.0
"""Seconds that uses gather: what is recalled at every turn is written once."""


class UseCounter:
    """Makes fragments that were of use fade more slowly."""

    def __init__(self, fragments: FragmentStore) -> None:
        self._fragments = fragments
        self._noted: dict[UUID, datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, ids: Iterable[UUID], at: datetime) -> None:
        """Note that fragments were of use. Several uses within seconds count as one."""
        self._noted |= dict.fromkeys(ids, at)
        if self._noted and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._write_soon(), name="memory uses")

    async def flush(self) -> None:
        """Write what was noted. Raises MemoryUnavailable."""
        noted, self._noted = self._noted, {}
        if noted:
            await self._fragments.note_use(noted)

    async def close(self) -> None:
        """Write what was noted, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write()

    async def _write_soon(self) -> None:
        await asyncio.sleep(_GATHER)
        await self._write()

    async def _write(self) -> None:
        try:
            await self.flush()
        except HairemError as err:
            _LOGGER.warning("What was of use could not be noted: %s", err)
