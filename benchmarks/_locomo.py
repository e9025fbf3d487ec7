"""Conversations with questions in LoCoMo's format, as files of it really are.

Evidence is written by hand there: several ids in one string, an id without its number, ids of turns
that do not exist. What cannot be read is left out, and counted.
Source of the format: Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM
Agents" (2024).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hairem_core.errors import HairemError

_SESSION = re.compile(r"session_(\d+)")
_EVIDENCE = re.compile(r"D:?\s*0*(\d+)\s*:\s*0*(\d+)", re.IGNORECASE)
_DATE_FORMATS = (
    "%I:%M %p on %d %B %Y",
    "%I:%M %p on %d %b %Y",
    "%H:%M on %d %B %Y",
    "%d %B %Y",
    "%d %b %Y",
    "%B %d %Y",
    "%I:%M %p on %B %d %Y",
)
_LONG_AGO = datetime(2023, 1, 1, 12, tzinfo=UTC)
"""When a conversation began that does not say."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One thing said."""

    key: str
    """`D<session>:<number>`."""
    session: int
    speaker: str
    text: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question and the turns that answer it."""

    text: str
    evidence: frozenset[int]
    """Their places in `Conversation.turns`; at least one."""
    category: str


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What two people said to each other, in order, and what is asked about it."""

    name: str
    turns: list[Turn]
    questions: list[Asked]
    left_out: int
    """Questions without a text, or without evidence that exists."""
    lost_evidence: int
    """Ids that no turn has, and texts that are no ids."""


def read(path: Path, *, captions: bool) -> list[Conversation]:
    """Return the conversations of a file; with `captions`, what a picture shows is said too.

    Raises HairemError for a file that is not of this format.
    """
    try:
        samples = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise HairemError(f"cannot be read: {err}", where=str(path)) from err
    if isinstance(samples, dict):
        samples = [samples]
    read_ones = [
        _conversation(each, number, captions=captions)
        for number, each in enumerate(samples if isinstance(samples, list) else [])
        if isinstance(each, dict) and isinstance(each.get("conversation"), dict)
    ]
    if not any(each.questions for each in read_ones):
        raise HairemError(
            "no conversation with questions is in it",
            where=str(path),
            hint="LoCoMo's format: a list of {conversation: {session_1: […], …}, qa: […]}.",
        )
    return read_ones


def _conversation(sample: dict[str, Any], number: int, *, captions: bool) -> Conversation:
    turns = list(_turns(sample["conversation"], captions=captions))
    places: dict[str, int] = {}
    for place, turn in enumerate(turns):
        places.setdefault(turn.key, place)
    questions: list[Asked] = []
    left_out = lost = 0
    for each in sample.get("qa") or ():
        if not isinstance(each, dict):
            left_out += 1
            continue
        found, unknown = _evidence(each.get("evidence"), places)
        lost += unknown
        text = str(each.get("question") or "").strip()
        if not text or not found:
            left_out += 1
            continue
        category = str(each.get("category", "none"))
        questions.append(Asked(text=text, evidence=frozenset(found), category=category))
    return Conversation(
        name=str(sample.get("sample_id") or number),
        turns=turns,
        questions=questions,
        left_out=left_out,
        lost_evidence=lost,
    )


def _evidence(told: Any, places: dict[str, int]) -> tuple[set[int], int]:
    """Return the turns that evidence names, and how much of it names none."""
    found: set[int] = set()
    lost = 0
    for each in told if isinstance(told, list) else [told] if told else []:
        keys = [f"D{session}:{turn}" for session, turn in _EVIDENCE.findall(str(each))]
        found |= {places[key] for key in keys if key in places}
        lost += sum(key not in places for key in keys) or int(not keys)
    return found, lost


def _turns(conversation: dict[str, Any], *, captions: bool) -> Iterator[Turn]:
    numbers = sorted(
        int(match[1])
        for name, value in conversation.items()
        if (match := _SESSION.fullmatch(name)) and isinstance(value, list)
    )
    began, ended = _LONG_AGO, _LONG_AGO
    for number in numbers:
        told = conversation.get(f"session_{number}_date_time")
        # A session without a date comes a day after the last.
        began = date_of(told) or ended + timedelta(days=1)
        for place, each in enumerate(conversation[f"session_{number}"]):
            if not isinstance(each, dict):
                continue
            match = _EVIDENCE.search(str(each.get("dia_id") or ""))
            text = str(each.get("text") or "").strip()
            if captions and each.get("blip_caption"):
                text = f"{text} [shares {each['blip_caption']}]".strip()
            ended = began + timedelta(seconds=place)
            yield Turn(
                key=f"D{match[1]}:{match[2]}" if match else f"D{number}:{place + 1}",
                session=number,
                speaker=str(each.get("speaker") or "somebody").strip(),
                text=text,
                at=ended,
            )


def date_of(told: Any) -> datetime | None:
    """Return a date as sessions have it, such as `1:56 pm on 8 May, 2023`, or None."""
    if not isinstance(told, str):
        return None
    plain = " ".join(told.replace(",", " ").split())
    for form in _DATE_FORMATS:
        try:
            return datetime.strptime(plain, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    try:
        at = datetime.fromisoformat(told.strip())
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
