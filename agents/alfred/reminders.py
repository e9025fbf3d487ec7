"""Reminders: what is due when, for whom, and what becomes of it then. Pure logic."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from hairem_core.sdk import ToolError

from .clock import Clock

LATE = 90.0
"""Seconds after which a reminder comes with an apology."""
_KEPT_TOLD = 86_400.0
"""Seconds for which a reminder that was told is remembered: it may not have been heard."""
_MOST = 200
_LONGEST = 300
_FURTHEST_MINUTES = 60 * 24 * 366
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMED_DAYS = {
    "daily": range(7),
    "weekdays": range(5),
    "weekends": range(5, 7),
}


@dataclass(frozen=True, kw_only=True)
class Reminder:
    """One thing to say at a time. Moments are seconds since 1970."""

    id: str
    what: str
    recipient: str
    """An address: `user:<id>`, or `crew` where nobody in particular asked."""
    language: str
    due: float
    at: str = ""
    """`HH:MM`, where it repeats: the local time, whatever the clocks do meanwhile."""
    days: tuple[int, ...] = ()
    """On which weekdays it repeats, Monday 0; none: it does not."""
    told: float | None = None
    """When it was last told."""

    @property
    def key(self) -> str:
        """What is the same for each attempt to tell it this time, and no other time."""
        return f"reminder-{self.id}-{self.due:.0f}"

    @property
    def is_over(self) -> bool:
        """Whether it was told and will not be again."""
        return self.told is not None and not self.days

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Self:
        """Return what `as_json` gave."""
        return cls(**{**raw, "days": tuple(raw.get("days", ()))})

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "days": list(self.days)}

    def after_telling(self, clock: Clock) -> Reminder:
        """Return what is left of it now that it was told.

        Times that passed unnoticed in between are left out: one late word is enough.
        """
        now = clock.now()
        told = replace(self, told=now)
        if not self.days:
            return told
        return replace(told, due=clock.next(self.at, self.days, max(now, self.due)))

    def describe(self, clock: Clock) -> dict[str, Any]:
        """Return it as a model is told of it."""
        described: dict[str, Any] = {
            "id": self.id,
            "what": self.what,
            "when": f"{clock.local(self.due):%A %Y-%m-%d %H:%M}",
        }
        if self.days:
            described["repeats"] = ",".join(_DAYS[day] for day in self.days)
        return described

    def sentence(self, clock: Clock) -> str:
        """Return it in one line of a prompt."""
        about = self.describe(clock)
        repeats = f", repeats {about['repeats']}" if self.days else ""
        return f"Reminder {self.id} for {about['when']}{repeats}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class Reminders:
    """All there are, and the number of the next."""

    items: tuple[Reminder, ...] = ()
    next_number: int = 1

    @classmethod
    def read(cls, raw: dict[str, Any] | None) -> Self:
        """Return what `as_json` gave, none for None."""
        raw = raw or {}
        return cls(
            items=tuple(Reminder.read(each) for each in raw.get("items", ())),
            next_number=int(raw.get("next", 1)),
        )

    def as_json(self) -> dict[str, Any]:
        """Return them as JSON."""
        return {"items": [each.as_json() for each in self.items], "next": self.next_number}

    def add(
        self,
        clock: Clock,
        *,
        what: str,
        recipient: str,
        language: str,
        in_minutes: float | None,
        at: str | None,
        repeat: str | None,
    ) -> tuple[Reminders, Reminder]:
        """Return them with a new one, and that one. Raises ToolError."""
        what = " ".join(what.split())
        if not what or len(what) > _LONGEST:
            raise ToolError(f"say what to be reminded of, in at most {_LONGEST} characters")
        if len(self.items) >= _MOST:
            raise ToolError(f"there are {_MOST} reminders already: cancel some first")
        days = _read_days(repeat) if repeat else ()
        due = _read_due(clock, in_minutes, at, days)
        reminder = Reminder(
            id=f"r{self.next_number}",
            what=what.rstrip("."),
            recipient=recipient,
            language=language,
            due=due,
            at=at.strip() if at and days else "",
            days=days,
        )
        added = replace(self, items=(*self.items, reminder), next_number=self.next_number + 1)
        return added, reminder

    def without(self, reminder_id: str, recipient: str) -> tuple[Reminders, Reminder]:
        """Return them without one of that person's, and that one. Raises ToolError."""
        for each in self.of(recipient):
            if each.id == reminder_id:
                items = tuple(other for other in self.items if other.id != each.id)
                return replace(self, items=items), each
        ids = ", ".join(each.id for each in self.of(recipient)) or "none"
        raise ToolError(f"there is no reminder {reminder_id!r}; there are: {ids}")

    def with_told(self, told: Reminder, clock: Clock) -> Reminders:
        """Return them now that `told` was told, and what is long over left out."""
        now = clock.now()
        items = (
            each.after_telling(clock) if (each.id, each.due) == (told.id, told.due) else each
            for each in self.items
        )
        kept = tuple(
            each for each in items if not (each.is_over and now - (each.told or 0) > _KEPT_TOLD)
        )
        return replace(self, items=kept)

    def of(self, recipient: str) -> Sequence[Reminder]:
        """Return those that a person may know of and that are still to come, the next first."""
        found = [
            each
            for each in self.items
            if each.recipient in (recipient, "crew") and not each.is_over
        ]
        return sorted(found, key=lambda each: each.due)

    def told_lately(self, recipient: str, now: float) -> Sequence[Reminder]:
        """Return those that this person was told in the last day."""
        return [
            each
            for each in self.items
            if each.recipient in (recipient, "crew")
            and each.told is not None
            and now - each.told < _KEPT_TOLD
        ]

    def due(self, now: float) -> Sequence[Reminder]:
        """Return those to tell now, the oldest first."""
        found = [each for each in self.items if not each.is_over and each.due <= now]
        return sorted(found, key=lambda each: each.due)

    def next_due(self) -> float | None:
        """Return when the next one is due, None if there is none."""
        return min((each.due for each in self.items if not each.is_over), default=None)


def _read_due(
    clock: Clock, in_minutes: float | None, at: str | None, days: tuple[int, ...]
) -> float:
    if (in_minutes is None) == (at is None):
        raise ToolError("give either in_minutes or at, and only one of them")
    if in_minutes is not None:
        if days:
            raise ToolError("what repeats needs `at`, the time of the day as HH:MM")
        if not 0 < in_minutes <= _FURTHEST_MINUTES:
            raise ToolError("in_minutes is more than 0 and at most a year; further, give a date")
        return clock.now() + in_minutes * 60
    assert at is not None
    if days:
        return clock.next(at, days)
    return clock.read(at)


def _read_days(repeat: str) -> tuple[int, ...]:
    """Return weekdays, Monday 0. Raises ToolError."""
    named = _NAMED_DAYS.get(repeat.strip().lower())
    if named is not None:
        return tuple(named)
    days = {each.strip()[:3].lower() for each in repeat.split(",")}
    if unknown := days.difference(_DAYS):
        raise ToolError(
            f"{', '.join(sorted(unknown))!r} is no weekday. Write daily, weekdays, weekends or "
            "days such as mon,thu"
        )
    return tuple(sorted(_DAYS.index(day) for day in days))
