"""Full text: BM25 over the words of fragments, by tantivy, on disk or in memory.

Source of the ranking: Robertson & Zaragoza (2009), as tantivy implements it: k1 1.2, b 0.75.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from pathlib import Path

import numpy as np
import tantivy
from tantivy import FieldType, Occur, Query

from hairem_core.memory.arrays import Floats, Ints
from hairem_core.memory.days import without_days
from hairem_core.memory.folder import make_private
from hairem_core.memory.fragment import Fragment, Kind
from hairem_core.memory.interpret.slots import words_of_slot
from hairem_core.memory.language import LANGUAGES, analyzer, date_words
from hairem_core.memory.recall.columns import milliseconds
from hairem_core.memory.recall.telling import telling
from hairem_core.memory.scope import READER_FIELD, Scope, readers
from hairem_core.memory.zone import bounds, local

_LOGGER = logging.getLogger(__name__)
FORMAT = "7"
"""Of what is indexed, and how. An index of another format is made anew."""
_HEAP = 15_000_000
"""Bytes of the writer's buffer: the least that tantivy takes."""
_TIE = 0.1
"""Share of the weaker language's score. A word found in both languages is still one word."""
_OWN = 2
"""How often a fragment's own words count beside those around it."""
_MENTIONED = 0.02
"""Share of its score that "today" keeps where that day is looked for: on any other, "today" was
that one. What has the word is found after what was said on the day.
"""
_DATED = 0.3
"""Share of a day's score that its words have in what was said on another one."""
_NARROW = 3
"""Who sees less than one fragment in so many has the others left out word by word. Measured: of one
in ten, that takes 0.6 of the time; of all, 1.5.
"""
_LONG_AGO, _FAR_OFF = -(2**63), 2**63 - 1
"""The least and the greatest number that the index holds: what lies before 1970 is below 0."""
_SUMS = "sums.json"
_STAMP_FIELD, _STAMP = "stamp", "stamp"


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a question is limited to; times are in milliseconds since 1970."""

    kinds: tuple[Kind, ...] = ()
    """Empty: all."""
    about: tuple[str, ...] = ()
    """Keys of entities, of which one at least must be named; empty: whatever."""
    since: int | None = None
    """Said then or later."""
    until: int | None = None
    """Said then or before."""


class TextIndex:
    """Finds fragments by their words. Its methods block: call them in a thread, one writer."""

    def __init__(self, folder: Path | None, zone: tzinfo | None = None) -> None:
        """Open the index in a folder, or make it; None keeps it in memory. Raises ValueError.

        `zone` is that of the days under which fragments are found; None is the system's.
        """
        self._zone = zone
        self._schema = _schema()
        self._folder = folder
        self._sums: dict[str, str] = {}
        if folder is None:
            self._index = tantivy.Index(self._schema)
        else:
            make_private(folder)
            self._sums = _checked(folder)
            self._index = tantivy.Index(self._schema, str(folder))
        # A commit is made visible by `commit` itself: the watcher that would do it too competes
        # with it for a lock, and the loser waits 100 ms.
        self._index.config_reader(reload_policy="manual")
        self._analyzers = {language: analyzer(language) for language in LANGUAGES}
        for language, each in self._analyzers.items():
            self._index.register_tokenizer(language, each)
        self._writer: tantivy.IndexWriter | None = self._index.writer(_HEAP, 1)
        self._index.reload()

    def stamp(self) -> str:
        """Return what was given to the last `commit`, or nothing."""
        searcher = self._index.searcher()
        query = Query.term_query(self._schema, _STAMP_FIELD, _STAMP, "basic")
        hits = searcher.search(query, 1).hits
        return str(searcher.doc(hits[0][1]).get_first("value")) if hits else ""

    def commit(
        self,
        *,
        put: Iterable[tuple[Fragment, Sequence[str]]],
        remove: Iterable[int],
        stamp: str,
    ) -> None:
        """Take fragments in, in the place of those with the same number, and let others go.

        With each come the texts around it, which find it too, if not as well as its own. All of it
        is there afterwards, or nothing. Raises OSError, ValueError, RuntimeError: then it may be
        tried again.
        """
        try:
            writer = self._writer = self._writer or self._index.writer(_HEAP, 1)
            for seq in remove:
                writer.delete_documents_by_term("seq", seq)
            for fragment, around in put:
                writer.delete_documents_by_term("seq", fragment.seq)
                writer.add_document(_document(fragment, around, self._zone))
            writer.delete_documents_by_term(_STAMP_FIELD, _STAMP)
            mark = tantivy.Document()
            mark.add_text(_STAMP_FIELD, _STAMP)
            mark.add_text("value", stamp)
            writer.add_document(mark)
            writer.commit()
            self._index.reload()
            if self.stamp() != stamp:
                # After an error of the disk a writer takes documents, and keeps none.
                raise ValueError("what was written is not there")
        except BaseException:
            self._writer = None  # it may be dead, and half of this is in it
            raise
        self._note_sums()

    def __len__(self) -> int:
        """Return how many fragments it holds."""
        return int(self._index.searcher().num_docs) - bool(self.stamp())

    def words(self, text: str) -> bool:
        """Return whether a text has words that say something."""
        return any(each.analyze(text) for each in self._analyzers.values())

    def spoken_on(self, days: Sequence[date], scope: Scope, filters: Filters) -> list[date]:
        """Return on which of some days something was said that may be found."""
        limits = self._limits(filters)
        if (mine := scope.text_query(self._schema)) is not None:
            limits.append(mine)
        musts = [(Occur.Must, each) for each in limits]
        searcher = self._index.searcher()

        def has_any(day: date) -> bool:
            query = Query.boolean_query([*musts, (Occur.Must, self._said_on(day))])
            return bool(searcher.search(query, 1, count=False).hits)

        return [day for day in days if has_any(day)]

    def search(
        self,
        text: str,
        scope: Scope,
        filters: Filters,
        *,
        limit: int,
        days: Sequence[date] = (),
    ) -> tuple[Ints, Floats]:
        """Return numbers and BM25 scores of the best `limit` fragments, best first.

        `days` are those of which the text speaks as "today": they are found by their dates.
        """
        searcher = self._index.searcher()
        mine, limits = scope.text_query(self._schema), self._limits(filters)
        # Whose it is: of the few who may see it, few hits of each word are left to be scored.
        is_narrow = mine is not None and _NARROW * self._seen(scope, searcher) < searcher.num_docs
        query = self._query(text, days, mine if is_narrow else None)
        if query is None:
            return np.zeros(0, np.int64), np.zeros(0)
        if mine is not None and not is_narrow:
            limits.append(mine)
        if limits:
            musts = [(Occur.Must, Query.const_score_query(each, 0.0)) for each in limits]
            query = Query.boolean_query([*musts, (Occur.Must, query)])
        hits = searcher.search(query, limit, count=False).hits
        seqs = searcher.fast_field_values("seq", [address for _, address in hits])
        scores = [score for score, _ in hits]
        return np.asarray(seqs, np.int64), np.asarray(scores, np.float64)

    def about(self, keys: Sequence[str], scope: Scope) -> Ints:
        """Return the numbers of all fragments about one of these entities."""
        query = self._any("about", keys)
        if (mine := scope.text_query(self._schema)) is not None:
            query = Query.boolean_query([(Occur.Must, mine), (Occur.Must, query)])
        searcher = self._index.searcher()
        hits = searcher.search(query, max(1, searcher.num_docs), count=False).hits
        seqs = searcher.fast_field_values("seq", [address for _, address in hits])
        return np.asarray(seqs, np.int64)

    def close(self) -> None:
        """End what is under way. It can still be searched, and opens again with a `commit`."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.wait_merging_threads()
            self._note_sums()
        except (OSError, ValueError, RuntimeError) as err:
            _LOGGER.warning("The text index was not closed as it should be: %s", err)

    def _note_sums(self) -> None:
        """Write down the checksums of the files: tantivy does not look at its own."""
        if self._folder is None:
            return
        whole = _segments(self._folder)
        names = {each.name for each in self._folder.iterdir() if each.name[:32] in whole}
        sums = {name: self._sums.get(name) or _sum(self._folder / name) for name in names}
        if sums != self._sums:
            fresh = self._folder / f"{_SUMS}.new"
            fresh.write_text(json.dumps(sums), encoding="utf-8")
            fresh.replace(self._folder / _SUMS)
            self._sums = sums

    def _query(self, text: str, days: Sequence[date], mine: Query | None) -> Query | None:
        """Return: any of the words, or one of the days; the better of the two languages counting.

        With `mine`, each word counts in those fragments alone.
        """
        by_language = []
        beside = without_days(text) if days else text
        for language, each in self._analyzers.items():
            terms, full = [], set(each.analyze(beside))
            for word in sorted(set(each.analyze(text))):
                term = self._term(language, word)
                terms.append(term if word in full else Query.boost_query(term, _MENTIONED))
            if days:
                dates = [self._day(day, language) for day in days]
                terms.append(Query.disjunction_max_query(dates))
            if mine is not None:
                terms = [
                    Query.boolean_query([(Occur.Must, mine), (Occur.Must, term)]) for term in terms
                ]
            if terms:
                by_language.append(Query.boolean_query([(Occur.Should, term) for term in terms]))
        return Query.disjunction_max_query(by_language, _TIE) if by_language else None

    def _term(self, language: str, word: str) -> Query:
        return Query.term_query(self._schema, language, word, "freq")

    def _day(self, day: date, language: str) -> Query:
        """Return: all the words of a date, which count in full for what was said on that day.

        Said on another one, "dinner on 8 May" may be of it, and "dinner at 8" in May is not.
        """
        words = self._analyzers[language].analyze(date_words(day, language))
        dated = Query.boolean_query([(Occur.Must, self._term(language, each)) for each in words])
        said = Query.const_score_query(self._said_on(day), 0.0)
        own = Query.boolean_query([(Occur.Must, said), (Occur.Must, dated)])
        return Query.disjunction_max_query([own, Query.boost_query(dated, _DATED)])

    def _said_on(self, day: date) -> Query:
        start, end = bounds(day, self._zone)
        return self._between(milliseconds(start), milliseconds(end) - 1)

    def _between(self, since: int, until: int) -> Query:
        return Query.range_query(self._schema, "at", FieldType.Integer, since, until)

    @staticmethod
    def _seen(scope: Scope, searcher: tantivy.Searcher) -> int:
        """Return how many fragments may be seen, at most."""
        return sum(int(searcher.doc_freq(READER_FIELD, each)) for each in scope.readers())

    def _limits(self, filters: Filters) -> list[Query]:
        limits: list[Query] = []
        if filters.kinds:
            limits.append(self._any("kind", filters.kinds))
        if filters.about:
            limits.append(self._any("about", filters.about))
        if filters.since is not None or filters.until is not None:
            since = _LONG_AGO if filters.since is None else filters.since
            until = _FAR_OFF if filters.until is None else filters.until
            limits.append(self._between(since, until))
        return limits

    def _any(self, field: str, values: Sequence[str]) -> Query:
        terms = [Query.term_query(self._schema, field, each, "basic") for each in values]
        return Query.boolean_query([(Occur.Should, each) for each in terms])


def _segments(folder: Path) -> set[str]:
    """Return how the names of files begin that tantivy changes no more.

    Other files may be of a merge that is under way.
    """
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return {each["segment_id"].replace("-", "") for each in meta["segments"]}


def _sum(file: Path) -> str:
    try:
        return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
    except FileNotFoundError:
        return ""  # merged into another one a moment ago


def _checked(folder: Path) -> dict[str, str]:
    """Return the checksums of an index's files. Raises ValueError where one does not hold."""
    try:
        sums: dict[str, str] = json.loads((folder / _SUMS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    there = {each.name for each in folder.iterdir()}
    for name, known in sums.items():
        if name in there and known and _sum(folder / name) != known:
            raise ValueError(f"{name} is damaged")
    return {name: known for name, known in sums.items() if name in there}


def discard(folder: Path) -> None:
    """Delete an index."""
    shutil.rmtree(folder, ignore_errors=True)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    # Signed: by a term of an unsigned field tantivy-py 0.27 deletes nothing, and says nothing.
    builder.add_integer_field("seq", indexed=True, fast=True)
    builder.add_integer_field("at", indexed=True, fast=True)
    for field in (READER_FIELD, "kind", "about", _STAMP_FIELD):
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("value", stored=True, tokenizer_name="raw", index_option="basic")
    for language in LANGUAGES:
        builder.add_text_field(language, tokenizer_name=language, index_option="freq")
    return builder.build()


def _document(fragment: Fragment, around: Sequence[str], zone: tzinfo | None) -> tantivy.Document:
    document = tantivy.Document()
    document.add_integer("seq", fragment.seq)
    document.add_integer("at", milliseconds(fragment.at))
    document.add_text("kind", fragment.kind)
    for reader in readers(fragment):
        document.add_text(READER_FIELD, reader)
    for key in fragment.about:
        document.add_text("about", key)
    at, told = local(fragment.at, zone), telling(fragment)
    for language in LANGUAGES:
        date = date_words(at, language)
        slot = words_of_slot(told[1]) if told is not None else ""
        text = "\n".join([*[fragment.content] * _OWN, date, slot, *around])
        document.add_text(language, text)
    return document
