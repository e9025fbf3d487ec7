"""The hash chain over events: what was altered, is missing or was put in can be told.

Each event's hash covers its number, its header, the hash of its body, and the hash of the event
before. The body (who said what to whom) is hashed apart, with a salt that is stored beside it: an
erasure drops body and salt, the chain stays whole, and what was said cannot be guessed from what is
left. That a body was dropped is itself an event, `memory.erased`, and so part of the chain.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hairem_core.sdk.message import Topic

BODY = (
    "sender",
    "speaker_name",
    "recipient",
    "conversation_id",
    "content",
    "data",
    "pose_hint",
)
"""Fields of an event that an erasure drops, with its salt."""
HEADER = (
    "number",
    "id",
    "agents",
    "at",
    "type",
    "topic",
    "priority",
    "parent_id",
    "hops",
    "speech",
    "confidence",
    "importance",
)
"""Fields of an event that stay."""
ERASED = Topic.MEMORY_ERASED.value
"""Topic of the event that says which others were emptied."""
GENESIS = bytes(32)
"""What stands for the hash before the first event's."""


@dataclass(frozen=True, kw_only=True)
class Break:
    """The first place where the chain does not hold."""

    number: int
    """Of the event there, or that should be there."""
    msg_id: UUID | None
    what: str


def seal(row: Mapping[str, Any], number: int, previous: bytes) -> dict[str, Any]:
    """Return an event's row with its place in the chain: number, salt and hashes."""
    salt = secrets.token_bytes(16)
    sealed = {**row, "number": number, "salt": salt, "body_hash": body_hash(row, salt)}
    return {**sealed, "hash": event_hash(sealed, previous)}


def body_hash(row: Mapping[str, Any], salt: bytes) -> bytes:
    """Return the SHA-256 of a row's body."""
    return hashlib.sha256(salt + _canonical(row, BODY)).digest()


def event_hash(row: Mapping[str, Any], previous: bytes) -> bytes:
    """Return the SHA-256 of a row's header and body hash, and of the hash before."""
    return hashlib.sha256(previous + row["body_hash"] + _canonical(row, HEADER)).digest()


class ChainCheck:
    """Follows a chain from its beginning. Feed it every row in order of `number`."""

    def __init__(self) -> None:
        self.checked = 0
        self.erased = 0
        self.hash = GENESIS
        self._dropped: dict[int, set[int]] = {}
        """By number of the event that says so: events whose body it dropped."""
        self._said: dict[int, set[int]] = {}

    def feed(self, rows: Iterable[Mapping[str, Any]]) -> Break | None:
        """Check rows; return the first break."""
        for row in rows:
            if found := self._check(row):
                return self._unsaid() or found
        return None

    def finish(self, *, number: int, last_hash: bytes | None) -> Break | None:
        """Check the end: `number` and `last_hash` are those that the store last wrote down."""
        found = None
        if number > self.checked:
            found = self._break(self.checked + 1, None, "is missing, and all that came after it")
        elif number < self.checked:
            found = self._break(number + 1, None, "was put in behind the last one")
        elif number and last_hash != self.hash:
            found = self._break(number, None, "is not the one that was last written")
        return self._unsaid(is_all=found is None) or found

    def _unsaid(self, *, is_all: bool = False) -> Break | None:
        """Return the first event that was emptied without the event that says so.

        Unless all were checked, what was not checked may say so.
        """
        unsaid = [
            (number, by)
            for by, numbers in self._dropped.items()
            if is_all or by <= self.checked
            for number in numbers - self._said.get(by, set())
        ]
        if not unsaid:
            return None
        number, by = min(unsaid)
        return self._break(number, None, f"was emptied, but event {by} does not say so")

    def _check(self, row: Mapping[str, Any]) -> Break | None:
        number, msg_id = row["number"], row["id"]
        expected = self.checked + 1
        if number > expected:
            return self._break(expected, None, "is missing")
        if number < expected:
            return self._break(number, msg_id, "was put in: its number is there twice")
        try:
            what = self._altered(row)
        except (KeyError, TypeError, ValueError) as err:
            what = f"was altered: it is no event any more ({err})"
        if what is not None:
            return self._break(number, msg_id, what)
        if row.get("salt") is None:
            self.erased += 1
            self._dropped.setdefault(row["erased_by"], set()).add(number)
        if row["topic"] == ERASED and (numbers := _numbers(row)) is not None:
            self._said[number] = numbers
        self.checked, self.hash = number, row["hash"]
        return None

    def _altered(self, row: Mapping[str, Any]) -> str | None:
        """Return in what way a row is not what it was. Raises KeyError, TypeError, ValueError."""
        by, salt = row.get("erased_by"), row.get("salt")
        if salt is None:
            if not isinstance(by, int) or any(row.get(key) is not None for key in BODY):
                return "was altered: it has lost its salt"
        elif by is not None:
            return "was altered: it says that it was emptied, and is not"
        elif body_hash(row, salt) != row["body_hash"]:
            return "was altered: who said what is not as it was"
        if event_hash(row, self.hash) != row["hash"]:
            return "was altered, or put in the place of another"
        return None

    @staticmethod
    def _break(number: int, msg_id: UUID | None, what: str) -> Break:
        return Break(number=number, msg_id=msg_id, what=what)


def erased_numbers(numbers: Iterable[int]) -> str:
    """Return the `data` of an event that says which others were emptied: JSON, as ranges."""
    return json.dumps({"events": [list(each) for each in ranges(sorted(numbers))]})


def _numbers(row: Mapping[str, Any]) -> set[int] | None:
    try:
        ranges = json.loads(row.get("data") or "")["events"]
        return {number for first, last in ranges for number in range(first, last + 1)}
    except ValueError, KeyError, TypeError:
        return None


def ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each run of numbers, which ascend."""
    first = last = None
    for number in numbers:
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = number
    if first is not None and last is not None:
        yield first, last


def _canonical(row: Mapping[str, Any], fields: Iterable[str]) -> bytes:
    values = {key: _plain(row[key]) for key in fields if row.get(key) is not None}
    text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case UUID():
            return str(value)
        case _:
            return value
