"""Under which names and keys the one who is forgotten is known: worked out once, and kept.

What is erased tells of them too. Worked out again halfway, a forgetting would mean less than it did
when it began.
"""

import re
from collections.abc import Collection, Iterable
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from hairem_core.memory.database import Database
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.interpret.entities import entity_key
from hairem_core.memory.interpret.text import folded
from hairem_core.memory.paging import numbered

type Speaker = tuple[str | None, str | None]
"""Address and name of somebody who spoke."""

_ANYBODY = "user:house"
"""Address of whoever speaks without having said who they are: many share it."""
_KEY = re.compile(r"(?:name|thing|user|agent|home|area|core):.+")


class Names(BaseModel):
    """What a selector's names stand for. Sets are empty where it does not give that kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agents: frozenset[UUID] = frozenset()
    subject: frozenset[str] = frozenset()
    """Words that name the subject, folded."""
    subject_keys: frozenset[str] = frozenset()
    """Of entities."""
    person: frozenset[str] = frozenset()
    """Words that name the person, folded."""
    person_keys: frozenset[str] = frozenset()
    """Of entities that are the person."""
    addresses: frozenset[str] = frozenset()
    """From which the person spoke."""
    called: frozenset[str] = frozenset()
    """Names, folded, under which the person spoke, from whatever address."""


def resolved(
    selector: Selector,
    *,
    agents: Iterable[UUID] = (),
    speakers: Collection[Speaker] = (),
    entities: Collection[tuple[str, str]] = (),
) -> Names:
    """Return what a selector's names stand for.

    `agents`: the UUIDs of the selector's agent. `speakers`: all who ever spoke. `entities`: keys
    and names of those that are known.
    """
    names = Names(agents=frozenset(agents))
    if selector.subject is not None:
        names = names.model_copy(update=_of_subject(selector.subject, entities))
    if selector.person is not None:
        names = names.model_copy(update=_of_person(selector.person, speakers))
    return names


async def speakers_of(database: Database, number: int) -> set[Speaker]:
    """Return who said any of the events up to `number` that are not empty.

    Whose words have all faded spoke as well. Raises MemoryUnavailable.
    """
    speakers: set[Speaker] = set()
    who = "VALUE [sender, speaker_name]"
    numbers = range(1, number + 1)
    async for rows in numbered(database, "raw_event", "number", numbers, select=who):
        speakers.update((address, name) for address, name in rows if address is not None)
    return speakers


def _of_subject(subject: str, entities: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    if not _KEY.fullmatch(subject):
        name = folded(subject)
        keys = {entity_key(subject, "person"), entity_key(subject, "thing"), subject}
        keys |= {key for key, known in entities if folded(known) == name}
        return {"subject": frozenset({name}), "subject_keys": frozenset(keys)}
    kind, _, name = subject.partition(":")
    if kind in ("name", "thing"):
        words = {folded(name)}
    else:
        # `user:anna/sister`: the word itself is anybody's, but she may have a name.
        relation = folded(subject.rpartition("/")[2])
        words = {folded(known) for key, known in entities if key == subject}
        words -= {relation, folded(name)}
    return {"subject": frozenset(words), "subject_keys": frozenset({subject})}


def _of_person(person: str, speakers: Iterable[Speaker]) -> dict[str, frozenset[str]]:
    called: set[str] = set()
    if person.startswith("user:"):
        addresses = {person}
        known = {folded(name) for who, name in speakers if who == person and name}
        words = set[str]() if person == _ANYBODY else known
    else:
        name = folded(person)
        called = words = {name}
        addresses = {who for who, known in speakers if who and known and folded(known) == name}
        addresses -= {_ANYBODY}
        addresses |= {who for who, _ in speakers if who and folded(who) == f"user:{name}"}
    keys = addresses | {entity_key(each, "person") for each in words}
    if person != _ANYBODY:
        words = words | {folded(each) for each in addresses}
    return {
        "person": frozenset(words),
        "person_keys": frozenset(keys),
        "addresses": frozenset(addresses),
        "called": frozenset(called),
    }
