"""The book of guests: who they are, what they like, what they must not eat, when they come."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Self

from hairem_core.sdk import ToolError

_MOST, _LONGEST, _MOST_FACTS = 300, 200, 30
_AHEAD = timedelta(days=14)
"""How long before a visit it is on Alfred's mind."""


@dataclass(frozen=True, kw_only=True)
class Guest:
    """One guest."""

    name: str
    likes: tuple[str, ...] = ()
    allergies: tuple[str, ...] = ()
    """And whatever else they must not be served."""
    notes: tuple[str, ...] = ()
    arrives: str | None = None
    """ISO date, or date and local time, of the next visit."""

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """Return what `asdict` gave."""
        return cls(
            name=str(raw["name"]),
            likes=tuple(raw.get("likes", ())),
            allergies=tuple(raw.get("allergies", ())),
            notes=tuple(raw.get("notes", ())),
            arrives=raw.get("arrives"),
        )

    @property
    def day(self) -> date | None:
        """The day of the next visit."""
        return None if self.arrives is None else datetime.fromisoformat(self.arrives).date()

    def describe(self) -> dict[str, Any]:
        """Return what is known, as a model is told of it."""
        return {key: value for key, value in asdict(self).items() if value}

    def sentence(self) -> str:
        """Return what is known in one line."""
        parts = [self.name]
        if self.arrives:
            day = datetime.fromisoformat(self.arrives)
            parts.append(f"arrives {day:%A} {self.arrives.replace('T', ' ')}")
        if self.allergies:
            parts.append(f"ALLERGIC OR NOT TO BE SERVED: {', '.join(self.allergies)}")
        if self.likes:
            parts.append(f"likes {', '.join(self.likes)}")
        parts += self.notes
        return "; ".join(parts)


type Guests = Mapping[str, Guest]


def read(raw: Sequence[Mapping[str, Any]] | None) -> Guests:
    """Return the book from JSON."""
    return {_key(each["name"]): Guest.read(each) for each in raw or ()}


def as_json(guests: Guests) -> list[dict[str, Any]]:
    """Return the book as JSON."""
    return [asdict(each) for each in guests.values()]


def learn(
    guests: Guests,
    name: str,
    *,
    likes: Iterable[str] = (),
    allergies: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> tuple[Guests, Guest]:
    """Return the book with more about one guest, and that guest. Raises ToolError."""
    guest = _get_or_new(guests, name)
    guest = replace(
        guest,
        likes=_merge(guest.likes, likes),
        allergies=_merge(guest.allergies, allergies),
        notes=_merge(guest.notes, notes),
    )
    return {**guests, _key(guest.name): guest}, guest


def expect(guests: Guests, name: str, arrives: str, today: date) -> tuple[Guests, Guest]:
    """Return the book with a visit, and the guest. Raises ToolError for a day that is none."""
    try:
        arrival = datetime.fromisoformat(arrives.strip())
    except ValueError as err:
        raise ToolError(
            f"{arrives!r} is no date. Write YYYY-MM-DD, or YYYY-MM-DDTHH:MM with a time"
        ) from err
    if arrival.tzinfo is not None:
        raise ToolError("write the house's local time, without an offset")
    if arrival.date() < today:
        raise ToolError(f"{arrives} is past: today is {today:%A %Y-%m-%d}")
    has_time = "T" in arrives or ":" in arrives
    text = arrival.isoformat(timespec="minutes") if has_time else arrival.date().isoformat()
    guest = replace(_get_or_new(guests, name), arrives=text)
    return {**guests, _key(guest.name): guest}, guest


def find(guests: Guests, name: str) -> Guest:
    """Return one guest. Raises ToolError, naming those there are."""
    guest = guests.get(_key(name))
    if guest is None:
        known = ", ".join(each.name for each in guests.values()) or "nobody"
        raise ToolError(f"{name!r} is not in the book of guests; there is: {known}")
    return guest


def without(guests: Guests, guest: Guest) -> Guests:
    """Return the book without one guest."""
    return {key: each for key, each in guests.items() if key != _key(guest.name)}


def expected(guests: Guests, today: date) -> list[Guest]:
    """Return who comes today or in the next two weeks, the next first."""
    found = [each for each in guests.values() if each.day and today <= each.day <= today + _AHEAD]
    return sorted(found, key=lambda each: each.arrives or "")


def _get_or_new(guests: Guests, name: str) -> Guest:
    name = " ".join(name.split())
    if not name or len(name) > _LONGEST:
        raise ToolError("a guest has a name")
    if (guest := guests.get(_key(name))) is not None:
        return guest
    if len(guests) >= _MOST:
        raise ToolError(f"the book holds {_MOST} guests already")
    return Guest(name=name)


def _merge(known: tuple[str, ...], new: Iterable[str]) -> tuple[str, ...]:
    found = list(known)
    for each in new:
        text = " ".join(each.split())
        if not text or len(text) > _LONGEST:
            raise ToolError(f"each thing is said in 1 to {_LONGEST} characters")
        if text.casefold() not in {other.casefold() for other in found}:
            found.append(text)
    if len(found) > _MOST_FACTS:
        raise ToolError(f"of one guest at most {_MOST_FACTS} such things are kept")
    return tuple(found)


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()
