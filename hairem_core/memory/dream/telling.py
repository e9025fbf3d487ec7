"""How far a dream is, told on the bus: live, and kept by nobody."""

import asyncio
import logging

from hairem_core.hlink.bus import Bus
from hairem_core.hlink.errors import BusError
from hairem_core.memory.dream.parts import DreamProgress
from hairem_core.sdk.message import CREW, Message, MessageType, Priority, Topic

_LOGGER = logging.getLogger(__name__)


class DreamTeller:
    """Publishes progress as `dream.progress` messages. A bus that is away holds up no dream."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._telling: set[asyncio.Task[None]] = set()

    def __call__(self, progress: DreamProgress) -> None:
        """Publish how far a dream is."""
        message = Message.create(
            sender="core:dream",
            recipient=CREW,
            type=MessageType.STREAM,
            topic=Topic.DREAM_PROGRESS,
            priority=Priority.P3,
            data={
                "dream_id": str(progress.dream_id),
                "reason": progress.reason,
                "state": progress.state,
                "step": progress.step,
                "share": round(progress.fraction, 4),
                "done": progress.done,
                "total": progress.total,
            },
        )
        task = asyncio.create_task(self._publish(message), name="dream progress")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _publish(self, message: Message) -> None:
        try:
            await self._bus.publish(message)
        except BusError as err:
            _LOGGER.debug("How far a dream is was not told: %s", err)
