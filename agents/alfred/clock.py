"""The time of the house: what people mean by "18:30", across the changes of the clock.

A moment is seconds since 1970; a local time is a `datetime` without a zone.
"""

import re
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta, tzinfo

from hairem_core.sdk import ToolError

_LOCAL = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_TIME = re.compile(r"(\d\d):(\d\d)")
_HOW = "Write the house's local time as YYYY-MM-DDTHH:MM, such as 2027-03-04T18:30"


class Clock:
    """A time zone and the present moment."""

    def __init__(self, zone: tzinfo | None = None, now: Callable[[], float] = time.time) -> None:
        """`zone`: the house's, None for that of this machine."""
        self._zone = zone
        self.now = now

    def local(self, moment: float | None = None) -> datetime:
        """Return what a clock on the wall shows at `moment`, by itself now."""
        moment = self.now() if moment is None else moment
        return datetime.fromtimestamp(moment, self._zone).replace(tzinfo=None)

    def moment(self, local: datetime) -> float:
        """Return when the clock on the wall shows `local`.

        A time that comes twice, when clocks are set back, is the first; one that never comes, when
        they are set forward, is as much later as they are set.
        """
        return local.replace(tzinfo=self._zone, fold=0).timestamp()

    def exists(self, local: datetime) -> bool:
        """Return whether the clock on the wall ever shows `local`."""
        return self.local(self.moment(local)) == local

    def read(self, text: str) -> float:
        """Return the moment that `text` means: a date and a time, or a time to come.

        Raises ToolError, for the model to write it better, for a form that is none, a time that is
        past and one that the clocks skip.
        """
        text = text.strip()
        if _TIME.fullmatch(text):
            return self.next(text, range(7))
        found = _LOCAL.fullmatch(text)
        if not found:
            raise ToolError(f"{text!r} is no date with a time. {_HOW}")
        try:
            read = datetime.fromisoformat(text.replace(" ", "T"))
        except ValueError as err:
            raise ToolError(f"{text!r} does not exist: {err}. {_HOW}") from err
        if read.tzinfo is None and not self.exists(read):
            raise ToolError(f"{text} does not exist here: the clocks are set forward over it")
        moment = self.moment(read) if read.tzinfo is None else read.timestamp()
        if moment <= self.now():
            raise ToolError(f"{text} is past: it is {self.local():%A %Y-%m-%dT%H:%M} here")
        return moment

    def next(self, at: str, days: Collection[int], after: float | None = None) -> float:
        """Return the next moment after `after`, by itself now, with this time on one of `days`.

        `at` is `HH:MM`, `days` are weekdays, Monday 0. Raises ToolError for a time that is none.
        """
        found = _TIME.fullmatch(at.strip())
        if not found or int(found[1]) > 23 or int(found[2]) > 59:
            raise ToolError(f"{at!r} is no time of the day. Write it as HH:MM, such as 07:00")
        after = self.now() if after is None else after
        begin = self.local(after).replace(
            hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0
        )
        for days_on in range(9):
            local = begin + timedelta(days=days_on)
            if local.weekday() in days and (moment := self.moment(local)) > after:
                return moment
        raise ToolError("on which days? Name at least one")
