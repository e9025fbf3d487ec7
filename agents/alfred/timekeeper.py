"""Says what is due, when it is due: once, also across a crash, a reload and a clock that is set.

A reminder is told first and crossed off afterwards: lost is worse than twice. That it is not told
twice, memory sees to: what was said is in there before it travels, under a conversation of its own
(`Reminder.key`), and what is found there is only crossed off.
"""

import asyncio
from contextlib import suppress
from typing import Any

from hairem_core.sdk import AgentContext, MessageType, RemoteError, Topic

from . import words
from .clock import Clock
from .reminders import LATE, Reminder, Reminders
from .shelf import Shelf

_LONGEST_WAIT = 30.0
"""Seconds between two looks at the clock: it may be set, or the machine have slept."""
_RETRY = 5.0


class Timekeeper:
    """One task runs `run()`."""

    def __init__(self, ctx: AgentContext, shelf: Shelf, clock: Clock) -> None:
        self._ctx = ctx
        self._shelf = shelf
        self._clock = clock
        self._changed = asyncio.Event()
        self._unsent: set[str] = set()
        """Keys of those that H-Core said could not be sent, although memory may hold them."""

    def look_again(self) -> None:
        """Note that there is another reminder than before."""
        self._changed.set()

    async def run(self) -> None:
        """Tell what is due until cancelled."""
        while True:
            self._changed.clear()
            try:
                wait = await self.tell_due()
            except RemoteError as err:
                self._ctx.logger.warning("Reminders wait, H-Core cannot help now: %s", err)
                wait = _RETRY
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    async def tell_due(self) -> float:
        """Tell all that is due and return after how many seconds to look again.

        Raises RemoteError; what was not told then stays due.
        """
        reminders = Reminders.read(await self._shelf.get())
        for each in reminders.due(self._clock.now()):
            await self._tell(each)
        due = Reminders.read(await self._shelf.get()).next_due()
        if due is None:
            return _LONGEST_WAIT
        return min(max(due - self._clock.now(), 0.01), _LONGEST_WAIT)

    async def _tell(self, due: Reminder) -> None:
        if due.key in self._unsent or not await self._ctx.memory.recent(
            conversation_id=due.key, limit=1
        ):
            await self._say(due)

        def cross_off(raw: Any) -> tuple[Any, None]:
            return Reminders.read(raw).with_told(due, self._clock).as_json(), None

        await self._shelf.change(cross_off)
        self._ctx.logger.info("Reminder %s told", due.id)

    async def _say(self, due: Reminder) -> None:
        late = self._clock.now() - due.due > LATE
        text = words.reminder(
            due.what,
            due.language,
            due=self._clock.local(due.due),
            now=self._clock.local(),
            late=late,
        )
        try:
            await self._ctx.bus.publish(
                due.recipient,
                topic=Topic.NARRATIVE_TEXT,
                type=MessageType.SUBJECTIVE,
                content=text,
                data={
                    "proactive": True,
                    "language": due.language,
                    "cause": {"reminder": due.id, "due": due.due, "late": late},
                },
                conversation_id=due.key,
            )
        except RemoteError:
            self._unsent.add(due.key)
            raise
        self._unsent.discard(due.key)
