"""Which fading fragments belong together, so that one paragraph can stand for them."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from hairem_core.memory.arrays import Bools, Ints, Vectors

LEAST = 4
"""Fragments that are worth a synthesis."""
MOST = 24
"""Fragments in one synthesis."""
SPAN = 7 * 86_400_000
"""Milliseconds within which fragments belong together."""
COSINE = 0.6
_BLOCK = 64
_WIDTH = 4_096
"""Vectors that are copied at once."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A fading fragment."""

    id: UUID
    row: int
    at: int
    """Milliseconds since 1970."""
    keys: frozenset[str]
    """Of whom or what it tells."""


class Clusters:
    """Finds clusters among one agent's candidates.

    What it finds does not depend on clusters that were taken out before: gone on with after a
    crash, it finds the others as it would have.
    """

    def __init__(self, candidates: Sequence[Candidate], vectors: Vectors, embedded: Bools) -> None:
        """`vectors` and `embedded`: by `row`."""
        self._all = sorted(candidates, key=lambda each: (each.at, each.id))
        rows = np.asarray([each.row for each in self._all], dtype=np.int64)
        self._at: Ints = np.asarray([each.at for each in self._all], dtype=np.int64)
        self._rows, self._vectors, self._embedded = rows, vectors, embedded
        self._by_key: defaultdict[str, list[int]] = defaultdict(list)
        for number, each in enumerate(self._all):
            for key in each.keys:
                self._by_key[key].append(number)
        self._taken = np.zeros(len(self._all), np.bool_)

    def find(self, most: int) -> list[list[Candidate]]:
        """Return up to `most` clusters, each in the order of time."""
        found: list[list[Candidate]] = []
        for members in self._near_in_time():
            if len(found) >= most:
                return found
            found.append([self._all[each] for each in members])
        for members in self._of_one_key():
            if len(found) >= most:
                return found
            found.append([self._all[each] for each in members])
        return found

    def _near_in_time(self) -> Iterator[list[int]]:
        """Yield those within some days that lie near the first one, or tell of the same."""
        ends = np.searchsorted(self._at, self._at + SPAN, side="right")
        for start in range(0, len(self._all), _BLOCK):
            stop = min(start + _BLOCK, len(self._all))
            near = self._near(start, stop, int(ends[stop - 1]))
            for seed in range(start, stop):
                if self._taken[seed]:
                    continue
                others = set((np.flatnonzero(near[seed - start]) + start).tolist())
                others |= set(self._sharing(seed, int(ends[seed])))
                free = (each for each in others if seed < each < ends[seed])
                members = [seed, *sorted(each for each in free if not self._taken[each])][:MOST]
                if len(members) >= LEAST:
                    self._taken[members] = True
                    yield members

    def _near(self, start: int, stop: int, end: int) -> Bools:
        """Return which of `start` to `end` lie near each of `start` to `stop`."""
        rows = self._rows[start:end]
        if not self._vectors.shape[1]:
            return np.zeros((stop - start, end - start), np.bool_)
        seeds = self._vectors[rows[: stop - start]]
        near = np.zeros((stop - start, end - start), np.bool_)
        for first in range(0, end - start, _WIDTH):
            others = self._vectors[rows[first : first + _WIDTH]]
            near[:, first : first + _WIDTH] = seeds @ others.T >= COSINE
        has = self._embedded[rows]
        return near & has & has[: stop - start, None]

    def _sharing(self, seed: int, end: int) -> Iterable[int]:
        for key in self._all[seed].keys:
            members = self._by_key[key]
            yield from members[bisect_right(members, seed) : bisect_left(members, end)]

    def _of_one_key(self) -> Iterator[list[int]]:
        """Yield those that tell of the same, whenever it was."""
        for key in sorted(self._by_key):
            free = [each for each in self._by_key[key] if not self._taken[each]]
            for start in range(0, len(free), MOST):
                members = free[start : start + MOST]
                if len(members) >= LEAST:
                    self._taken[members] = True
                    yield members
