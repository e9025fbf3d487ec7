"""The score of recall, and why it came.

    (words + 1.5 * meaning) * (0.9 + 0.1 * strength)
        * (1 + 0.2 if said by the one person asked about) * (0.6 if a fact of somebody else)
        * (1 - 0.15 if it asks something) * (1 + 0.1 if it follows on a question)

A fact or note that tells just what is asked for, of the one person asked about, comes first.

`words` is BM25 of the fragment, its date, and what was said around it; `meaning` the cosine of the
question with the fragment's vector plus 0.3 of its neighbours', had from the exact scan without a
second embedding; each is divided by the best one's. Tuned on five conversations of LoCoMo (Maharana
et al., 2024); `hairem bench recall` measures it. Strength is a bounded nudge: as a free factor it
drowns what is asked for in what is new.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

import numpy as np

from hairem_core.memory.arrays import Bools, Floats, Ints, Vectors
from hairem_core.memory.days import without_days
from hairem_core.memory.decay import strengths
from hairem_core.memory.fragment import KINDS, Kind
from hairem_core.memory.interpret.slots import words_of_question
from hairem_core.memory.recall.asked import Asked
from hairem_core.memory.recall.codes import NOBODY
from hairem_core.memory.recall.columns import (
    FOREVER,
    NEIGHBOUR,
    Columns,
    event_mark,
    milliseconds,
)
from hairem_core.memory.recall.text import Filters, TextIndex
from hairem_core.memory.recall.whom import people_asked_about
from hairem_core.memory.scope import Scope
from hairem_core.sdk.asking import of_whom
from hairem_core.sdk.recollection import Why

MEANING = 1.5
"""Weight of meaning beside words."""
_SPEAKER = 0.2
_ASKING = 0.15
_ANSWERING = 0.1
_ANOTHERS = 0.6
"""What is left of the score of a fact of somebody else than the one asked about."""
_LEAST_KEPT = 0.9
"""What fading leaves of a score, at least."""
_HITS = 1_000
"""Hits of the text index that are looked at."""
_LEAST_COSINE = 0.15
"""Below this, two texts have nothing to do with each other."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """What is asked of memory."""

    text: str
    limit: int
    impersonal: str = ""
    """The text without names of speakers: see `impersonal`."""
    vector: Vectors | None = None
    """Shape (dimensions,); None goes by words alone."""
    asker: str | None = None
    """Address of the person whose question it is: "my keys" are theirs."""
    kinds: tuple[Kind, ...] = ()
    about: tuple[str, ...] = ()
    """Keys of entities, of which one at least must be named; empty: whatever."""
    since: datetime | None = None
    """Said then or later."""
    until: datetime | None = None
    """Said then or before."""
    as_of: datetime | None = None
    """What was held at this time; None: what holds."""
    days: tuple[date, ...] = ()
    """Those of the house of which it speaks as "today" or "last Monday"."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A fragment that fits."""

    agent: UUID
    fragment_id: UUID
    score: float
    why: Why


@dataclass(eq=False)
class Part:
    """One agent's columns as they are now, while others may be added to them."""

    agent: UUID
    columns: Columns
    start: int = 0
    """Where its rows begin among those of all parts."""
    size: int = field(init=False)
    asked: Asked | None = field(default=None, init=False)
    """The one person whom the question is about; None where it is about nobody, or several."""

    def __post_init__(self) -> None:
        self.size = self.columns.size


def rank(
    text: TextIndex,
    parts: Sequence[Part],
    scope: Scope,
    question: Question,
    now: datetime,
    exclude: frozenset[UUID],
) -> list[Hit]:
    """Return the best `question.limit` fragments of the parts, best first."""
    start = 0
    for part in parts:
        part.start, start = start, start + part.size
        part.asked = _asked(part, scope, question)
    filters = Filters(
        kinds=question.kinds,
        about=question.about,
        since=milliseconds(question.since) if question.since else None,
        until=milliseconds(question.until) if question.until else None,
    )
    allowed = np.concatenate([_allowed(part, scope, question, exclude) for part in parts])
    if question.about:
        allowed &= _rows_mask(text.about(question.about, scope), parts, start)
    days = text.spoken_on(question.days, scope, filters)
    words = _words(text, scope, filters, question, days, parts, start)
    meaning = np.zeros(start, np.float32)
    # "What did we do today?" is near in meaning to whatever else was asked or said of a today.
    is_of_day = bool(days) and not text.words(without_days(question.text))
    if question.vector is not None and not is_of_day:
        meaning = np.concatenate([_meaning(part, question.vector, scope) for part in parts])
    words, meaning = words * allowed, meaning * allowed
    answers = np.concatenate([_answers(part, question) for part in parts])
    matching = np.flatnonzero(allowed & ((words > 0) | (meaning >= _LEAST_COSINE) | answers))
    if not len(matching):
        return []
    words = words[matching] / (words.max() or 1.0)
    meaning = np.maximum(meaning[matching], 0) / (meaning.max() if meaning.max() > 0 else 1.0)
    # Of all rows, few match: what follows looks at these alone.
    rows = [_rows(part, matching) for part in parts]
    left = np.concatenate([_strengths(*each, now) for each in zip(parts, rows, strict=True)])
    score = after_fading(words + MEANING * meaning, left)
    score *= np.concatenate([_tilt(*each) for each in zip(parts, rows, strict=True)])
    if of_whom(question.text) is not None:
        # Of all that is known of somebody, what matters comes first.
        matters = [part.columns.importance[each] for part, each in zip(parts, rows, strict=True)]
        score = np.where(answers[matching], np.concatenate(matters), score)
    score = np.where(answers[matching], score + score.max(), score)
    hits: list[Hit] = []
    seen: set[tuple[UUID, str, int]] = set()
    for index in _best_first(score, question.limit):
        part, row = _locate(parts, int(matching[index]))
        marks = _marks(part, row)
        if marks & seen:
            continue
        seen |= marks
        why = Why(
            words=round(float(words[index]), 4),
            meaning=round(float(meaning[index]), 4),
            strength=round(float(left[index]), 4),
            is_answer=bool(answers[matching[index]]),
        )
        hits.append(
            Hit(
                agent=part.agent,
                fragment_id=part.columns.uuid(row),
                score=float(score[index]),
                why=why,
            )
        )
        if len(hits) == question.limit:
            break
    return hits


def _best_first(score: Floats, limit: int) -> Iterator[int]:
    """Yield the places of scores, the highest first; some may come twice.

    Of many only the first few are wanted: sorting them all would take longer than scoring them.
    """
    likely = max(64, 4 * limit)
    if likely < len(score):
        top = np.sort(np.argpartition(-score, likely)[:likely])
        yield from top[np.argsort(-score[top], kind="stable")].tolist()
    yield from np.argsort(-score, kind="stable").tolist()


def after_fading[T: (float, Floats)](score: T, strength: T) -> T:
    """Return what fading leaves of a score: never less than 0.9 of it."""
    return score * (_LEAST_KEPT + (1 - _LEAST_KEPT) * strength)


def _allowed(part: Part, scope: Scope, question: Question, exclude: frozenset[UUID]) -> Bools:
    """Return which rows may be found; shape (size,)."""
    columns, size = part.columns, part.size
    allowed: Bools = columns.live[:size].copy()
    allowed &= scope.admitted(part.agent, columns.shared[:size])
    allowed &= _holds(part, question)
    if question.kinds:
        kinds = [KINDS.index(each) for each in question.kinds]
        allowed &= np.isin(columns.kind[:size], kinds)
    if question.since is not None:
        allowed &= columns.at[:size] >= milliseconds(question.since)
    if question.until is not None:
        allowed &= columns.at[:size] <= milliseconds(question.until)
    if exclude:
        marks = [event_mark(each) for each in exclude]
        allowed &= ~np.isin(columns.event[:size], marks)
    return allowed


def _holds(part: Part, question: Question) -> Bools:
    """Return which rows hold, or held at the time asked for; shape (size,)."""
    columns, size = part.columns, part.size
    if question.as_of is None:
        holds: Bools = columns.valid_to[:size] == FOREVER
        return holds
    then = milliseconds(question.as_of)
    held: Bools = (columns.valid_from[:size] <= then) & (then < columns.valid_to[:size])
    return held


def _asked(part: Part, scope: Scope, question: Question) -> Asked | None:
    columns, size = part.columns, part.size
    people = people_asked_about(
        question.text, columns.codes.speakers, question.asker, columns.codes.of_people
    )
    if len(people) != 1:
        return None
    seen = columns.live[:size] & scope.admitted(part.agent, columns.shared[:size])
    (person,) = people
    return Asked(person, columns, size, seen, _holds(part, question))


def _words(
    text: TextIndex,
    scope: Scope,
    filters: Filters,
    question: Question,
    days: Sequence[date],
    parts: Sequence[Part],
    size: int,
) -> Floats:
    """Return BM25 of every row, 0 of those beyond the best; shape (size,)."""
    asked = question.impersonal if text.words(question.impersonal) else question.text
    seqs, scores = text.search(asked, scope, filters, limit=_HITS, days=days)
    words = np.zeros(size, np.float32)
    for part in parts:
        rows = part.columns.rows_of(seqs, part.size)
        found = rows != NOBODY
        words[part.start + rows[found]] = scores[found]
    return words


def _rows_mask(seqs: Ints, parts: Sequence[Part], size: int) -> Bools:
    mask = np.zeros(size, np.bool_)
    for part in parts:
        rows = part.columns.rows_of(seqs, part.size)
        mask[part.start + rows[rows != NOBODY]] = True
    return mask


def _meaning(part: Part, vector: Vectors, scope: Scope) -> Floats:
    """Return the cosine of the question with each row and its neighbours; shape (size,)."""
    columns, size = part.columns, part.size
    # Taken once: while this is worked out, the vectors of another model may come in their place.
    vectors = columns.vectors[:size]
    if vectors.shape[1] != len(vector):
        return np.zeros(size, np.float32)
    # `@` would wake the threads of BLAS: on a busy machine that costs ten times what it saves.
    cosines: Floats = np.vecdot(vectors, vector)
    if not scope.sees_all_of(part.agent):
        return cosines  # what is shared must not be found by what is not, beside it
    padded = np.append(cosines, np.float32(0))  # row NOBODY, which is -1, is the last one
    before, after = columns.previous[:size], columns.next[:size]
    # What was appended after this part was taken is not in it.
    near = padded + 0
    near[:size] += NEIGHBOUR * (padded[before] + padded[np.where(after < size, after, NOBODY)])
    length = columns.near[:size]
    cosine: Floats = np.where(length > 0, near[:size] / np.maximum(length, 1e-6), 0)
    return cosine


def _rows(part: Part, matching: Ints) -> Ints:
    """Return which rows of a part are among the matching ones of all parts, in their order."""
    first, last = np.searchsorted(matching, (part.start, part.start + part.size))
    rows: Ints = matching[first:last] - part.start
    return rows


def _strengths(part: Part, rows: Ints, now: datetime) -> Floats:
    columns = part.columns
    return strengths(
        now,
        columns.last_used[rows],
        columns.importance[rows],
        columns.uses[rows],
        columns.pinned[rows],
    )


def _answers(part: Part, question: Question) -> Bools:
    """Return which rows are just what is asked for: "Where do I live?" has no word in common with
    "I moved to Lyon", and all with what others say of where they live; shape (size,).
    """
    if part.asked is None:
        return np.zeros(part.size, np.bool_)
    if of_whom(question.text) is not None:
        return part.asked.everything()
    return part.asked.answers(words_of_question(question.text))


def _tilt(part: Part, rows: Ints) -> Floats:
    """Return what a row's kind makes of its score; shape (len(rows),)."""
    columns, size = part.columns, part.size
    tilt: Floats = 1 - _ASKING * columns.asks[rows].astype(np.float32)
    before = columns.previous[rows]
    tilt = tilt * (1 + _ANSWERING * (columns.asks[before] & (before != NOBODY)))
    if part.asked is None:
        return tilt
    owner = part.asked.person.key
    codes = [code for code, (who, _) in enumerate(columns.codes.speakers) if who == owner]
    tilt = tilt * (1 + _SPEAKER * np.isin(columns.speaker[rows], codes))
    # Of the favourite colours of ten people, nine are not asked for.
    others = part.asked.others()
    if not others.any():
        return tilt
    # And neither are the words in which the nine told theirs.
    events, strangers = columns.event[:size], others & ~part.asked.family()
    told = np.isin(events[rows], events[strangers & (events != 0)])
    return np.where(others[rows] | told, tilt * _ANOTHERS, tilt)


def _locate(parts: Sequence[Part], index: int) -> tuple[Part, int]:
    for part in parts:
        if index < part.start + part.size:
            return part, index - part.start
    raise AssertionError("unreachable")


def _marks(part: Part, row: int) -> set[tuple[UUID, str, int]]:
    """Return what a result must not have in common with one before it.

    The same words of the same speaker, and another fragment of the same event.
    """
    marks = {(part.agent, "words", int(part.columns.words[row]))}
    if event := int(part.columns.event[row]):
        marks.add((part.agent, "event", event))
    return marks
