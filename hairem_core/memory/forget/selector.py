"""What is to be forgotten, and whether an event, a fragment or a text is meant."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator

from hairem_core.memory.fragment import Fragment
from hairem_core.memory.interpret.entities import entity_key
from hairem_core.memory.interpret.text import folded

_ANYBODY = "user:house"
"""Address of whoever speaks without having said who they are: many share it."""
_KEY = re.compile(r"(?:name|thing|user|agent|home|area|core):.+")
_TEXTS = ("sender", "speaker_name", "recipient", "conversation_id", "content", "pose_hint")


class Selector(BaseModel):
    """What is to be forgotten: everything for which all holds that is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str | None = None
    """Key of an entity, or a name: what is said of it, and whatever names it."""
    person: str | None = None
    """Address (`user:<id>`) or name: what they said, the answers, and what is known of them."""
    agent: str | None = None
    """Id of an agent: all that it holds, and events that concern no other agent."""
    fragment: UUID | None = None
    """One fragment, and the words it came from where nothing else rests on them."""
    since: AwareDatetime | None = None
    """From then on."""
    until: AwareDatetime | None = None
    """Before then."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if all(value is None for _, value in self):
            raise ValueError("nothing is selected: name a subject, person, agent, fragment or time")
        for name in (self.subject, self.person):
            if name is not None and not re.search(r"\w", name):
                raise ValueError(f"{name!r} is no name: it has neither letters nor digits")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError(f"`since` must lie before `until` ({self.until:%Y-%m-%d %H:%M})")
        return self

    @property
    def kinds(self) -> list[str]:
        """By what is selected, without a word of what."""
        return [name for name, value in self if value is not None]

    @property
    def has_period(self) -> bool:
        """Whether a time is given."""
        return self.since is not None or self.until is not None


class Matcher:
    """Tells what a selector means, once names are resolved."""

    def __init__(
        self,
        selector: Selector,
        *,
        agents: Collection[UUID] | None,
        speakers: Iterable[tuple[str | None, str | None]],
        entities: Iterable[tuple[str, str]],
    ) -> None:
        """`agents`: the UUIDs of the selector's agent. `speakers`: addresses and names of those who
        spoke. `entities`: keys and names of those that are known.
        """
        self.selector = selector
        self._agents = agents
        self._keys: set[str] = set()
        self._of_subject: set[str] = set()
        self._of_person: set[str] = set()
        self._owners: tuple[str, ...] = ()
        self._addresses: set[str] = set()
        self._names: set[str] = set()
        entities = list(entities)
        if selector.subject is not None:
            self._resolve_subject(selector.subject, entities)
        if selector.person is not None:
            self._resolve_person(selector.person, speakers)
        self._subject_words = _pattern(self._of_subject)
        self._person_words = _pattern(self._of_person)

    def event(self, row: Mapping[str, Any]) -> bool:
        """Return whether an event is meant by itself, given its row."""
        selector = self.selector
        if selector.fragment is not None or not self.admits_event(row):
            return False
        if selector.person is not None and not self._is_theirs(row):
            return False
        return selector.subject is None or self._names_subject(_texts_of(row))

    def admits_event(self, row: Mapping[str, Any]) -> bool:
        """Return whether an event may go where it is connected with what is meant."""
        if self.selector.agent is not None and list(row["agents"]) != [self.selector.agent]:
            return False
        return self._is_in_period(row["at"])

    def admits_answer(self, row: Mapping[str, Any]) -> bool:
        """Return whether the answer to what is meant goes too; at whatever time it came."""
        if self.selector.fragment is not None:
            return False
        return self.selector.agent is None or list(row["agents"]) == [self.selector.agent]

    def fragment(self, fragment: Fragment) -> bool:
        """Return whether a fragment is meant by itself."""
        selector = self.selector
        if selector.fragment is not None and fragment.id != selector.fragment:
            return False
        if self._agents is not None and fragment.agent not in self._agents:
            return False
        if not self._is_in_period(fragment.at):
            return False
        keys = {*fragment.about, *([fragment.subject] if fragment.subject else [])}
        if selector.person is not None and not (
            self._is_speaker(fragment.speaker, fragment.speaker_name)
            or any(self._is_persons(each) for each in keys)
        ):
            return False
        if selector.subject is None:
            return True
        texts = (fragment.content, fragment.speaker_name, fragment.speaker, fragment.slot, *keys)
        return bool(self._keys & keys) or self._names_subject(texts)

    def entity(self, agent: UUID, key: str, name: str) -> bool:
        """Return whether an entity is meant by itself: whatever else is known of it."""
        selector = self.selector
        if selector.fragment is not None or selector.has_period:
            return False
        if self._agents is not None and agent not in self._agents:
            return False
        if selector.person is not None and not self._is_persons(key):
            return False
        if selector.subject is None:
            return True
        return key in self._keys or self._names_subject((key, name))

    def state(self, agent_id: str, text: str) -> bool:
        """Return whether what an agent keeps for itself is meant, given its key and JSON text.

        It has no date, so with a period nothing of it is.
        """
        selector = self.selector
        if selector.fragment is not None or selector.has_period:
            return False
        if selector.agent is not None and agent_id != selector.agent:
            return False
        if selector.person is not None and not self._names_person([text]):
            return False
        return selector.subject is None or self._names_subject([text])

    def words(self, text: str) -> bool:
        """Return whether a text, of which nothing else is known, names who or what is meant."""
        asked = [
            named([text])
            for wanted, named in (
                (self.selector.subject, self._names_subject),
                (self.selector.person, self._names_person),
            )
            if wanted is not None
        ]
        return bool(asked) and all(asked)

    def _resolve_subject(self, subject: str, entities: Iterable[tuple[str, str]]) -> None:
        if not _KEY.fullmatch(subject):
            name = folded(subject)
            self._keys = {entity_key(subject, "person"), entity_key(subject, "thing"), subject}
            self._keys |= {key for key, known in entities if folded(known) == name}
            self._of_subject = {name}
            return
        self._keys = {subject}
        kind, _, name = subject.partition(":")
        if kind in ("name", "thing"):
            self._of_subject = {folded(name)}
            return
        # `user:anna/sister`: the word itself is anybody's, but she may have a name.
        relation = folded(subject.rpartition("/")[2])
        names = {folded(known) for key, known in entities if key == subject}
        self._of_subject = names - {relation, folded(name)}

    def _resolve_person(
        self, person: str, speakers: Iterable[tuple[str | None, str | None]]
    ) -> None:
        if person.startswith("user:"):
            self._addresses = {person}
            known = {folded(name) for who, name in speakers if who == person and name}
            self._of_person = set() if person == _ANYBODY else known
        else:
            name = folded(person)
            self._names = self._of_person = {name}
            called = {who for who, known in speakers if who and known and folded(known) == name}
            self._addresses = called - {_ANYBODY}
            self._addresses |= {who for who, _ in speakers if who and folded(who) == f"user:{name}"}
        self._owners = tuple(f"{each}/" for each in self._addresses)
        keys = {entity_key(each, "person") for each in self._of_person}
        self._persons_keys = self._addresses | keys
        if person != _ANYBODY:
            self._of_person = self._of_person | {folded(each) for each in self._addresses}

    def _is_theirs(self, row: Mapping[str, Any]) -> bool:
        told = row.get("recipient")
        return self._is_speaker(row.get("sender"), row.get("speaker_name")) or (
            told in self._addresses
        )

    def _is_speaker(self, address: str | None, name: str | None) -> bool:
        if address in self._addresses:
            return True
        return bool(self._names and name and folded(name) in self._names)

    def _is_persons(self, key: str) -> bool:
        return key in self._persons_keys or bool(self._owners and key.startswith(self._owners))

    def _is_in_period(self, at: Any) -> bool:
        since, until = self.selector.since, self.selector.until
        return (since is None or at >= since) and (until is None or at < until)

    def _names_subject(self, texts: Iterable[str | None]) -> bool:
        return _found(self._subject_words, texts)

    def _names_person(self, texts: Iterable[str | None]) -> bool:
        return _found(self._person_words, texts)


def strings_of(text: str) -> str:
    """Return the strings in a JSON text, keys too, one to a line; what is not JSON as it is."""
    try:
        return "\n".join(_strings(json.loads(text)))
    except ValueError, RecursionError:
        return text


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, each in value.items():
                yield key
                yield from _strings(each)
        case list():
            for each in value:
                yield from _strings(each)


def _texts_of(row: Mapping[str, Any]) -> Iterator[str | None]:
    for name in _TEXTS:
        yield row.get(name)
    if data := row.get("data"):
        yield strings_of(data)


def _pattern(names: set[str]) -> Callable[[str], object] | None:
    """Return a search for any of the names as a whole word."""
    written = [r"\s+".join(map(re.escape, each.split())) for each in sorted(names) if each.strip()]
    return re.compile(rf"(?<!\w)(?:{'|'.join(written)})(?!\w)").search if written else None


def _found(search: Callable[[str], object] | None, texts: Iterable[str | None]) -> bool:
    return search is not None and any(search(folded(each)) for each in texts if each)
