"""When Dream is due: once a night, whatever the clocks do."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from hairem_core.config.system import DreamConfig
from hairem_core.memory.dream.schedule import POLL, Nights, Watch

PARIS = ZoneInfo("Europe/Paris")
IDLE = timedelta(minutes=10)
LATEST = timedelta(hours=3)


class House:
    """A house whose clock is turned by the watch's own waiting; a dream takes five minutes."""

    def __init__(self, at: datetime, *, hour: str = "03:30", zone: ZoneInfo | None = PARIS) -> None:
        self.now = at
        self.nights = Nights(time.fromisoformat(hour), zone)
        self.zone = zone
        self.covered: datetime | None = at
        self.is_unfinished = False
        self.dreams: list[tuple[datetime, str]] = []
        self.boot()

    def boot(self) -> None:
        self.watch = Watch(self.nights, idle=IDLE, latest=LATEST, now=self.now)

    def live(self, how_long: timedelta, *, talk_every: timedelta | None = None) -> None:
        until = self.now + how_long
        last_talk = self.now
        while self.now < until:
            if talk_every is not None and self.now - last_talk >= talk_every:
                last_talk = self.now
                self.watch.spoken(self.now)
            kind, seconds = self.watch.decide(
                self.now, covered=self.covered, is_unfinished=self.is_unfinished
            )
            if kind is not None:
                self.dreams.append((self.now, kind))
                self.covered = self.now
                self.is_unfinished = False
                self.now += timedelta(minutes=5)
                continue
            assert 0 < seconds <= POLL
            self.now += timedelta(seconds=max(1.0, seconds))

    def local(self) -> list[str]:
        return [f"{each.astimezone(self.zone):%m-%d %H:%M}" for each, _ in self.dreams]


def _paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)


def test_once_a_night_at_the_local_hour() -> None:
    house = House(_paris("2026-06-01 12:00"))
    house.live(timedelta(days=4))
    assert house.local() == ["06-02 03:30", "06-03 03:30", "06-04 03:30", "06-05 03:30"]
    assert {kind for _, kind in house.dreams} == {"night"}


@pytest.mark.parametrize("hour", ["01:59", "02:00", "02:30", "02:59", "03:00", "03:30"])
@pytest.mark.parametrize("start", ["2026-03-26 12:00", "2026-10-22 12:00"])
def test_exactly_once_a_night_when_the_clocks_change(hour: str, start: str) -> None:
    house = House(_paris(start), hour=hour)
    house.live(timedelta(days=6))
    days = [each.astimezone(PARIS).date() for each, _ in house.dreams]
    first = date.fromisoformat(start[:10])
    assert days == [first + timedelta(days=number) for number in range(1, 7)]
    hours = timedelta(hours=1)
    gaps = [later[0] - one[0] for one, later in zip(house.dreams, house.dreams[1:], strict=False)]
    assert all(23 * hours <= gap <= 25 * hours for gap in gaps)


def test_an_hour_that_is_not_there_comes_right_after_the_gap() -> None:
    nights = Nights(time(2, 30), PARIS)
    due = nights.next(_paris("2026-03-28 12:00"))
    assert due == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert f"{due.astimezone(PARIS):%H:%M}" == "03:30"


def test_an_hour_that_is_there_twice_counts_once() -> None:
    nights = Nights(time(2, 30), PARIS)
    first = nights.next(_paris("2026-10-24 12:00"))
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert nights.next(first) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    assert nights.last(first + timedelta(hours=1)) == first


def test_a_date_that_is_not_there_is_no_second_night() -> None:
    # Samoa went from 29 to 31 December 2011.
    apia = ZoneInfo("Pacific/Apia")
    house = House(datetime(2011, 12, 29, 22, tzinfo=UTC), zone=apia)
    house.live(timedelta(days=3))
    assert house.local() == ["12-31 03:30", "01-01 03:30", "01-02 03:30"]


def test_the_nights_of_the_system_s_zone() -> None:
    nights = Nights(time(3, 30), None)
    due = nights.next(datetime(2026, 6, 1, 12, tzinfo=UTC))
    assert due.astimezone().time() == time(3, 30)


def test_it_waits_until_the_house_is_quiet_but_not_for_ever() -> None:
    house = House(_paris("2026-06-01 12:00"))
    house.live(timedelta(hours=17), talk_every=timedelta(minutes=4))
    assert house.dreams == []
    house.live(timedelta(hours=4), talk_every=timedelta(minutes=4))
    assert [kind for _, kind in house.dreams] == ["night"]
    assert timedelta() <= house.dreams[0][0] - _paris("2026-06-02 06:30") < timedelta(minutes=2)


def test_it_begins_when_nobody_has_spoken_for_a_while() -> None:
    house = House(_paris("2026-06-02 03:00"))
    house.live(timedelta(minutes=28))
    house.watch.spoken(_paris("2026-06-02 03:28"))
    house.live(timedelta(hours=1))
    assert house.local() == ["06-02 03:38"]


def test_a_night_on_which_it_was_off_is_made_up_when_it_is_quiet() -> None:
    house = House(_paris("2026-06-01 12:00"))
    house.now = _paris("2026-06-02 09:00")
    house.boot()
    house.live(timedelta(hours=3), talk_every=timedelta(minutes=5))
    assert house.dreams == []  # however late it is, it does not disturb
    house.live(timedelta(hours=20))
    assert house.local() == ["06-02 12:05", "06-03 03:30"]
    assert [kind for _, kind in house.dreams] == ["idle", "night"]


def test_several_nights_that_were_missed_are_made_up_once() -> None:
    house = House(_paris("2026-06-01 12:00"))
    house.now = _paris("2026-06-20 09:00")
    house.boot()
    house.live(timedelta(hours=12))
    assert len(house.dreams) == 1


def test_a_machine_that_slept_through_its_hour_makes_it_up() -> None:
    house = House(_paris("2026-06-01 12:00"))
    house.live(timedelta(hours=10))
    house.now = _paris("2026-06-02 09:00")
    house.watch.spoken(house.now)
    house.live(timedelta(hours=1))
    assert [kind for _, kind in house.dreams] == ["idle"]
    assert house.local() == ["06-02 09:10"]


def test_a_dream_that_was_broken_off_goes_on_at_the_next_quiet_moment() -> None:
    house = House(_paris("2026-06-02 03:31"))
    house.is_unfinished = True
    house.live(timedelta(hours=2))
    assert house.local() == ["06-02 03:41"]
    assert house.dreams[0][1] == "idle"


def test_a_dream_that_somebody_asked_for_after_its_hour_is_that_night_s() -> None:
    house = House(_paris("2026-06-02 03:00"))
    house.covered = _paris("2026-06-02 03:30")
    house.now = _paris("2026-06-02 03:31")
    house.live(timedelta(hours=12))
    assert house.dreams == []


def test_with_nothing_to_dream_of_nothing_is_dreamt() -> None:
    house = House(_paris("2026-06-01 12:00"))
    house.covered = None
    house.live(timedelta(days=2))
    assert house.dreams == []


def test_a_clock_that_is_put_back_makes_no_second_dream() -> None:
    house = House(_paris("2026-06-02 03:00"))
    house.live(timedelta(hours=1))
    assert len(house.dreams) == 1
    house.now -= timedelta(minutes=50)
    house.live(timedelta(hours=6))
    assert len(house.dreams) == 1


def test_a_dream_of_the_future_keeps_none_from_being_dreamt() -> None:
    house = House(_paris("2038-01-19 03:00"))
    house.live(timedelta(hours=1))
    house.now = _paris("2026-06-01 12:00")  # the clock was wrong, and is right again
    house.live(timedelta(days=2))
    assert [each[:5] for each in house.local()] == ["01-19", "06-01", "06-02", "06-03"]


def test_after_a_failure_it_is_tried_again_after_a_pause() -> None:
    house = House(_paris("2026-06-02 03:00"))
    house.watch.failed(_paris("2026-06-02 03:30"), timedelta(minutes=30))
    house.live(timedelta(hours=2))
    assert house.local() == ["06-02 04:00"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": "24:00"},
        {"at": "3:30"},
        {"at": "night"},
        {"time_zone": "Europe/Nowhere"},
        {"time_zone": "../../etc/passwd"},
        {"time_zone": ""},
        {"idle_minutes": -1},
        {"archive_below": 0.9},
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DreamConfig.model_validate(wrong)
