"""The recall index: full text over what was said, in memory, derived from the store.

It holds ids only; the store stays the one truth. Deleting it loses nothing: it is built when the
store is opened and follows each event that is recorded.
Source of the ranking: BM25, Robertson & Zaragoza (2009), as tantivy implements it.
"""

import asyncio
import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

import tantivy
from tantivy import Occur, Query

from hairem_core.memory.language import LANGUAGES, analyzer

_HEAP = 15_000_000
"""Bytes of the writer's buffer: the least that tantivy takes."""
_GATHER = 0.05
"""Seconds that entries gather before they are committed together, unless a search wants them."""
_WIDEST = 4096
"""Hits looked at, at most, for distinct ones."""
_TIE = 0.1
"""Share of the weaker language's score. A word found in both languages is still one word."""


@dataclass(frozen=True)
class Entry:
    """What the index knows of an event."""

    event_id: UUID
    agents: tuple[str, ...]
    speaker: str
    content: str


class RecallIndex:
    """Finds events by their words. Searching and committing run in a thread."""

    def __init__(self) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("event_id", stored=True, tokenizer_name="raw", index_option="basic")
        # Who said which words: what is said again and again must not crowd out the rest.
        builder.add_text_field("words", stored=True, tokenizer_name="raw", index_option="basic")
        builder.add_text_field("agent", tokenizer_name="raw", index_option="basic")
        for language in LANGUAGES:
            builder.add_text_field(language, tokenizer_name=language, index_option="freq")
        self._schema = builder.build()
        self._index = tantivy.Index(self._schema)
        # A commit is made visible by `_commit` itself: the watcher that would do it too competes
        # with it for a lock, and the loser waits 100 ms.
        self._index.config_reader(reload_policy="manual")
        self._analyzers = {language: analyzer(language) for language in LANGUAGES}
        for language, each in self._analyzers.items():
            self._index.register_tokenizer(language, each)
        self._writer = self._index.writer(_HEAP, 1)
        self._pending: list[Entry] = []
        self._committing: list[Entry] = []
        self._committed: asyncio.Event | None = None
        """Set when the commit under way, or the last one, is visible."""
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._commits: set[asyncio.Task[None]] = set()

    def add(self, entry: Entry) -> None:
        """Take an entry in. It is committed soon, and before the next search at the latest."""
        self._pending.append(entry)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._commit_soon())

    def extend(self, entries: Iterable[Entry]) -> None:
        """Take many entries in, to be committed by `catch_up`."""
        self._pending.extend(entries)

    async def catch_up(self) -> None:
        """Commit what was taken in. A commit takes some 10 ms, so several entries share one."""
        # Shielded: the thread goes on when its turn is cancelled, and must keep the lock meanwhile.
        task = asyncio.create_task(self._commit_pending())
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        await asyncio.shield(task)

    async def search(
        self, agent_id: str | None, text: str, *, limit: int, exclude: Collection[UUID] = ()
    ) -> list[tuple[UUID, float]]:
        """Return ids of the agent's events that share words with `text`, best first, with scores.

        With None, of every agent's events. Of those that one speaker said in the same words, only
        the latest. Nothing when no word of `text` says anything.
        """
        query = self._query(agent_id, text)
        if query is None or limit <= 0:
            return []
        # A turn recalls right after its own words were recorded, and leaves those out: it need not
        # wait for their commit.
        if _concerns(self._pending, agent_id, exclude):
            await self.catch_up()
        elif self._committed is not None and _concerns(self._committing, agent_id, exclude):
            await self._committed.wait()
        return await asyncio.to_thread(self._search, query, limit, frozenset(exclude))

    async def close(self) -> None:
        """End what is under way."""
        if under_way := {*self._commits, *([self._task] if self._task else [])}:
            await asyncio.wait(under_way)
        await asyncio.to_thread(self._writer.wait_merging_threads)

    async def _commit_pending(self) -> None:
        async with self._lock:
            if self._pending:
                self._committing, self._pending = self._pending, []
                self._committed = committed = asyncio.Event()
                try:
                    await asyncio.to_thread(self._commit, self._committing)
                finally:
                    self._committing = []
                    committed.set()

    async def _commit_soon(self) -> None:
        await asyncio.sleep(_GATHER)
        await self.catch_up()

    def _commit(self, entries: list[Entry]) -> None:
        for entry in entries:
            document = tantivy.Document()
            document.add_text("event_id", str(entry.event_id))
            document.add_text("words", _fingerprint(entry))
            for agent in entry.agents:
                document.add_text("agent", agent)
            for language in LANGUAGES:
                document.add_text(language, entry.content)
            self._writer.add_document(document)
        self._writer.commit()
        self._index.reload()

    def _query(self, agent_id: str | None, text: str) -> Query | None:
        """Return: the agent's, and any of the words, the better of the two languages counting."""
        by_language = []
        for language, each in self._analyzers.items():
            words = sorted(set(each.analyze(text)))
            if words:
                terms = [
                    (Occur.Should, Query.term_query(self._schema, language, word, "freq"))
                    for word in words
                ]
                by_language.append(Query.boolean_query(terms))
        if not by_language:
            return None
        matching = Query.disjunction_max_query(by_language, _TIE)
        if agent_id is None:
            return matching
        mine = Query.term_query(self._schema, "agent", agent_id, "basic")
        # Whose it is must hold, and must not count.
        return Query.boolean_query(
            [(Occur.Must, Query.const_score_query(mine, 0.0)), (Occur.Must, matching)]
        )

    def _search(
        self, query: Query, limit: int, exclude: frozenset[UUID]
    ) -> list[tuple[UUID, float]]:
        searcher = self._index.searcher()
        window = 2 * limit + len(exclude)
        while True:
            hits = searcher.search(query, window, count=False).hits
            found: dict[str, tuple[UUID, float]] = {}
            for score, address in hits:
                document = searcher.doc(address)
                event_id = UUID(str(document.get_first("event_id")))
                words = str(document.get_first("words"))
                if event_id in exclude:
                    continue
                # The ids are UUIDv7: the greater one is the later.
                if words not in found or found[words][0] < event_id:
                    found[words] = (event_id, float(score))
            if len(found) >= limit or len(hits) < window or window >= _WIDEST:
                ranked = sorted(found.values(), key=lambda hit: (hit[1], hit[0]), reverse=True)
                return ranked[:limit]
            window *= 4


def _concerns(entries: Iterable[Entry], agent_id: str | None, exclude: Collection[UUID]) -> bool:
    return any(
        (agent_id is None or agent_id in each.agents) and each.event_id not in exclude
        for each in entries
    )


def _fingerprint(entry: Entry) -> str:
    """Return what two events have in common when the same speaker said the same words."""
    words = " ".join(entry.content.casefold().split())
    return hashlib.blake2b(f"{entry.speaker} {words}".encode(), digest_size=16).hexdigest()
