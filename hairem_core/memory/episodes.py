"""What agents hold of an event at once: that it was said, as it was said."""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from hairem_core.memory.fragment import Fragment, fragment_id
from hairem_core.memory.interpret.entities import entities_of
from hairem_core.memory.interpret.requests import stated
from hairem_core.memory.interpret.triage import importance_of
from hairem_core.memory.language import words_of
from hairem_core.memory.rows import confidence_of, told
from hairem_core.sdk.message import CREW, Topic

type Identify = Callable[[str], UUID]
"""Returns the UUID of an agent, given its id."""
_ECHO = 0.7
"""Share of a sentence's words that were just recalled, from which on it says nothing new."""
_KEPT_RECALLS = 64
"""Agents whose last recall is kept."""
_KEPT_SAYINGS = 64
"""Of each agent's own words, so many are known again."""


_KEPT_HEARD = 256
"""Things told last that are kept: an answer may say one again."""
_CONFIRMING = 5
"""Words that an answer may have beside those that it was told, and still only confirm."""

_FORGET = words_of("forget oublie oublier oubliez")
"""What was asked for, of all that an answer may confirm."""


class EpisodeMaker:
    """Makes episodes of events, one for each agent that said or heard it.

    What an agent says again of what it has just recalled or been told, or in the very words that it
    used a while ago, is no news to itself: memories that are stored again each time they are told
    crowd out everything else, and what confirms something would outlive it. What somebody asks to
    be forgotten makes none either, nor what is answered where there is no language model: that it
    knows nothing, or what it was told.
    """

    def __init__(self, identify: Identify) -> None:
        self._identify = identify
        self._recalled: OrderedDict[UUID, list[frozenset[str]]] = OrderedDict()
        self._sayings: dict[UUID, OrderedDict[str, UUID]] = {}
        """By agent: its last words, and of which event they are."""
        self._heard: OrderedDict[UUID, frozenset[str]] = OrderedDict()
        """By event: the words of what was told last."""

    def note_recall(self, agent: UUID, contents: Iterable[str]) -> None:
        """Note what an agent was just given from memory: its next words may repeat it."""
        self._recalled[agent] = [_telling(each) for each in contents]
        self._recalled.move_to_end(agent)
        while len(self._recalled) > _KEPT_RECALLS:
            self._recalled.popitem(last=False)

    def forget_recalls(self) -> None:
        """Forget what was noted: what is said next is news."""
        self._recalled.clear()
        self._sayings.clear()
        self._heard.clear()

    def __call__(self, row: dict[str, Any]) -> list[Fragment]:
        """Return the episodes of an event, given its row; none where nothing was said."""
        if not row["speech"]:
            return []
        if row["topic"] == Topic.USER_UTTERANCE and "?" not in row["content"]:
            self._heard[row["id"]] = words_of(row["content"]) - _FORGET
            if len(self._heard) > _KEPT_HEARD:
                self._heard.popitem(last=False)
        if not (content := _content(row)):
            return []
        return [
            replace(self.episode(row, agent_id), content=content)
            for agent_id in row["agents"]
            if not self._is_echo(row, agent_id)
        ]

    def episode(self, row: dict[str, Any], agent_id: str) -> Fragment:
        """Return what the agent `agent_id` holds of an event, given its row."""
        agent, at = self._identify(agent_id), row["at"]
        data = json.loads(row["data"]) if row.get("data") else {}
        by_agent = row["sender"] == f"agent:{agent_id}"
        return Fragment(
            id=fragment_id(agent, row["id"]),
            agent=agent,
            kind="episode",
            content=row["content"],
            at=at,
            visibility="shared" if row.get("recipient") == CREW else "private",
            speaker=row["sender"],
            speaker_name=row.get("speaker_name"),
            language=told(data, "language"),
            conversation_id=row.get("conversation_id"),
            about=(row["sender"], *(each.key for each in entities_of(row["content"]))),
            importance=importance_of(row["content"], by_agent=by_agent),
            confidence=confidence_of(row),
            last_used=at,
            valid_from=at,
            derived_from=(row["id"],),
        )

    def _is_echo(self, row: dict[str, Any], agent_id: str) -> bool:
        if row["topic"] != Topic.NARRATIVE_TEXT or row["sender"] != f"agent:{agent_id}":
            return False
        agent, said = self._identify(agent_id), _telling(row["content"])
        if self._was_said(agent, row):
            return True
        if row.get("data") and json.loads(row["data"]).get("offline") is True:
            return True
        if self._confirms(row):
            return True
        recalled = self._recalled.get(agent, [])
        if not said or not recalled:
            return False
        known = frozenset().union(*recalled)
        return len(said & known) >= _ECHO * len(said)

    def _confirms(self, row: dict[str, Any]) -> bool:
        """Return whether an answer says again all that it was told, and hardly anything else."""
        told = self._heard.get(row["parent_id"]) if "parent_id" in row else None
        if told is None or len(told) < 2:
            return False
        said = words_of(row["content"])
        return told <= said and len(said - told) <= _CONFIRMING

    def _was_said(self, agent: UUID, row: dict[str, Any]) -> bool:
        """Return whether an agent said these very words a while ago, and note them."""
        sayings = self._sayings.setdefault(agent, OrderedDict())
        first = sayings.setdefault(row["content"], row["id"])
        sayings.move_to_end(row["content"])
        if len(sayings) > _KEPT_SAYINGS:
            sayings.popitem(last=False)
        return bool(first != row["id"])


def _content(row: dict[str, Any]) -> str:
    """Return what is kept of an event: not what somebody asked to be forgotten."""
    said: str = row["content"]
    return stated(said) if row["topic"] == Topic.USER_UTTERANCE else said


def _telling(text: str) -> frozenset[str]:
    """Return the words of a text by which it is known again: when it was said, it adds itself."""
    return frozenset(word for word in words_of(text) if not word.isdigit())
