"""What waits to be looked at: bounded, whatever the house does."""

import asyncio
from collections import deque
from dataclasses import dataclass, replace

from .states import StateChanged, Synchronised


@dataclass(slots=True)
class _Slot:
    event: StateChanged | Synchronised


class ChangeQueue:
    """Events in order. From `limit` on, an entity that waits already takes its new change along.

    So it holds at most `limit` events and one more for each entity, and never loses where an entity
    came from nor what it is now. One task takes from it.
    """

    def __init__(self, limit: int = 1_000) -> None:
        self._limit = limit
        self._slots: deque[_Slot] = deque()
        self._last: dict[str, _Slot] = {}
        self._filled = asyncio.Event()
        self.merged = 0
        """Changes that were taken along by another."""

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, event: StateChanged | Synchronised) -> None:
        """Add an event."""
        if isinstance(event, StateChanged):
            waiting = self._last.get(event.entity_id)
            if waiting is not None and len(self._slots) >= self._limit:
                self._merge(waiting, event)
                return
        slot = _Slot(event)
        if isinstance(event, StateChanged):
            self._last[event.entity_id] = slot
        else:
            # What comes after must not be merged into what came before.
            self._last.clear()
        self._slots.append(slot)
        self._filled.set()

    async def get(self) -> StateChanged | Synchronised:
        """Return the oldest event, as soon as there is one."""
        while not self._slots:
            self._filled.clear()
            await self._filled.wait()
        slot = self._slots.popleft()
        event = slot.event
        if isinstance(event, StateChanged) and self._last.get(event.entity_id) is slot:
            del self._last[event.entity_id]
        return event

    def _merge(self, slot: _Slot, later: StateChanged) -> None:
        earlier = slot.event
        assert isinstance(earlier, StateChanged)
        self.merged += 1
        slot.event = replace(
            later,
            old=earlier.old,
            missed=earlier.missed or later.missed,
            merged=earlier.merged + 1,
        )
