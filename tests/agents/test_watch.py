"""Electra's rules: what is worth a sentence, and that it is said once."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from agents.electra.drivers.states import State, StateChanged
from agents.electra.rules import Settings
from agents.electra.watch import Occurrence, Watch
from hairem_core.config.yaml_file import read_yaml
from hairem_core.hotplug.bundle import read_bundle
from tests.support.child import ROOT

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
HOME = {"name": "came_home", "domain": "person", "to": "home", "cooldown": 30, "each": True}
DOOR = {"name": "left_open", "device_class": "door", "to": True, "for": 10, "cooldown": 60}
LIGHT = {"name": "light", "domain": "light", "to": "on", "for": 20, "while": "nobody_home"}
POWER = {"name": "power", "device_class": "power", "above": 3000}
MOTION = {"name": "motion", "device_class": "motion", "to": "on", "while": "nobody_home"}
_KINDS = {"binary_sensor.door": "door", "binary_sensor.hall": "motion", "sensor.oven": "power"}


class House:
    """States, a clock, and a watch that is told of both."""

    def __init__(self, *rules: dict[str, Any], **settings: Any) -> None:
        self.settings = Settings.model_validate(
            {"watch": [{"say": {"en": "{name}"}, **rule} for rule in rules], **settings}
        )
        self.now = NOON
        self.states: dict[str, State] = {}
        self.watch = Watch(self.settings)

    def is_(self, entity_id: str, state: str, **attributes: Any) -> None:
        if kind := _KINDS.get(entity_id):
            attributes["device_class"] = kind
        self.states[entity_id] = State(
            entity_id=entity_id,
            state=state,
            attributes=attributes,
            changed_at=self.now,
            updated_at=self.now,
        )

    def look(self) -> None:
        self.watch.look(self.states, self.now)

    def becomes(self, entity_id: str, state: str, **attributes: Any) -> None:
        old = self.states.get(entity_id)
        self.is_(entity_id, state, **attributes)
        change = StateChanged(entity_id=entity_id, old=old, new=self.states[entity_id])
        self.watch.take(change, self.states, self.now)

    def after(self, minutes: float) -> None:
        self.now += minutes * 60

    def speaks(self) -> Occurrence | None:
        found = self.watch.due(self.states, self.now, UTC)
        if found is not None:
            self.watch.said(found, self.now)
        return found

    def restart(self, minutes: float = 0) -> None:
        """Begin anew with what was remembered."""
        self.after(minutes)
        self.watch = Watch(self.settings, self.watch.memory())
        self.look()


def test_what_was_so_before_she_looked_is_not_news() -> None:
    house = House(HOME, DOOR)
    house.is_("person.anna", "home")
    house.is_("binary_sensor.door", "on")
    house.look()
    house.after(120)
    assert house.speaks() is None


def test_who_comes_home_is_noticed_once() -> None:
    house = House(HOME)
    house.is_("person.anna", "not_home")
    house.look()
    house.becomes("person.anna", "home", friendly_name="Anna")
    found = house.speaks()
    assert found is not None
    assert found.rule.fact("fr", found.state, found.minutes) == "Anna"
    assert found.cause()["entity_id"] == "person.anna"
    assert house.speaks() is None
    # A tracker that flickers says nothing new, before the cooldown is over.
    for minutes in (1, 10):
        house.after(minutes)
        house.becomes("person.anna", "not_home")
        house.becomes("person.anna", "home")
        assert house.speaks() is None
    house.after(40)
    house.becomes("person.anna", "not_home")
    house.becomes("person.anna", "home")
    assert house.speaks() is not None


def test_the_cooldown_of_one_person_is_not_anothers() -> None:
    house = House(HOME)
    house.is_("person.anna", "not_home")
    house.is_("person.ben", "not_home")
    house.look()
    house.becomes("person.anna", "home")
    assert house.speaks()
    house.becomes("person.ben", "home")
    found = house.speaks()
    assert found
    assert found.state.entity_id == "person.ben"


@pytest.mark.parametrize("lost", ["unavailable", "unknown"])
def test_a_device_that_is_lost_for_a_moment_changes_nothing(lost: str) -> None:
    house = House(HOME, DOOR)
    house.is_("person.anna", "home")
    house.is_("binary_sensor.door", "off")
    house.look()
    house.becomes("person.anna", lost)
    house.becomes("person.anna", "home")
    assert house.speaks() is None
    house.becomes("binary_sensor.door", "on")
    house.after(6)
    house.becomes("binary_sensor.door", lost)
    house.becomes("binary_sensor.door", "on")
    house.after(5)
    found = house.speaks()
    assert found
    assert found.minutes == pytest.approx(11)


def test_a_door_left_open_is_told_when_its_time_is_over_and_not_when_it_was_shut() -> None:
    house = House(DOOR)
    house.is_("binary_sensor.door", "off")
    house.look()
    house.becomes("binary_sensor.door", "on")
    assert house.watch.next_due(house.states) == house.now + 600
    house.after(9)
    assert house.speaks() is None
    house.becomes("binary_sensor.door", "off")
    house.after(5)
    assert house.speaks() is None
    house.becomes("binary_sensor.door", "on")
    house.after(10)
    assert house.speaks()
    house.after(600)
    assert house.speaks() is None, "once for each time it is left open"


def test_a_light_is_left_on_only_since_everybody_left() -> None:
    house = House(LIGHT)
    house.is_("person.anna", "home")
    house.is_("light.hall", "off")
    house.look()
    house.becomes("light.hall", "on")
    house.after(90)
    assert house.speaks() is None
    house.becomes("person.anna", "not_home")
    house.after(19)
    assert house.speaks() is None
    house.after(1)
    assert house.speaks()


def test_nobody_is_said_to_be_away_who_may_be_home() -> None:
    house = House(LIGHT)
    house.is_("light.hall", "off")
    house.look()
    house.becomes("light.hall", "on")
    house.after(60)
    assert house.speaks() is None, "there is nobody who could be away"
    house.becomes("person.anna", "not_home")
    house.becomes("person.ben", "unknown")
    house.after(60)
    assert house.speaks() is None


def test_a_motion_that_was_anybodys_is_not_told_once_they_left() -> None:
    house = House(MOTION)
    house.is_("person.anna", "home")
    house.is_("binary_sensor.hall", "off")
    house.look()
    house.becomes("binary_sensor.hall", "on")
    house.becomes("person.anna", "not_home")
    assert house.speaks() is None
    house.becomes("binary_sensor.hall", "off")
    house.becomes("binary_sensor.hall", "on")
    assert house.speaks()


@pytest.mark.parametrize(("value", "unit", "told"), [("3.5", "kW", True), ("2900", "W", False)])
def test_powers_are_compared_in_watts(value: str, unit: str, told: bool) -> None:
    house = House(POWER)
    house.is_("sensor.oven", "0", unit_of_measurement=unit)
    house.look()
    house.becomes("sensor.oven", value, unit_of_measurement=unit)
    assert (house.speaks() is not None) is told


def test_a_restart_neither_repeats_nor_forgets() -> None:
    house = House(HOME, DOOR)
    house.is_("person.anna", "not_home")
    house.is_("binary_sensor.door", "off")
    house.look()
    house.becomes("person.anna", "home")
    house.becomes("binary_sensor.door", "on")
    assert house.speaks()
    house.after(6)
    house.restart()
    assert house.speaks() is None
    # Home Assistant restarted too, and counts the state's age from then on.
    house.is_("binary_sensor.door", "on")
    house.restart(4)
    found = house.speaks()
    assert found
    assert found.minutes == pytest.approx(10)
    house.restart(600)
    assert house.speaks() is None


def test_what_happened_while_she_was_away_is_news_for_a_few_minutes() -> None:
    for minutes, told in ((2.0, True), (20.0, False)):
        house = House(HOME)
        house.is_("person.anna", "not_home")
        house.look()
        house.is_("person.anna", "home")
        house.restart(minutes)
        assert (house.speaks() is not None) is told


def test_at_night_what_happens_is_not_told_and_what_lasts_is_told_in_the_morning() -> None:
    house = House(HOME, DOOR, quiet_hours="22:30-07:00")
    house.now = datetime(2026, 11, 21, 23, 0, tzinfo=UTC).timestamp()
    house.is_("person.anna", "not_home")
    house.is_("binary_sensor.door", "off")
    house.look()
    house.becomes("person.anna", "home")
    house.becomes("binary_sensor.door", "on")
    assert house.speaks() is None
    house.after(7 * 60)
    assert house.speaks() is None
    house.after(60)
    found = house.speaks()
    assert found
    assert found.rule.name == "left_open"
    assert house.speaks() is None


def test_water_is_told_at_night_too() -> None:
    house = House({**MOTION, "while": None, "at_night": True}, quiet_hours="00:00-23:59")
    house.is_("binary_sensor.hall", "off")
    house.look()
    house.becomes("binary_sensor.hall", "on")
    assert house.speaks()


def test_she_does_not_talk_all_day() -> None:
    house = House({**HOME, "cooldown": 0}, at_most_per_hour=2)
    people = [f"person.guest{number}" for number in range(5)]
    for person in people:
        house.is_(person, "not_home")
    house.look()
    for person in people:
        house.becomes(person, "home")
    assert [house.speaks() is not None for _ in people] == [True, True, False, False, False]


def test_a_clock_set_back_silences_nothing_for_ever() -> None:
    house = House(HOME)
    house.is_("person.anna", "not_home")
    house.look()
    house.after(60 * 24 * 365)
    house.becomes("person.anna", "home")
    assert house.speaks()
    house.after(-60 * 24 * 365)
    house.becomes("person.anna", "not_home")
    house.becomes("person.anna", "home")
    assert house.speaks()


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"to": "on"}, "which entities"),
        ({"domain": "light"}, "which state"),
        ({"domain": "light", "to": "on", "say": {"en": "{colour}"}}, "colour"),
        ({"domain": "light", "to": "on", "say": {}}, "say"),
        ({"entity": "kitchen", "to": "on"}, "kitchen"),
        ({"domain": "light", "to": "on", "while": "raining"}, "nobody_home"),
        ({"domain": "light", "to": "on", "wait": 3}, "wait"),
        ({"name": "Not A Name", "domain": "light", "to": "on"}, "name"),
    ],
)
def test_a_wrong_rule_is_named(rule: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        House({"name": "rule", **rule})


def test_wrong_settings_are_named() -> None:
    for settings, complaint in (
        ({"quiet_hours": "at night"}, "22:30-07:00"),
        ({"audience": "agent:renarde"}, "audience"),
        ({"quiet_hours": "25:00-07:00"}, "quiet_hours"),
    ):
        with pytest.raises(ValidationError, match=complaint):
            House(**settings)
    with pytest.raises(ValidationError, match="two rules"):
        House(HOME, HOME)


def test_the_rules_that_ship_can_be_used() -> None:
    bundle = read_bundle(ROOT / "agents" / "electra")
    settings = Settings.model_validate(bundle.settings)
    assert len(settings.watch) >= 5
    assert settings.quiet_hours is not None
    state = State(entity_id="light.hall", state="on")
    for rule in settings.watch:
        assert rule.say.keys() == {"en", "fr"}
        assert "{" not in rule.fact("fr", state, 12.4)
    listed = read_yaml(ROOT / "agents" / "electra" / "manifest.yaml")["config"]["watch"]
    assert [rule["name"] for rule in listed] == [rule.name for rule in settings.watch]
