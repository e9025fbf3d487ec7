"""When Dream is due: once a night, at a local time, whatever the clocks do."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

POLL = 60.0
"""Seconds between two looks at the clock, at most: it may be set, and the machine may sleep."""
_LATE = timedelta(minutes=10)
"""A night that is noticed so long after its hour was missed: it is made up."""
_AHEAD = timedelta(days=1)
"""A dream that began so far in the future began by a clock that was wrong."""
_DAY = timedelta(days=1)


class Nights:
    """The moments at which Dream is due: one for each date."""

    def __init__(self, at: time, zone: ZoneInfo | None) -> None:
        """`zone` None is the system's."""
        self._at = at
        self._zone = zone

    def last(self, now: datetime) -> datetime:
        """Return the last one that is not after `now`, in UTC."""
        return max(each for each in self._around(now) if each <= now)

    def next(self, now: datetime) -> datetime:
        """Return the first one after `now`, in UTC."""
        return min(each for each in self._around(now) if each > now)

    def _around(self, now: datetime) -> list[datetime]:
        today = now.astimezone(self._zone).date()
        return [self._moment(today + days * _DAY) for days in range(-2, 3)]

    def _moment(self, date: date) -> datetime:
        # An hour that is there twice counts the first time (fold=0). One that is not there, since
        # clocks go forward, is taken by the offset before: it comes right after the gap.
        local = datetime.combine(date, self._at, tzinfo=self._zone)
        return local.astimezone(UTC)


type Kind = Literal["night", "idle"]


class Watch:
    """Decides when to dream. Knows the time only as it is told."""

    def __init__(
        self, nights: Nights, *, idle: timedelta, latest: timedelta, now: datetime
    ) -> None:
        """`idle`: how long nobody must have spoken. `latest`: after it, it is done all the same."""
        self._nights = nights
        self._idle = idle
        self._latest = latest
        self._spoken_at = now
        self._due: datetime | None = None
        self._is_made_up = False
        self._not_before: datetime | None = None

    def spoken(self, now: datetime) -> None:
        """Note that somebody said something."""
        self._spoken_at = now

    def failed(self, now: datetime, pause: timedelta) -> None:
        """Note that a dream could not be dreamt: it is tried again after a pause."""
        self._not_before = now + pause

    def next(self, now: datetime) -> datetime:
        """Return when the next night's is due."""
        return self._nights.next(now)

    def decide(
        self, now: datetime, *, covered: datetime | None, is_unfinished: bool
    ) -> tuple[Kind | None, float]:
        """Return why to dream now, or None, and after how many seconds to ask again.

        `covered`: when the last dream began that was done to its end; None: there is nothing to
        dream of. `is_unfinished`: one was broken off.
        """
        if now < self._spoken_at:
            self._spoken_at = now  # the clock was put back
        if self._not_before is not None:
            if now < self._not_before <= now + _DAY:
                return None, POLL
            self._not_before = None
        due = self._nights.last(now)
        is_due = covered is not None and (covered < due or covered > now + _AHEAD)
        if not is_due and not is_unfinished:
            self._due = None
            return None, min(POLL, (self._nights.next(now) - now).total_seconds())
        if self._due != due:
            self._due = due
            self._is_made_up = not is_due or now - due > _LATE
        kind: Kind = "idle" if self._is_made_up else "night"
        quiet = now - self._spoken_at
        if quiet >= self._idle or (not self._is_made_up and now >= due + self._latest):
            return kind, 0.0
        return None, min(POLL, (self._idle - quiet).total_seconds())
