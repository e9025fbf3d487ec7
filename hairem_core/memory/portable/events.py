"""Events of an export: in the places that they had where that goes on, else at the end."""

from collections.abc import Sequence
from typing import Any

from surrealdb import RecordID

from hairem_core.memory.chain import (
    BODY,
    ERASED,
    GENESIS,
    body_hash,
    event_hash,
    ranges,
    seal,
)
from hairem_core.memory.errors import TransactionFailed
from hairem_core.memory.portable.lines import EventLine, HeaderLine, Line
from hairem_core.memory.portable.reader import Problems
from hairem_core.memory.portable.report import Tally
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head

_SEALS = ("number", "salt", "body_hash", "hash")


class EventImport:
    """Takes in events, each once by its `msg_id`."""

    def __init__(self, store: MemoryStore, header: HeaderLine, problems: Problems) -> None:
        self._store = store
        self._interpreted = header.interpreted
        self._problems = problems
        self._number = 0
        self._hash: bytes | None = GENESIS
        """Of the last event in the file; None where that line was damaged."""
        self.added = 0
        self.is_kept = True
        """Whether all events that were added have the places that they had."""

    async def take(self, lines: Sequence[tuple[int, Line]], tally: Tally) -> None:
        """See `Part`."""
        sound, faults = self._checked(lines)
        outcome = (0, 0, 0, True)

        async def build(head: Head) -> Change | None:
            nonlocal outcome
            known = set(await self._store.events.known([each.id for each in sound]))
            change, number, previous = Change(), head.number, head.hash or GENESIS
            interpreted = head.interpreted
            left_out, is_kept = 0, True
            learned: list[int] = []
            for line in sound:
                if line.id in known:
                    continue
                known.add(line.id)
                row = line.row()
                if line.number != number + 1 or event_hash(row, previous) != line.hash:
                    is_kept = False
                    if line.erased_by is not None or line.topic == ERASED:
                        # Nothing is left in it, or it speaks of places that are not these.
                        left_out += 1
                        continue
                    bare = {name: value for name, value in row.items() if name not in _SEALS}
                    row = seal(bare, number + 1, previous)
                if line.number <= self._interpreted:
                    learned.append(number + 1)  # facts were made of it: they come too
                    if interpreted == number:
                        interpreted = number + 1
                number, previous = number + 1, row["hash"]
                change.events.append({**row, "id": RecordID("raw_event", line.id)})
            outcome = (
                len(change.events),
                len(sound) - len(change.events) - left_out,
                left_out,
                is_kept,
            )
            if not change.events:
                return None
            # Their episodes come with the fragments, as they were, or are archived or forgotten.
            change.episodes = number if head.episodes == head.number else None
            change.learned = list(ranges(learned))
            change.interpreted = interpreted if interpreted != head.interpreted else None
            return change

        try:
            await self._store.writer.commit(build)
        except TransactionFailed:
            if len(lines) == 1:  # it is not given again, and the next one comes after it
                self._note_last(lines)
            raise
        added, were_known, left_out, is_kept = outcome
        tally.added += added
        tally.known += were_known
        tally.left_out += left_out
        self.added += added
        self.is_kept = self.is_kept and (is_kept or not added)
        self._note_last(lines)
        tally.refused += len(faults)
        for at, line, what in faults:
            self._problems.add(
                at,
                f"event {line.number} {what}",
                "It was left out, since it may not be what was said. Get an undamaged file.",
            )

    def _checked(
        self, lines: Sequence[tuple[int, Line]]
    ) -> tuple[list[EventLine], list[tuple[int, EventLine, str]]]:
        """Return the events that are as they were recorded, and what is wrong with the others."""
        sound: list[EventLine] = []
        faults: list[tuple[int, EventLine, str]] = []
        last_number, last_hash = self._number, self._hash
        for number, line in lines:
            assert isinstance(line, EventLine)
            what = _fault(line, last_number, last_hash)
            last_number, last_hash = line.number, line.hash
            if what is None:
                sound.append(line)
            else:
                faults.append((number, line, what))
        return sound, faults

    def _note_last(self, lines: Sequence[tuple[int, Line]]) -> None:
        _, last = lines[-1]
        assert isinstance(last, EventLine)
        self._number, self._hash = last.number, last.hash


def _fault(line: EventLine, last_number: int, last_hash: bytes | None) -> str | None:
    """Return in what an event is not as it was recorded, given the line before; None if it is."""
    row: dict[str, Any] = line.row()
    if line.salt is None:
        if line.erased_by is None or any(row.get(name) is not None for name in BODY):
            return "was altered: it has lost its salt"
    elif line.erased_by is not None or body_hash(row, line.salt) != line.body_hash:
        return "was altered: who said what is not as it was"
    previous = line.previous
    if previous is None and line.number == last_number + 1:
        previous = last_hash
    if previous is not None and event_hash(row, previous) != line.hash:
        return "was altered: it does not fit its place in the chain"
    return None
