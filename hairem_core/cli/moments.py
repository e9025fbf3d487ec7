"""Moments as people write them: `2026-05-01`, `2026-05-01 14:00`, `yesterday`, `3 days ago`."""

import re
from datetime import datetime, time, timedelta

from hairem_core.cli.options import WrongInput
from hairem_core.memory.days import DAYS_AGO, UNITS

_UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "heure": timedelta(hours=1),
} | {unit: timedelta(days=days) for unit, days in UNITS.items()}
_AGO = re.compile(
    rf"(?:(\d{{1,4}}) ({'|'.join(_UNITS)})s? ago|il y a (\d{{1,4}}) ({'|'.join(_UNITS)})s?)"
)


def moment(text: str, option: str, *, now: datetime, is_end: bool = False) -> datetime:
    """Return the moment that a text means, in the time zone of `now` unless it says another.

    A day by itself is its beginning, or with `is_end` its end. Raises WrongInput, naming `option`.
    """
    written = " ".join(text.lower().replace("\u2019", "'").split())
    if written in ("now", "maintenant"):
        return now
    if (days := DAYS_AGO.get(written)) is not None:
        return _of_day(now - timedelta(days=days), is_end)
    if match := _AGO.fullmatch(written):
        count, unit = match[1] or match[3], match[2] or match[4]
        try:
            return now - int(count) * _UNITS[unit]
        except OverflowError as err:
            raise _wrong(text, option) from err
    try:
        found = datetime.fromisoformat(text.strip())
        if len(text.strip()) <= len("2026-05-01"):
            return _of_day(found, is_end)
        return found.astimezone()
    except (ValueError, OverflowError) as err:
        raise _wrong(text, option) from err


def _of_day(day: datetime, is_end: bool) -> datetime:
    """Return where a day begins or ends here: it may have 23 or 25 hours."""
    return datetime.combine(day.date(), time.max if is_end else time.min).astimezone()


def _wrong(text: str, option: str) -> WrongInput:
    return WrongInput(
        f"{text!r} is no moment",
        where=option,
        hint="Write 2026-05-01, '2026-05-01 14:00', yesterday or '3 days ago'.",
    )
