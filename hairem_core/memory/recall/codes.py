"""Dictionary encoding: by which numbers an agent's columns name speakers, people and slots."""

from typing import Any

import numpy as np

from hairem_core.memory.fragment import Fragment
from hairem_core.memory.recall.telling import Telling
from hairem_core.memory.recall.whom import related

NOBODY = -1
"""Stands for a number, or a row, where there is none."""
_ANYBODY = "user:house"
"""Who speaks where the client knows no person: no name, and a word of many questions."""


class Codes:
    """What one agent's columns name by a number: its index in one of the lists here.

    Numbers never change: what is new comes last, and nothing goes.
    """

    def __init__(self) -> None:
        self.speakers: list[tuple[str, str]] = []
        """Address and name of everyone who said something."""
        self._of_speakers: dict[tuple[str, str], int] = {}
        self.people: list[str] = []
        """Keys of people of whom facts tell."""
        self.of_people: dict[str, int] = {}
        self._families: dict[str, list[int]] = {}
        self.slots: list[str] = []
        """What facts tell, such as `lives_in`."""
        self._of_slots: dict[str, int] = {}

    def speaker(self, fragment: Fragment) -> int:
        """Return the number of whoever said it, or NOBODY; a new one is taken in."""
        if fragment.speaker is None:
            return NOBODY
        name = fragment.speaker_name
        if name is None and fragment.speaker != _ANYBODY:
            name = fragment.speaker.partition(":")[2]
        who = (fragment.speaker, name or "")
        if who not in self._of_speakers:
            self._of_speakers[who] = len(self.speakers)
            self.speakers.append(who)
        return self._of_speakers[who]

    def whom(self, fragment: Fragment, told: Telling) -> int:
        """Return the number of the person of whom it tells, or NOBODY; a new one is taken in."""
        subject = fragment.subject if fragment.kind == "fact" else None
        if told is not None:
            subject = told[0]
        owner, _, relation = (subject or "").partition("/")
        if not owner.startswith(("user:", "name:")):
            return NOBODY
        return self._add_person(related(owner, relation) if relation else owner)

    def kin(self, kinship: tuple[str, str, str] | None) -> tuple[int, int]:
        """Return the numbers of a relative and of their name, or NOBODY; new ones are taken in."""
        if kinship is None:
            return NOBODY, NOBODY
        owner, relation, name = kinship
        return self._add_person(related(owner, relation)), self._add_person(name)

    def slot(self, told: Telling) -> int:
        """Return the number of what it tells of its subject, or NOBODY; a new one is taken in."""
        if told is None:
            return NOBODY
        # Of which one may have several, the slot names its value.
        slot = told[1].partition(":")[0]
        if slot not in self._of_slots:
            self._of_slots[slot] = len(self.slots)
            self.slots.append(slot)
        return self._of_slots[slot]

    def person(self, key: str) -> int:
        """Return the number of a person, or NOBODY."""
        return self.of_people.get(key, NOBODY)

    def family(self, key: str) -> list[int]:
        """Return the numbers of a person, and of relatives known by whose they are."""
        return self._families.get(key, [])

    def dump(self) -> dict[str, Any]:
        """Return the lists as arrays."""
        return {
            "speakers": np.asarray(self.speakers, dtype=np.str_).reshape(-1, 2),
            "people": np.asarray(self.people, dtype=np.str_),
            "slots": np.asarray(self.slots, dtype=np.str_),
        }

    @classmethod
    def load(cls, arrays: dict[str, Any]) -> Codes:
        """Return codes made of what `dump` returned. Raises KeyError."""
        self = cls()
        self.speakers = [(address, name) for address, name in arrays["speakers"].tolist()]
        self._of_speakers = {who: code for code, who in enumerate(self.speakers)}
        self.people = arrays["people"].tolist()
        for code, key in enumerate(self.people):
            self._know(key, code)
        self.slots = arrays["slots"].tolist()
        self._of_slots = {slot: code for code, slot in enumerate(self.slots)}
        return self

    def _add_person(self, key: str) -> int:
        if key not in self.of_people:
            self._know(key, len(self.people))
            self.people.append(key)
        return self.of_people[key]

    def _know(self, key: str, code: int) -> None:
        self.of_people[key] = code
        self._families.setdefault(key.partition("/")[0], []).append(code)
