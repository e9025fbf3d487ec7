"""Electra's own eye on the house: events become rules' occurrences, occurrences become words."""

import asyncio
import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hairem_core.sdk import AgentContext, MessageType, RemoteError, Topic

from .drivers.home_assistant import HomeAssistant, Synchronised, TokenRefused
from .rules import Settings
from .speech import remembered, sentence
from .watch import Occurrence, Watch

_STATE_KEY = "watch"
_LATELY_KEY = "said_unasked"
_LATELY = 900.0
"""Seconds for which she knows what she said unasked: a "yes" or "which one?" may follow."""
_LONGEST_WAIT = 30.0
"""Seconds between two looks at the clock, should it be set meanwhile."""
_SAVE_AFTER = 2.0
"""Seconds of changes that one writing of her memory gathers."""


class Senses:
    """Watches the house through her driver, and speaks up. One task runs `run()`."""

    def __init__(self, ctx: AgentContext, settings: Settings, token: str) -> None:
        self._ctx = ctx
        self._settings = settings
        self.home = HomeAssistant(settings.ha_url, token, logger=ctx.logger)
        self._watch = Watch(settings)
        self._unsaved_since: float | None = None
        self.trouble: str | None = None
        """Why she cannot see the house, for good; None while she can or tries."""

    async def run(self) -> None:
        """Watch until cancelled, or until Home Assistant refuses the token."""
        # Not before: an older version of her may have written until this moment.
        self._watch = Watch(self._settings, await self._ctx.state.get(_STATE_KEY))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._attend(), name="attend")
                await self.home.run()
        except* TokenRefused as refused:
            self.trouble = str(refused.exceptions[0])
            self._ctx.logger.error("%s", self.trouble)
        finally:
            await self._save()

    async def _attend(self) -> None:
        synchronised = False
        while True:
            event = await self.home.next_event(self._pause(synchronised=synchronised))
            now = time.time()
            if isinstance(event, Synchronised):
                synchronised = True
                changed = self._watch.look(self.home.states, now)
            elif event is not None:
                changed = self._watch.take(event, self.home.states, now)
            else:
                changed = False
            if changed and self._unsaved_since is None:
                self._unsaved_since = now
            # What is known of a house that cannot be seen is no reason to speak.
            while self.home.is_connected and (
                found := self._watch.due(self.home.states, time.time(), self._zone())
            ):
                await self._speak(found)
            if self._unsaved_since is not None and now - self._unsaved_since >= _SAVE_AFTER:
                await self._save()

    def _pause(self, *, synchronised: bool) -> float:
        """Return how long nothing needs to be done unless something happens."""
        pause = _LONGEST_WAIT
        if synchronised and (due := self._watch.next_due(self.home.states)) is not None:
            # What is due and silenced, by the night say, is looked at now and then.
            pause = min(pause, due - time.time()) if due > time.time() else pause
        if self._unsaved_since is not None:
            pause = min(pause, _SAVE_AFTER)
        return max(pause, 0.01)

    async def _speak(self, found: Occurrence) -> None:
        now = time.time()
        # Noted first: after a crash she would rather have been silent than repeat herself.
        self._watch.said(found, now)
        await self._save()
        language = self._ctx.persona.language_for(self.home.language)
        fact = found.rule.fact(language, found.state, found.minutes)
        text = await sentence(self._ctx, fact, language)
        if not text:
            self._ctx.logger.info("%s: left unsaid", found.rule.name)
            return
        try:
            await self._ctx.bus.publish(
                self._settings.audience,
                topic=Topic.NARRATIVE_TEXT,
                type=MessageType.SUBJECTIVE,
                content=text,
                data={"proactive": True, "language": language, "cause": found.cause()},
            )
            lately = [[now, text], *await self._lately(now)]
            await self._ctx.state.set(_LATELY_KEY, lately[:3])
        except RemoteError as err:
            self._ctx.logger.warning("%s: could not be said: %s", found.rule.name, err)
        else:
            self._ctx.logger.info("%s: said unasked", found.rule.name)

    async def said_lately(self, language: str) -> str:
        """Return what her model should know of what she said unasked, oldest first."""
        lines = [
            remembered(f"{datetime.fromtimestamp(at, self._zone()):%H:%M}", text, language)
            for at, text in reversed(await self._lately(time.time()))
        ]
        return "\n".join(lines)

    async def _lately(self, now: float) -> list[Any]:
        said = await self._ctx.state.get(_LATELY_KEY, [])
        return [each for each in said if 0 <= now - each[0] < _LATELY]

    async def _save(self) -> None:
        try:
            await self._ctx.state.set(_STATE_KEY, self._watch.memory())
            self._unsaved_since = None
        except RemoteError as err:
            self._unsaved_since = time.time()
            self._ctx.logger.warning("What she watches could not be written down: %s", err)

    def _zone(self) -> ZoneInfo | None:
        """Return the house's time zone, None for this process's own."""
        try:
            return ZoneInfo(self.home.time_zone) if self.home.time_zone else None
        except ZoneInfoNotFoundError, ValueError:
            return None
