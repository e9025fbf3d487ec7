"""Events that wait to be interpreted, and what of them is read."""

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hairem_core.memory.interpret.extracted import Said
from hairem_core.memory.interpret.model_extractor import Turn
from hairem_core.memory.interpret.requests import stated
from hairem_core.memory.rows import confidence_of
from hairem_core.sdk.message import Topic

MOST_TURNS = 24
"""Turns that one call of a model is about."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """An event that waits, and since when, by the clock of the event loop in seconds."""

    row: dict[str, Any]
    since: float

    @property
    def number(self) -> int:
        """Return its number in the log."""
        return int(self.row["number"])

    @property
    def talk(self) -> str | None:
        """Return what conversation it belongs to; None where nobody said anything."""
        row = self.row
        if not row.get("speech") or row.get("erased_by") or not self.content:
            return None
        # Without a conversation, what one person says to one agent is one.
        parties = sorted({str(row.get("sender")), str(row.get("recipient"))})
        return str(row.get("conversation_id") or "/".join(parties))

    @property
    def content(self) -> str:
        """Return what was said, without what somebody asked to be forgotten."""
        content = str(self.row.get("content") or "")
        return stated(content) if content and self.is_user else content

    @property
    def is_user(self) -> bool:
        """Return whether a person said it."""
        row = self.row
        return row["topic"] == Topic.USER_UTTERANCE and str(row.get("sender")).startswith("user:")

    def turn(self) -> Turn:
        """Return it as a turn of its conversation."""
        row = self.row
        data = json.loads(row["data"]) if row.get("data") else {}
        language = data.get("language")
        return Turn(
            event=row["id"],
            is_user=self.is_user,
            said=Said(
                text=self.content,
                speaker=row["sender"],
                speaker_name=row.get("speaker_name"),
                language=language.replace("\0", "") if isinstance(language, str) else None,
                at=row["at"],
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of one conversation, as one agent heard it."""

    agent_id: str
    talk: str
    conversation_id: str | None
    turns: tuple[Turn, ...]
    heard: dict[UUID, float]
    """By event, how sure it is that these were the words."""


def pieces_of(events: Sequence[Waiting], *, most: int = MOST_TURNS) -> Iterator[Piece]:
    """Yield what each agent heard of each conversation, in the order of its first word.

    Pieces of `most` turns; those in which no person says anything are left out.
    """
    talks: OrderedDict[tuple[str, str], list[Waiting]] = OrderedDict()
    for each in events:
        talk = each.talk
        if talk is None:
            continue
        for agent_id in each.row["agents"]:
            talks.setdefault((agent_id, talk), []).append(each)
    for (agent_id, talk), heard in talks.items():
        for start in range(0, len(heard), most):
            part = heard[start : start + most]
            if not any(each.is_user for each in part):
                continue
            yield Piece(
                agent_id=agent_id,
                talk=talk,
                conversation_id=part[0].row.get("conversation_id"),
                turns=tuple(each.turn() for each in part),
                heard={each.row["id"]: confidence_of(each.row) for each in part},
            )
