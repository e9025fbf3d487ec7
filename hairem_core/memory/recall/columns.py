"""What recall must know of every fragment, in columns, each agent's apart.

Row `i` of an agent's columns is its `i`-th fragment. Rows are never moved: what goes leaves a hole,
until the index is made anew.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from hairem_core.memory.arrays import Bools, Floats, Ints, Vectors
from hairem_core.memory.fragment import KINDS, Fragment
from hairem_core.memory.recall.codes import NOBODY, Codes
from hairem_core.memory.recall.telling import Telling, kinship, telling

_FIRST_ROWS = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES: dict[str, Any] = {
    "seq": np.int64,
    "id": np.dtype((np.void, 16)),
    "at": np.int64,
    "valid_from": np.int64,
    "valid_to": np.int64,
    "last_used": np.int64,
    "importance": np.float32,
    "uses": np.int64,
    "pinned": np.bool_,
    "shared": np.bool_,
    "kind": np.int8,
    "previous": np.int32,
    "next": np.int32,
    "speaker": np.int32,
    "whom": np.int32,
    "slot": np.int32,
    "kin": np.int32,
    "called": np.int32,
    "asks": np.bool_,
    "indexed": np.int64,
    "words": np.int64,
    "event": np.int64,
    "near": np.float32,
    "live": np.bool_,
    "embedded": np.bool_,
}
NEIGHBOUR = 0.3
"""Weight of the previous and the next turn's vectors beside a turn's own."""
_EPISODE = KINDS.index("episode")
FOREVER = np.iinfo(np.int64).max


class Columns:
    """One agent's fragments. Times are milliseconds since 1970."""

    seq: Ints
    """Number of the fragment."""
    id: Any
    """Its UUID, 16 bytes."""
    at: Ints
    valid_from: Ints
    valid_to: Ints
    """FOREVER for what holds."""
    last_used: Ints
    importance: Floats
    uses: Ints
    pinned: Bools
    shared: Bools
    kind: Ints
    """Index in KINDS."""
    previous: Ints
    """Row of what was said right before in the same conversation, or NOBODY."""
    next: Ints
    """Row of what was said right after."""
    speaker: Ints
    """Index in `speakers` of `codes`, or NOBODY."""
    whom: Ints
    """Index in `people` of `codes`: of whom a fact or note tells, or NOBODY."""
    slot: Ints
    """Index in `slots` of `codes`: what it tells of its subject, or NOBODY."""
    kin: Ints
    """Index there of the relative, such as `user:anna/son`, whose name it says, or NOBODY."""
    called: Ints
    """Index there of that name."""
    asks: Bools
    """Whether it asks something."""
    indexed: Ints
    """What the text index knows of it beside its words and when it was said, by `marked`."""
    words: Ints
    """The same for fragments of one speaker in the same words."""
    event: Ints
    """The same for fragments of one event, by `event_mark`; 0 where there is not just one."""
    near: Floats
    """Length of the vector plus NEIGHBOUR times those of its neighbours."""
    live: Bools
    """False where the fragment is gone."""
    embedded: Bools
    """Whether there is a vector."""

    def __init__(self, dimensions: int = 0) -> None:
        self.size = 0
        self.dimensions = dimensions
        self._arrays = {name: np.zeros(_FIRST_ROWS, kind) for name, kind in _TYPES.items()}
        self._vectors = np.zeros((_FIRST_ROWS, dimensions), np.float32)
        self._last_of: dict[str, int] = {}
        """By conversation: row of the last thing said."""
        self._ends: dict[int, str] = {}
        """By row: conversation of which it is the last thing said."""
        self.codes = Codes()
        self._ascends = True
        """Whether `seq` does, as it should: what is new has the highest number."""
        self._expose()

    @property
    def vectors(self) -> Vectors:
        """Shape (size, dimensions); rows without an embedding are zero."""
        return self._vectors[: self.size]

    def put(self, fragment: Fragment, row: int | None) -> int:
        """Take a fragment in, at its row if it has one; return the row."""
        if row is None:
            row = self._append(fragment)
        told = telling(fragment)
        whom = self.codes.whom(fragment, told)
        kin, called = self.codes.kin(kinship(fragment))
        values = {
            "seq": fragment.seq,
            "at": milliseconds(fragment.at),
            "valid_from": milliseconds(fragment.valid_from),
            "valid_to": milliseconds(fragment.valid_to) if fragment.valid_to else FOREVER,
            "last_used": milliseconds(fragment.last_used),
            "importance": fragment.importance,
            "uses": fragment.uses,
            "pinned": fragment.pinned,
            "shared": fragment.visibility == "shared",
            "kind": KINDS.index(fragment.kind),
            "speaker": self.codes.speaker(fragment),
            "whom": whom,
            "slot": self.codes.slot(told),
            "kin": kin,
            "called": called,
            "asks": "?" in fragment.content,
            "indexed": marked(fragment, told),
            "words": fingerprint(fragment),
            "event": event_mark(fragment.derived_from[0]) if len(fragment.derived_from) == 1 else 0,
            "live": True,
        }
        for name, value in values.items():
            self._arrays[name][row] = value
        self._arrays["id"][row] = np.void(fragment.id.bytes)
        return row

    def put_vector(self, row: int, vector: bytes) -> None:
        """Set the vector of a row: float16, little-endian, as many as there are dimensions."""
        values = np.frombuffer(vector, "<f2").astype(np.float32)
        if not self.dimensions:
            self._vectors = np.zeros((len(self._vectors), len(values)), np.float32)
            self.dimensions = len(values)
        length = float(np.linalg.norm(values))
        if len(values) != self.dimensions:
            return  # of another model; it is made anew
        # What has no direction is like nothing; without a vector it would be asked for for ever.
        self._vectors[row] = values / length if 0 < length < np.inf else 0.0
        self.embedded[row] = True
        for each in (row, int(self.previous[row]), int(self.next[row])):
            self._measure(each)

    def forget_vectors(self) -> None:
        """Drop all vectors: they are of another model."""
        self.dimensions = 0
        self._vectors = np.zeros((len(self._arrays["seq"]), 0), np.float32)
        self._arrays["embedded"][:] = False
        self._arrays["near"][:] = 0

    def remove(self, row: int) -> None:
        """Let a fragment go. Its neighbours become each other's."""
        before, after = int(self.previous[row]), int(self.next[row])
        if before != NOBODY:
            self.next[before] = after
        if after != NOBODY:
            self.previous[after] = before
        if (conversation := self._ends.pop(row, None)) is not None:
            del self._last_of[conversation]
            if before != NOBODY:
                self._end(conversation, before)
        for name in ("id", "words", "event", "near"):
            self._arrays[name][row] = np.zeros(1, _TYPES[name])[0]
        self.live[row] = self.embedded[row] = False
        if self.dimensions:
            self._vectors[row] = 0
            self._measure(before)
            self._measure(after)

    def around(self, row: int, reach: int) -> list[int]:
        """Return the rows up to `reach` before and after one, in their order, without itself."""
        found: list[int] = []
        each = int(self.previous[row])
        while each != NOBODY and len(found) < reach:
            found.insert(0, each)
            each = int(self.previous[each])
        each, count = int(self.next[row]), 0
        while each != NOBODY and count < reach:
            found.append(each)
            each, count = int(self.next[each]), count + 1
        return found

    def rows_of(self, seqs: Ints, size: int) -> Ints:
        """Return in which of the first `size` rows each number is, NOBODY where it is in none."""
        known = self.seq[:size]
        order = None if self._ascends else np.argsort(known)
        found = np.searchsorted(known, seqs, sorter=order)
        found = np.minimum(found, max(0, size - 1))
        rows: Ints = found if order is None else order[found]
        return np.where(known[rows] == seqs, rows, NOBODY) if size else np.full_like(seqs, NOBODY)

    def numbers_of(self, fragment_id: UUID | None) -> set[int]:
        """Return the number of a fragment, by its id; nothing where it is not here."""
        if fragment_id is None:
            return set()
        rows = np.flatnonzero(self.id == np.void(fragment_id.bytes))
        return {int(self.seq[row]) for row in rows}

    def ended(self, events: Iterable[UUID]) -> dict[UUID, datetime]:
        """Return which of these events told of what holds no more, and since when."""
        marks = {event_mark(each): each for each in events}
        rows = np.flatnonzero(self.live & (self.valid_to != FOREVER) & (self.kind == _EPISODE))
        rows = rows[np.isin(self.event[rows], list(marks))]
        return {
            marks[int(self.event[row])]: from_milliseconds(int(self.valid_to[row])) for row in rows
        }

    def uuid(self, row: int) -> UUID:
        """Return the id of the fragment in a row."""
        return UUID(bytes=self.id[row].tobytes())

    def dump(self) -> dict[str, Any]:
        """Return everything as arrays, to be written to disk while others are added here.

        Copies, but for the vectors, of which there is far more: one that changes meanwhile is of a
        later commit, and is read anew by whoever loads this.
        """
        arrays: dict[str, Any] = {name: self._arrays[name][: self.size].copy() for name in _TYPES}
        names = np.asarray(list(self._last_of), dtype=np.str_)
        rows = np.asarray(list(self._last_of.values()), dtype=np.int64)
        return arrays | {
            "vectors": self._vectors[: self.size],
            "conversations": names,
            "last_of": rows,
            **self.codes.dump(),
        }

    @classmethod
    def load(cls, arrays: dict[str, Any]) -> Columns:
        """Return columns made of what `dump` returned. Raises KeyError, ValueError."""
        vectors = arrays["vectors"]
        self = cls(vectors.shape[1])
        self.size = len(arrays["seq"])
        room = max(_FIRST_ROWS, self.size)
        self._grow(room)
        for name, kind in _TYPES.items():
            self._arrays[name][: self.size] = arrays[name].astype(kind)
        self._vectors[: self.size] = vectors
        lasts = zip(arrays["conversations"].tolist(), arrays["last_of"].tolist(), strict=True)
        for conversation, row in lasts:
            self._end(conversation, row)
        self.codes = Codes.load(arrays)
        self._ascends = bool(np.all(np.diff(arrays["seq"]) > 0))
        self._expose()
        return self

    def _measure(self, row: int) -> None:
        """Work out `near` of a row."""
        if row == NOBODY or not self.embedded[row]:
            return
        total = self._vectors[row].copy()
        for neighbour in (int(self.previous[row]), int(self.next[row])):
            if neighbour != NOBODY:
                total += NEIGHBOUR * self._vectors[neighbour]
        self.near[row] = np.linalg.norm(total)

    def _append(self, fragment: Fragment) -> int:
        row = self.size
        if row == len(self._arrays["seq"]):
            self._grow(2 * row)
        if row and fragment.seq <= self.seq[row - 1]:
            self._ascends = False
        self.size += 1
        self._expose()
        before = NOBODY
        if fragment.kind == "episode" and fragment.conversation_id is not None:
            before = self._last_of.get(fragment.conversation_id, NOBODY)
            self._ends.pop(before, None)
            self._end(fragment.conversation_id, row)
        self.previous[row], self.next[row] = before, NOBODY
        if before != NOBODY:
            self.next[before] = row
        return row

    def _end(self, conversation: str, row: int) -> None:
        self._last_of[conversation] = row
        self._ends[row] = conversation

    def _grow(self, room: int) -> None:
        for name, kind in _TYPES.items():
            grown = np.zeros(room, kind)
            grown[: len(self._arrays[name])] = self._arrays[name][:room]
            self._arrays[name] = grown
        vectors = np.zeros((room, self.dimensions), np.float32)
        vectors[: len(self._vectors)] = self._vectors[:room]
        self._vectors = vectors

    def _expose(self) -> None:
        for name in _TYPES:
            setattr(self, name, self._arrays[name][: self.size])


def milliseconds(moment: datetime) -> int:
    """Return milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def from_milliseconds(moment: int) -> datetime:
    """Return the moment of milliseconds since 1970, in UTC."""
    return _EPOCH + timedelta(milliseconds=moment)


def event_mark(msg_id: UUID) -> int:
    """Return what fragments of one event have in common."""
    return int.from_bytes(msg_id.bytes[8:], "little", signed=True)


def marked(fragment: Fragment, told: Telling) -> int:
    """Return what changes with what a fragment is found by, other than its words and its time."""
    parts = (fragment.visibility, fragment.replaces_id, fragment.about, told)
    return _hash(repr(parts))


def fingerprint(fragment: Fragment) -> int:
    """Return what fragments have in common that one speaker said in the same words."""
    words = " ".join(fragment.content.casefold().split())
    return _hash(f"{fragment.speaker} {words}")


def _hash(text: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(text.encode(), digest_size=8).digest(), "little", signed=True
    )
