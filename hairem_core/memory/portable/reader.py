"""Reading an export line by line: whole lines are told apart from what is damaged."""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass

from pydantic import ValidationError

from hairem_core.memory.portable.lines import LINES, LONGEST_LINE, EndLine, Line

_MOST_TOLD = 100
"""Problems that are told one by one; all are counted."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with a line, and what to do."""

    line: int
    """Its number, from 1; 0 for the file as a whole."""
    what: str
    hint: str

    def __str__(self) -> str:
        where = f"line {self.line:,}" if self.line else "the file"
        return f"{where}: {self.what}. {self.hint}"


class Problems:
    """What was found to be wrong."""

    def __init__(self) -> None:
        self.told: list[Problem] = []
        self.count = 0

    def add(self, line: int, what: str, hint: str) -> None:
        """Note one."""
        self.count += 1
        if len(self.told) < _MOST_TOLD:
            self.told.append(Problem(line=line, what=what, hint=hint))


class Reader:
    """Yields the lines of an export that are whole, with their numbers."""

    def __init__(self, chunks: AsyncIterable[bytes], problems: Problems) -> None:
        self._chunks = chunks
        self._problems = problems
        self._digest = hashlib.sha256()
        self._counts: Counter[str] = Counter()
        self.number = 0
        """Of the last line that was read."""
        self.unreadable = 0
        """Lines that were left out, of which nobody can say what they were."""
        self.end: EndLine | None = None

    async def lines(self) -> AsyncGenerator[tuple[int, Line]]:
        """Yield every line that is whole; note what is wrong with the others."""
        async for raw, is_ended in self._raw_lines():
            self.number += 1
            if not raw.strip():
                self._digest.update(raw)
                continue
            if self.end is not None:
                self.unreadable += 1
                self._problems.add(
                    self.number,
                    "comes after the last line",
                    "It was left out. Was something appended to the file?",
                )
                continue
            line = self._parse(raw, is_ended=is_ended)
            if isinstance(line, EndLine):
                self._check_end(line)
                continue
            self._digest.update(raw)
            if line is not None:
                self._counts[line.line] += 1
                yield self.number, line
        if self.end is None:
            self._problems.add(
                0,
                f"it ends after line {self.number:,}, without the last line of an export",
                "It was cut off: what was whole is here; get the whole file and import it again.",
            )

    async def _raw_lines(self) -> AsyncGenerator[tuple[bytes, bool]]:
        """Yield lines with their ends, each with whether it has one."""
        rest = bytearray()
        is_skipping = False
        async for chunk in self._chunks:
            start = 0
            while (end := chunk.find(b"\n", start)) >= 0:
                rest += chunk[start : end + 1]
                start = end + 1
                if is_skipping:
                    is_skipping = False
                else:
                    yield bytes(rest), True
                rest.clear()
            rest += chunk[start:]
            if len(rest) > LONGEST_LINE:
                if not is_skipping:
                    yield bytes(rest[:100]), False
                is_skipping = True
                rest.clear()
        if rest and not is_skipping:
            yield bytes(rest), False

    def _parse(self, raw: bytes, *, is_ended: bool) -> Line | None:
        try:
            return LINES.validate_json(raw)
        except ValidationError as err:
            first = err.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(each) for each in first["loc"][1:])
            told = f"{place}: {first['msg']}" if place else first["msg"]
            self.unreadable += 1
            self._problems.add(
                self.number,
                f"cannot be read: {told}" if is_ended else f"is cut off, or too long: {told}",
                "It was left out; everything else is taken in. Get an undamaged file if you can.",
            )
            return None

    def _check_end(self, line: EndLine) -> None:
        self.end = line
        if line.counts != dict(self._counts):
            kinds = sorted(
                kind
                for kind in line.counts.keys() | self._counts.keys()
                if line.counts.get(kind, 0) != self._counts[kind]
            )
            told = ", ".join(
                f"{self._counts[kind]:,} of {line.counts.get(kind, 0):,} {kind}" for kind in kinds
            )
            self._problems.add(
                0,
                f"lines are missing or damaged ({told})",
                "What was whole is here; get the whole file and import it again.",
            )
        elif line.sha256 != self._digest.digest():
            self._problems.add(
                0,
                "its bytes are not those that were exported",
                "Every line could be read, but something in it was changed.",
            )
