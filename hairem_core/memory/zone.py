"""The zone of the house: people speak of its days, not of UTC's."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from hairem_core.config.system import DreamConfig

_WINTER, _SUMMER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)


def house_zone(config: DreamConfig) -> ZoneInfo | None:
    """Return the zone that is configured; None is the system's."""
    return ZoneInfo(config.time_zone) if config.time_zone is not None else None


def local(at: datetime, zone: tzinfo | None) -> datetime:
    """Return a moment as the clocks of the house show it. `zone` None is the system's."""
    try:
        return at.astimezone(zone)
    except OverflowError, ValueError:
        return at  # on the calendar's first or last day, another zone may be beyond it


def bounds(day: date, zone: tzinfo | None) -> tuple[datetime, datetime]:
    """Return when a day of the house begins, and when the next one does: it may have 23 hours.

    `zone` None is the system's.
    """
    first, last = date.min + timedelta(days=1), date.max - timedelta(days=2)
    day = min(max(day, first), last)  # of the calendar's ends, another zone may be beyond it
    ends = (datetime.combine(each, time.min, zone) for each in (day, day + timedelta(days=1)))
    start, end = (each.astimezone(UTC) for each in ends)
    return start, end


def zone_name(zone: tzinfo | None) -> str:
    """Return what tells a zone from others. `zone` None is the system's, which may have no name."""
    if zone is not None:
        return str(zone)
    return f"local{_WINTER.astimezone():%z}{_SUMMER.astimezone():%z}"
