"""Plain retrieval, exact and by itself, which recall is measured beside; and how well it does."""

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks._report import percentile
from hairem_core.memory.arrays import Floats, Vectors
from hairem_core.memory.language import analyzer

_K1, _B = 1.2, 0.75


class Bm25:
    """BM25 over texts, English stems without small words; all in memory, every text scored.

    Source: Robertson & Zaragoza (2009), eq. 3.15, with the +1 in the logarithm that keeps frequent
    words from counting against a text.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._words = analyzer("english")
        counts = [Counter(self._words.analyze(each)) for each in texts]
        lengths = np.array([each.total() for each in counts], np.float64)
        self._size = len(texts)
        relative = lengths / (lengths.mean() if lengths.any() else 1.0)
        found: dict[str, list[tuple[int, int]]] = {}
        for row, each in enumerate(counts):
            for word, count in each.items():
                found.setdefault(word, []).append((row, count))
        self._postings: dict[str, tuple[Floats, Floats]] = {}
        for word, places in found.items():
            rows, times = np.array(places).T
            weight = math.log(1 + (self._size - len(rows) + 0.5) / (len(rows) + 0.5))
            saturated = times * (_K1 + 1) / (times + _K1 * (1 - _B + _B * relative[rows]))
            self._postings[word] = rows, weight * saturated

    def __call__(self, question: str) -> Floats:
        """Return the score of each text; shape (texts,)."""
        scores = np.zeros(self._size)
        for word in set(self._words.analyze(question)):
            if word in self._postings:
                rows, values = self._postings[word]
                scores[rows] += values
        return scores


def best(scores: Floats, count: int) -> list[int]:
    """Return the places of the `count` highest scores, the highest first; ties by place."""
    order = np.argsort(-scores, kind="stable")[:count]
    return [int(each) for each in order]


def equal_fusion(*scores: Floats) -> Floats:
    """Return the sum of scores, each divided by its best."""
    total: Floats = np.zeros(len(scores[0]))
    for each in scores:
        total = total + np.maximum(each, 0) / (each.max() if each.max() > 0 else 1)
    return total


def windows(texts: Sequence[str], groups: Sequence[object]) -> list[str]:
    """Return each text between the one before and the one after it of the same group."""
    return [
        "\n".join(
            texts[near]
            for near in range(max(0, place - 1), min(len(texts), place + 2))
            if groups[near] == groups[place]
        )
        for place in range(len(texts))
    ]


def cosines(vectors: Vectors, question: Vectors) -> Floats:
    """Return the cosine of a question with each vector, all of length 1."""
    return vectors @ question


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was found for one question, and what should have been."""

    found: list[int]
    """Places of turns, best first, ten at most; -1 for what is no turn."""
    evidence: Collection[int]
    category: str
    seconds: float
    model_seconds: float = 0.0
    """Of `seconds`: what the model of embeddings took."""
    words: int = 0
    """Words in all that was found."""
    by_words_alone: bool = False
    """Whether there was no embedding of the question in time."""

    def recall(self, count: int) -> float:
        """Return the share of the evidence among the first `count`."""
        return len(set(self.found[:count]) & set(self.evidence)) / len(self.evidence)

    def ndcg(self) -> float:
        """Return NDCG@10, each piece of evidence being worth the same.

        Source: Järvelin & Kekäläinen (2002), with the logarithm of rank + 1.
        """
        gained = sum(
            1 / math.log2(rank + 2)
            for rank, place in enumerate(self.found[:10])
            if place in self.evidence
        )
        return gained / sum(1 / math.log2(rank + 2) for rank in range(min(10, len(self.evidence))))


def figures(answers: Sequence[Answer]) -> dict[str, float]:
    """Return means over questions (0 to 1), words that come back, and times without the model's."""
    own = [1000 * (each.seconds - each.model_seconds) for each in answers]
    return {
        **quality(answers),
        "words_returned": round(_mean([each.words for each in answers]), 1),
        "p50_ms": round(percentile(own, 0.5), 3),
        "p95_ms": round(percentile(own, 0.95), 3),
    }


def quality(answers: Sequence[Answer]) -> dict[str, float]:
    """Return evidence recall at 5 and 10, hit at 5, NDCG at 10, each from 0 to 1."""
    values = {
        "recall_at_5": [each.recall(5) for each in answers],
        "recall_at_10": [each.recall(10) for each in answers],
        "hit_at_5": [float(each.recall(5) > 0) for each in answers],
        "ndcg_at_10": [each.ndcg() for each in answers],
    }
    return {name: round(_mean(each), 4) for name, each in values.items()}


def by_category(answers: Sequence[Answer]) -> dict[str, Mapping[str, float]]:
    """Return the same for each category, and how many questions are of it."""
    groups: dict[str, list[Answer]] = {}
    for each in answers:
        groups.setdefault(each.category, []).append(each)
    return {
        name: {"questions": len(group), **quality(group)} for name, group in sorted(groups.items())
    }


def count_words(text: str) -> int:
    """Return how many words a text has."""
    return len(re.findall(r"\S+", text))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
