"""What recall ought to find: its formula worked out for everything, in plain NumPy.

Nothing here is taken from the index: BM25 is counted from the texts, neighbours are found by
conversation, every fragment is scored. Only the question's wording and the law of fading are the
memory's own.
"""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from benchmarks._house import Said
from hairem_core.memory.arrays import Bools, Floats, Ints, Vectors
from hairem_core.memory.decay import strengths
from hairem_core.memory.interpret.triage import importance_of
from hairem_core.memory.language import LANGUAGES, analyzer, date_words
from hairem_core.memory.recall.columns import milliseconds
from hairem_core.memory.recall.whom import impersonal

_K1, _B = 1.2, 0.75
_OWN, _REACH, _TIE = 2, 2, 0.1
_LEAST_COSINE = 0.15
_MEANING, _NEIGHBOUR = 1.5, 0.3
_SPEAKER, _ASKING, _ANSWERING, _LEAST_KEPT = 0.2, 0.15, 0.1, 0.9


class Exact:
    """The formula over all that was said, for a fixed set of questions."""

    def __init__(
        self, sayings: Sequence[Said], agents: Ints, vectors: Vectors, questions: Sequence[str]
    ) -> None:
        """`agents`: whose each saying is, by number; `vectors`: of length 1, one for each."""
        self._sayings, self._agents = sayings, agents
        self._names = sorted({each.speaker for each in sayings})
        self.wording = {each: impersonal(each, self._names) for each in questions}
        self._words = {
            language: _Bm25(sayings, language, list(self.wording.values()))
            for language in LANGUAGES
        }
        conversation = np.array([each.conversation for each in sayings])
        self._follows = np.r_[False, conversation[1:] == conversation[:-1]]
        self._leads = np.r_[self._follows[1:], False]
        self._vectors = vectors
        self._held: dict[int | None, Vectors] = {}
        near = self._spread(vectors)
        self._lengths = np.linalg.norm(near, axis=1)
        self._asks = np.array(["?" in each.text for each in sayings])
        self._speaker = np.array([each.speaker for each in sayings])
        self._used = np.array([milliseconds(each.at) for each in sayings])
        self._importance = np.array(
            [importance_of(each.text, by_agent=False) for each in sayings], np.float32
        )

    def best(
        self,
        question: str,
        vector: Vectors,
        agent: int | None,
        now: datetime,
        *,
        count: int = 10,
        with_words: bool = True,
    ) -> list[int]:
        """Return the numbers of the best, best first; `agent` None: of all that was said."""
        mine = np.ones(len(self._agents), np.bool_) if agent is None else self._agents == agent
        cosines = self._spread(self._vectors @ vector) / self._lengths
        meaning = np.maximum(cosines, 0) * mine
        words = np.zeros(len(mine))
        if with_words:
            words = self._bm25(self.wording[question]) * mine
        score = _MEANING * meaning / (meaning.max() or 1) + words / (words.max() or 1)
        score = score * self._tilt(question) * self._kept(now)
        score = score * (mine & ((words > 0) | (meaning >= _LEAST_COSINE)))
        found: list[int] = []
        seen: set[tuple[int, str, str]] = set()
        for number in np.argsort(-score, kind="stable"):
            if score[number] <= 0:
                break  # nothing to do with the question
            each = self._sayings[number]
            mark = (int(self._agents[number]), each.speaker, each.text.casefold())
            if mark not in seen:
                seen.add(mark)
                found.append(int(number))
            if len(found) == count:
                break
        return found

    def scan(self, vector: Vectors, agent: int | None) -> Ints:
        """Return the ten rows of an agent's vectors that are nearest: an exact scan, and no more.

        `agent` None: of all vectors.
        """
        if agent not in self._held:
            self._held[agent] = (
                self._vectors if agent is None else self._vectors[self._agents == agent]
            )
        cosines = np.vecdot(self._held[agent], vector)
        nearest: Ints = np.argpartition(-cosines, min(10, len(cosines) - 1))[:10]
        return nearest

    def _bm25(self, wording: str) -> Floats:
        each = np.stack([found.scores(wording) for found in self._words.values()])
        best = each.max(axis=0)
        total: Floats = best + _TIE * (each.sum(axis=0) - best)
        return total

    def _tilt(self, question: str) -> Floats:
        named = {name for name in self._names if name.casefold() in question.casefold()}
        said_by = self._speaker == next(iter(named)) if len(named) == 1 else self._asks & False
        answers = self._follows & np.r_[False, self._asks[:-1]]
        tilt: Floats = (
            (1 + _SPEAKER * said_by) * (1 - _ASKING * self._asks) * (1 + _ANSWERING * answers)
        )
        return tilt

    def _kept(self, now: datetime) -> Floats:
        uses, pinned = np.zeros_like(self._used), self._asks & False
        left = strengths(now, self._used, self._importance, uses, pinned)
        return _LEAST_KEPT + (1 - _LEAST_KEPT) * left

    def _spread(self, values: Floats) -> Floats:
        """Return values plus 0.3 of those before and after, within the conversation."""
        near = values.copy()
        near[1:] += _NEIGHBOUR * values[:-1] * _column(self._follows[1:], values)
        near[:-1] += _NEIGHBOUR * values[1:] * _column(self._leads[:-1], values)
        return near


class _Bm25:
    """BM25 as tantivy has it, of the words that are asked for, over the texts and those around."""

    def __init__(self, sayings: Sequence[Said], language: str, questions: Sequence[str]) -> None:
        self._analyzer = analyzer(language)
        wanted = {word for each in questions for word in self._analyzer.analyze(each)}
        own = [self._analyzer.analyze(each.text) for each in sayings]
        kept = [[word for word in each if word in wanted] for each in own]
        dates: dict[str, list[str]] = {}
        lengths = np.zeros(len(sayings))
        found: dict[str, list[tuple[int, int]]] = {}
        for place, each in enumerate(sayings):
            day = date_words(each.at, language)
            date = dates.setdefault(day, self._analyzer.analyze(day))
            near = _around(sayings, place)
            lengths[place] = (
                _OWN * len(own[place]) + len(date) + sum(len(own[other]) for other in near)
            )
            counts = Counter(_OWN * kept[place] + [word for word in date if word in wanted])
            for other in near:
                counts.update(kept[other])
            for word, count in counts.items():
                found.setdefault(word, []).append((place, count))
        relative = _kept_lengths()[np.searchsorted(_kept_lengths(), lengths, side="right") - 1]
        relative = relative / lengths.mean()
        self._size = len(sayings)
        self._postings: dict[str, tuple[Ints, Floats]] = {}
        for word, places in found.items():
            rows, times = np.array(places).T
            weight = math.log(1 + (self._size - len(rows) + 0.5) / (len(rows) + 0.5))
            saturated = times * (_K1 + 1) / (times + _K1 * (1 - _B + _B * relative[rows]))
            self._postings[word] = rows, weight * saturated

    def scores(self, wording: str) -> Floats:
        """Return the score of each text; shape (texts,)."""
        scores = np.zeros(self._size)
        for word in set(self._analyzer.analyze(wording)):
            if word in self._postings:
                rows, values = self._postings[word]
                scores[rows] += values
        return scores


def _around(sayings: Sequence[Said], place: int) -> list[int]:
    low, high = max(0, place - _REACH), min(len(sayings), place + _REACH + 1)
    conversation = sayings[place].conversation
    return [
        other
        for other in range(low, high)
        if other != place and sayings[other].conversation == conversation
    ]


def _column(mask: Bools, values: Floats) -> Bools:
    return mask.reshape((-1,) + (1,) * (values.ndim - 1))


def _kept_lengths() -> Ints:
    """Return the lengths that a text index tells apart: all up to 40, then ever fewer.

    Source: Lucene's SmallFloat.intToByte4, which tantivy's fieldnorms follow.
    """
    lengths = list(range(41))
    step = 2
    while len(lengths) < 256:
        lengths += [lengths[-1] + step * number for number in range(1, 9)]
        step *= 2
    return np.array(lengths[:256])
