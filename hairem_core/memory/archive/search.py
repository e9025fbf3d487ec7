"""Recall from cold storage: slower and plainer than from the warm one, and rarely asked for.

No index of words is kept: the candidates are read, row by row, and ranked here.
"""

import heapq
import math
from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hairem_core.memory.archive.selection import Condition, Selection
from hairem_core.memory.archive.tables import FRAGMENT, VECTOR
from hairem_core.memory.arrays import Floats
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.language import words_of

_MOST_WORDS = 64
"""Of a question; the longest say most."""
_AT_ONCE = 1000
"""Rows."""


@dataclass(frozen=True, kw_only=True)
class ArchiveHit:
    """An archived fragment that was found."""

    fragment: Fragment
    score: float
    """From 0 to 1: what of `words` and `cosine` there is, in equal parts."""
    words: float
    """From 0 to 1: how much of the question's words it has, rare ones counting more."""
    cosine: float | None
    """From -1 to 1; None without vectors of one model."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A candidate, before it is read in whole."""

    id: UUID
    score: float
    words: float
    cosine: float | None


async def rank(
    connection: AsyncConnection,
    query: str,
    where: Condition,
    selection: Selection,
    *,
    limit: int,
    vector: Floats | None,
    model: str | None,
) -> list[Ranked]:
    """Return the best `limit` of the fragments for which `where` holds, best first.

    `vector` has shape (dimensions,) and length 1, and is of `model`.
    """
    words = sorted(words_of(query), key=lambda word: (-len(word), word))[:_MOST_WORDS]
    lexical = await _by_words(connection, words, where, selection) if words else {}
    cosines: dict[UUID, float] = {}
    if vector is not None and model is not None:
        cosines = await _by_vector(
            connection, np.asarray(vector, np.float32), model, where, selection, lexical, limit
        )
    found = []
    for each in {*lexical, *cosines}:
        shared, cosine = lexical.get(each, 0.0), cosines.get(each)
        score = shared if cosine is None else (shared + max(0.0, cosine)) / 2
        found.append(Ranked(id=each, score=score, words=shared, cosine=cosine))
    # The id decides between equals: the same question finds the same.
    return heapq.nsmallest(limit, found, key=lambda each: (-each.score, each.id))


async def _by_words(
    connection: AsyncConnection, words: list[str], where: Condition, selection: Selection
) -> dict[UUID, float]:
    """Return what has one of the words, and how much of them."""
    columns = FRAGMENT.c
    total = await connection.scalar(sa.select(sa.func.count()).select_from(FRAGMENT).where(where))
    has_one = sa.or_(*(columns.words.contains(f" {word} ", autoescape=True) for word in words))
    statement = sa.select(columns.id, columns.words, *selection.columns())
    matches: dict[UUID, list[int]] = {}
    frequency: Counter[int] = Counter()
    async with connection.stream(statement.where(where, has_one)) as rows:
        async for part in rows.partitions(_AT_ONCE):
            for row in part:
                if not selection.admits_row(row):
                    continue
                has = [number for number, word in enumerate(words) if f" {word} " in row.words]
                matches[row.id] = has
                frequency.update(has)
    rarity = [_idf(total or 0, frequency[number]) for number in range(len(words))]
    whole = sum(rarity)
    return {each: sum(rarity[number] for number in has) / whole for each, has in matches.items()}


def _idf(total: int, having: int) -> float:
    """Return how much a word says. Source: Robertson & Zaragoza (2009), BM25, never below 0."""
    return math.log1p((max(0, total - having) + 0.5) / (having + 0.5))


async def _by_vector(
    connection: AsyncConnection,
    vector: Floats,
    model: str,
    where: Condition,
    selection: Selection,
    lexical: dict[UUID, float],
    limit: int,
) -> dict[UUID, float]:
    """Return the cosines of the nearest `limit`, and of all that are in `lexical`."""
    columns = FRAGMENT.c
    statement = (
        sa.select(columns.id, *selection.columns(), VECTOR.c.vector)
        .join(VECTOR, VECTOR.c.fragment_id == columns.id)
        .where(where, VECTOR.c.model == model)
    )
    size = 2 * len(vector)
    found: dict[UUID, float] = {}
    nearest: list[tuple[float, UUID]] = []
    async with connection.stream(statement) as rows:
        async for part in rows.partitions(_AT_ONCE):
            kept = [row for row in part if len(row.vector) == size and selection.admits_row(row)]
            if not kept:
                continue
            matrix = np.frombuffer(b"".join(row.vector for row in kept), "<f2")
            cosines = matrix.reshape(len(kept), -1).astype(np.float32) @ vector
            pairs = [(float(cosine), row.id) for cosine, row in zip(cosines, kept, strict=True)]
            found |= {each: cosine for cosine, each in pairs if each in lexical}
            nearest = heapq.nlargest(limit, [*nearest, *pairs])
    return found | {each: cosine for cosine, each in nearest}
