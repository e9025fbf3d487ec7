"""Alfred's books: time, reminders, lists, guests."""

import asyncio
import logging
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from agents.alfred import guests, lists, words
from agents.alfred.clock import Clock
from agents.alfred.reminders import Reminder, Reminders
from agents.alfred.shelf import Shelf
from agents.alfred.timekeeper import Timekeeper
from hairem_core.sdk import AgentContext, RemoteError, ToolError

PARIS = ZoneInfo("Europe/Paris")


class Wall:
    """A clock on the wall of a house in Paris, that tests set."""

    def __init__(self, local: str) -> None:
        self.now = 0.0
        self.clock = Clock(PARIS, lambda: self.now)
        self.set(local)

    def set(self, local: str) -> None:
        self.now = datetime.fromisoformat(local).replace(tzinfo=PARIS).timestamp()

    def shows(self, moment: float) -> str:
        return f"{self.clock.local(moment):%Y-%m-%d %H:%M}"


def add(
    reminders: Reminders, wall: Wall, *, who: str = "user:anna", **fields: Any
) -> tuple[Reminders, Reminder]:
    arguments: dict[str, Any] = {
        "what": "water the roses",
        "recipient": who,
        "language": "en",
        "in_minutes": None,
        "at": None,
        "repeat": None,
    }
    return reminders.add(wall.clock, **{**arguments, **fields})


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"in_minutes": 20}, "2026-11-21 16:20"),
        ({"at": "18:30"}, "2026-11-21 18:30"),
        ({"at": "15:00"}, "2026-11-22 15:00"),
        ({"at": "2026-11-22T09:00"}, "2026-11-22 09:00"),
        ({"at": "2026-11-22 09:00"}, "2026-11-22 09:00"),
        ({"at": "2026-11-22T09:00:00Z"}, "2026-11-22 10:00"),
        ({"at": "07:00", "repeat": "weekdays"}, "2026-11-23 07:00"),
        ({"at": "16:01", "repeat": "daily"}, "2026-11-21 16:01"),
        ({"at": "07:00", "repeat": "wed"}, "2026-11-25 07:00"),
        ({"at": "07:00", "repeat": "Monday, Thursday"}, "2026-11-23 07:00"),
    ],
)
def test_what_people_mean_becomes_a_moment(fields: dict[str, Any], due: str) -> None:
    wall = Wall("2026-11-21T16:00")  # a Saturday
    _, reminder = add(Reminders(), wall, **fields)
    assert wall.shows(reminder.due) == due


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "either in_minutes or at"),
        ({"in_minutes": 5, "at": "18:30"}, "only one"),
        ({"in_minutes": 0}, "more than 0"),
        ({"in_minutes": -3}, "more than 0"),
        ({"in_minutes": float("nan")}, "more than 0"),
        ({"at": "tomorrow"}, "YYYY-MM-DDTHH:MM"),
        ({"at": "2026-11-21"}, "YYYY-MM-DDTHH:MM"),
        ({"at": "2026-02-30T10:00"}, "does not exist"),
        ({"at": "2026-11-21T15:59"}, "is past: it is Saturday 2026-11-21T16:00"),
        ({"at": "25:00"}, "HH:MM"),
        ({"at": "2027-03-28T02:30"}, "set forward"),
        ({"at": "07:00", "repeat": "sometimes"}, "no weekday"),
        ({"at": "2026-11-22T07:00:00", "repeat": "daily"}, "HH:MM"),
        ({"in_minutes": 5, "repeat": "daily"}, "`at`"),
        ({"in_minutes": 5, "what": "  "}, "what to be reminded of"),
        ({"in_minutes": 5, "what": "x" * 301}, "300"),
    ],
)
def test_what_makes_no_sense_is_refused_with_how_to_write_it(
    fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ToolError, match=complaint):
        add(Reminders(), Wall("2026-11-21T16:00"), **fields)


def test_a_daily_reminder_keeps_its_hour_when_the_clocks_change() -> None:
    wall = Wall("2027-03-27T12:00")
    reminders, first = add(Reminders(), wall, at="07:00", repeat="daily")
    assert wall.shows(first.due) == "2027-03-28 07:00"
    wall.now = first.due
    reminders = reminders.with_told(first, wall.clock)
    assert wall.shows(reminders.items[0].due) == "2027-03-29 07:00"
    wall.set("2026-10-24T12:00")
    _, autumn = add(Reminders(), wall, at="07:00", repeat="daily")
    assert autumn.due - wall.now == 20 * 3600, "that night has an hour more"


def test_an_hour_that_is_skipped_comes_later_and_one_that_comes_twice_counts_once() -> None:
    wall = Wall("2027-03-28T00:00")
    reminders, skipped = add(Reminders(), wall, at="02:30", repeat="daily")
    assert wall.shows(skipped.due) == "2027-03-28 03:30"
    wall.now = skipped.due
    reminders = reminders.with_told(skipped, wall.clock)
    assert wall.shows(reminders.items[0].due) == "2027-03-29 02:30"
    assert reminders.items[0].at == "02:30"

    wall.set("2026-10-25T00:00")
    reminders, twice = add(Reminders(), wall, at="02:30", repeat="daily")
    wall.now = twice.due
    reminders = reminders.with_told(twice, wall.clock)
    assert wall.shows(reminders.items[0].due) == "2026-10-26 02:30"


def test_days_that_were_slept_through_are_told_once() -> None:
    wall = Wall("2026-11-20T12:00")
    reminders, each = add(Reminders(), wall, at="07:00", repeat="daily")
    wall.set("2026-11-25T12:00")
    assert reminders.due(wall.now) == [each]
    reminders = reminders.with_told(each, wall.clock)
    assert reminders.due(wall.now) == []
    assert wall.shows(reminders.items[0].due) == "2026-11-26 07:00"


def test_a_clock_set_back_tells_nothing_twice() -> None:
    wall = Wall("2026-11-20T12:00")
    reminders, once = add(Reminders(), wall, in_minutes=10)
    reminders, daily = add(reminders, wall, at="12:05", repeat="daily")
    wall.set("2026-11-20T12:10")
    for each in reminders.due(wall.now):
        reminders = reminders.with_told(each, wall.clock)
    wall.set("2026-11-20T11:00")
    assert reminders.next_due() is not None
    wall.set("2026-11-20T12:30")
    assert reminders.due(wall.now) == []
    assert wall.shows(reminders.of(daily.recipient)[0].due) == "2026-11-21 12:05"
    assert once.id not in [each.id for each in reminders.of(once.recipient)]


def test_they_outlive_being_written_down() -> None:
    wall = Wall("2026-11-20T12:00")
    reminders, _ = add(Reminders(), wall, at="07:00", repeat="mon,thu")
    reminders, _ = add(reminders, wall, in_minutes=5)
    assert Reminders.read(reminders.as_json()) == reminders
    assert Reminders.read(None) == Reminders()


def test_one_persons_reminders_are_not_anothers() -> None:
    wall = Wall("2026-11-20T12:00")
    reminders, hers = add(Reminders(), wall, in_minutes=5)
    reminders, everybodys = add(reminders, wall, in_minutes=6, who="crew")
    assert [each.id for each in reminders.of("user:ben")] == [everybodys.id]
    with pytest.raises(ToolError, match=everybodys.id):
        reminders.without(hers.id, "user:ben")
    rest, gone = reminders.without(hers.id, "user:anna")
    assert gone == hers
    assert [each.id for each in rest.of("user:anna")] == [everybodys.id]
    _, third = add(rest, wall, in_minutes=5)
    assert third.id not in (hers.id, everybodys.id)


def test_a_late_reminder_says_for_when_it_was() -> None:
    due, now = (datetime.fromisoformat(each) for each in ("2026-11-20T18:30", "2026-11-21T08:00"))
    assert "Friday at 18:30" in words.reminder("the roses", "en", due=due, now=now, late=True)
    assert "vendredi à 18 h 30" in words.reminder("les roses", "fr", due=due, now=now, late=True)
    on_time = words.reminder("the roses", "en", due=due, now=due, late=False)
    assert on_time == "A reminder, as you asked: the roses."


class Host:
    """Stands for H-Core: `ctx` whose state and memory outlive a crash, and which may crash."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.said: list[tuple[str, str, str | None]] = []
        self.fail: str | None = None
        """At which step to fail."""
        self.context = cast(
            "AgentContext",
            SimpleNamespace(
                state=self, bus=self, memory=self, logger=logging.getLogger("test.alfred")
            ),
        )

    async def get(self, key: str, default: Any = None) -> Any:
        await asyncio.sleep(0)
        return self.kept.get(key, default)

    async def set(self, key: str, value: Any) -> None:
        if self.fail == "set":
            raise asyncio.CancelledError
        await asyncio.sleep(0)
        self.kept[key] = value

    async def publish(self, recipient: str, **fields: Any) -> UUID:
        if self.fail == "before":
            raise asyncio.CancelledError
        if self.fail == "refuse":
            raise RemoteError("bus_unavailable", "Redis is away")
        self.said.append((recipient, fields["content"], fields["conversation_id"]))
        if self.fail == "after":
            raise asyncio.CancelledError
        return uuid4()

    async def recent(self, *, conversation_id: str, limit: int) -> list[Any]:
        return [each for each in self.said if each[2] == conversation_id]


@pytest.mark.parametrize("crash", ["before", "after", "set", "refuse"])
async def test_a_crash_at_any_moment_neither_loses_nor_doubles_a_reminder(
    crash: str, tmp_path: Path
) -> None:
    host, wall = Host(), Wall("2026-11-20T12:00")
    reminders, _ = add(Reminders(), wall, in_minutes=5)
    host.kept["reminders"] = reminders.as_json()
    wall.set("2026-11-20T12:05")

    def timekeeper() -> Timekeeper:
        shelf = Shelf(host.context, "reminders", folder=tmp_path)
        return Timekeeper(host.context, shelf, wall.clock)

    host.fail = crash
    before = timekeeper()
    with pytest.raises((asyncio.CancelledError, RemoteError)):
        await before.tell_due()
    host.fail = None
    # Only an H-Core that is away leaves the process alive.
    after = before if crash == "refuse" else timekeeper()
    assert await after.tell_due() > 1
    await after.tell_due()
    assert [(who, text) for who, text, _ in host.said] == [
        ("user:anna", "A reminder, as you asked: water the roses.")
    ]


async def test_two_hands_at_once_lose_nothing(tmp_path: Path) -> None:
    host = Host()
    old = Shelf(host.context, "lists", folder=tmp_path)
    new = Shelf(host.context, "lists", folder=tmp_path)

    async def put(shelf: Shelf, item: str) -> None:
        await shelf.change(lambda raw: ([*(raw or []), item], None))

    await asyncio.gather(*(put((old, new)[i % 2], str(i)) for i in range(20)))
    assert sorted(await old.get()) == sorted(map(str, range(20)))


def test_lists_hold_each_thing_once_and_say_what_is_on_them() -> None:
    shelves, new = lists.add({}, "Shopping list", ["Milk", " two   lemons. ", "milk"])
    assert (shelves, new) == ({"shopping": ["Milk", "two lemons"]}, ["Milk", "two lemons"])
    shelves, new = lists.add(shelves, "courses", ["MILK", "tea"])
    assert new == ["tea"]
    shelves, _ = lists.add(shelves, "Hardware", ["nails"])
    shelves, taken = lists.remove(shelves, "shopping", ["lemons", "milk"])
    assert (shelves["shopping"], taken) == (["tea"], ["two lemons", "Milk"])
    with pytest.raises(ToolError, match="on the list shopping: tea"):
        lists.remove(shelves, "", ["bread"])
    shelves, _ = lists.remove(shelves, "shopping", ["tea"])
    assert list(shelves) == ["hardware"]
    with pytest.raises(ToolError, match="hardware"):
        lists.clear(shelves, "shopping")
    assert lists.clear(shelves, "HARDWARE") == ({}, ["nails"])
    for wrong in ([], ["  "], ["x" * 200]):
        with pytest.raises(ToolError):
            lists.add({}, "shopping", wrong)


def test_of_two_alike_none_is_taken_off() -> None:
    shelves, _ = lists.add({}, "shopping", ["red wine", "white wine", "wine"])
    shelves, taken = lists.remove(shelves, "shopping", ["wine"])
    assert taken == ["wine"]
    with pytest.raises(ToolError, match="several"):
        lists.remove(shelves, "shopping", ["wine"])


def test_the_book_of_guests_remembers_what_they_must_not_eat() -> None:
    today = date(2026, 11, 21)
    book, _ = guests.learn({}, "Aunt  May", likes=["Earl Grey"], allergies=["nuts"])
    book, may = guests.learn(book, "aunt may", likes=["earl grey", "scones"])
    assert may.likes == ("Earl Grey", "scones")
    book, _ = guests.expect(book, "Aunt May", "2026-11-28T17:00", today)
    book, _ = guests.expect(book, "Ben", "2026-11-22", today)
    book, _ = guests.expect(book, "Zoe", "2027-01-01", today)
    again = guests.read(guests.as_json(book))
    assert again == book
    coming = guests.expected(again, today)
    assert [each.name for each in coming] == ["Ben", "Aunt May"]
    assert "nuts" in coming[1].sentence()
    assert "17:00" in coming[1].sentence()
    assert guests.expected(again, date(2026, 12, 1)) == []
    for wrong in ("next friday", "2026-11-20", "2026-11-28T17:00+01:00"):
        with pytest.raises(ToolError):
            guests.expect(book, "Ben", wrong, today)
    with pytest.raises(ToolError, match="Aunt May"):
        guests.find(book, "Nobody")
    assert "Aunt May" not in [
        each.name for each in guests.without(book, guests.find(book, "AUNT MAY")).values()
    ]
