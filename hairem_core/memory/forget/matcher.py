"""Whether an event, a fragment or a text is meant by what is to be forgotten."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from hairem_core.memory.forget.names import Names
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.interpret.text import folded

_TEXTS = ("sender", "speaker_name", "recipient", "conversation_id", "content", "pose_hint")


class Matcher:
    """Tells what a selector means, given what its names stand for."""

    def __init__(self, selector: Selector, names: Names) -> None:
        self.selector = selector
        self._names = names
        self._owners = tuple(f"{each}/" for each in names.addresses)
        self._subject_words = _pattern(names.subject)
        self._person_words = _pattern(names.person)

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
        return self.admits_agents(row) and self._is_in_period(row["at"])

    def admits_answer(self, row: Mapping[str, Any]) -> bool:
        """Return whether the answer to what is meant goes too; at whatever time it came."""
        return self.selector.fragment is None and self.admits_agents(row)

    def admits_agents(self, row: Mapping[str, Any]) -> bool:
        """Return whether an event concerns nobody but the agent that is meant, if one is."""
        return self.selector.agent is None or list(row["agents"]) == [self.selector.agent]

    def fragment(self, fragment: Fragment) -> bool:
        """Return whether a fragment is meant by itself."""
        selector = self.selector
        if selector.fragment is not None and fragment.id != selector.fragment:
            return False
        if selector.agent is not None and fragment.agent not in self._names.agents:
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
        return bool(self._names.subject_keys & keys) or self._names_subject(texts)

    def entity(self, agent: UUID, key: str, name: str) -> bool:
        """Return whether an entity is meant by itself: whatever else is known of it."""
        selector = self.selector
        if selector.fragment is not None or selector.has_period:
            return False
        if selector.agent is not None and agent not in self._names.agents:
            return False
        if selector.person is not None and not self._is_persons(key):
            return False
        if selector.subject is None:
            return True
        return key in self._names.subject_keys or self._names_subject((key, name))

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

    def names_person(self, text: str) -> bool:
        """Return whether a text names the person that is meant, if one is."""
        return self._names_person([text])

    def _is_theirs(self, row: Mapping[str, Any]) -> bool:
        told = row.get("recipient")
        return self._is_speaker(row.get("sender"), row.get("speaker_name")) or (
            told in self._names.addresses
        )

    def _is_speaker(self, address: str | None, name: str | None) -> bool:
        if address in self._names.addresses:
            return True
        return name is not None and folded(name) in self._names.called

    def _is_persons(self, key: str) -> bool:
        return key in self._names.person_keys or bool(self._owners and key.startswith(self._owners))

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


def _pattern(names: Collection[str]) -> Callable[[str], object] | None:
    """Return a search for any of the names as a whole word."""
    written = [r"\s+".join(map(re.escape, each.split())) for each in sorted(names) if each.strip()]
    return re.compile(rf"(?<!\w)(?:{'|'.join(written)})(?!\w)").search if written else None


def _found(search: Callable[[str], object] | None, texts: Iterable[str | None]) -> bool:
    return search is not None and any(search(folded(each)) for each in texts if each)
