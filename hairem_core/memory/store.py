"""The memory of every agent: what happened, what each makes of it, and finding it again."""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid7

from hairem_core.errors import HairemError
from hairem_core.memory.agents import AgentNames, Identify
from hairem_core.memory.backfill import make_missing_episodes
from hairem_core.memory.cold import ColdRecall, Found, beside_days, merged
from hairem_core.memory.database import Database
from hairem_core.memory.days import days_asked_about
from hairem_core.memory.embedding import Embedder, EmbeddingQueue, NoEmbedder, QuestionEmbedder
from hairem_core.memory.episodes import EpisodeMaker
from hairem_core.memory.errors import UnknownFragment
from hairem_core.memory.events import EventLog
from hairem_core.memory.fragment import Fragment, Kind
from hairem_core.memory.fragments import FragmentStore
from hairem_core.memory.history import History
from hairem_core.memory.interpret.entities import entity_key
from hairem_core.memory.interpret.text import folded
from hairem_core.memory.recall.index import RecallIndex
from hairem_core.memory.recall.ranking import Hit, Question
from hairem_core.memory.recall.whom import impersonal
from hairem_core.memory.recent import RecentTurns
from hairem_core.memory.rows import recollection, storable
from hairem_core.memory.scope import Scope
from hairem_core.memory.state import AgentState
from hairem_core.memory.usage import UseCounter
from hairem_core.memory.writer import Writer
from hairem_core.memory.zone import local
from hairem_core.sdk.message import Message, now
from hairem_core.sdk.recollection import Recollection

_LOGGER = logging.getLogger(__name__)


class MemoryStore:
    """The memory of every agent. Open it with `open`, close it with `close`.

    One process at a time: another one that opens the same store takes it over.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer,
        *,
        identify: Identify,
        embedder: Embedder | None,
        clock: Callable[[], datetime],
    ) -> None:
        self.database = database
        self.writer = writer
        self.clock = clock
        self.names = AgentNames(writer, identify)
        self.episodes = EpisodeMaker(self.names.identify)
        self.events = EventLog(database, writer, self.episodes)
        self.fragments = FragmentStore(database, writer)
        self.state = AgentState(database, writer)
        self.embedder: Embedder = embedder or NoEmbedder()
        self.index: RecallIndex
        self.embeddings: EmbeddingQueue
        self.recalled: list[Callable[[UUID, Sequence[str]], None]] = []
        """Told what an agent was just given from memory, for an answer."""
        self.forgotten: list[Callable[[], None]] = []
        """Told that something was forgotten, of which they may have words in mind."""
        self.cold: ColdRecall | None = None
        """Where archived fragments are found; None where there is no archive."""
        self._engine = database.url.partition("://")[0]
        self._open = AsyncExitStack()
        self._recent = RecentTurns(database, self.events)
        self._questions = QuestionEmbedder(self.embedder)
        self._uses = UseCounter(self.fragments)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        index_folder: Path | None = None,
        identify: Identify = lambda _: None,
        embedder: Embedder | None = None,
        clock: Callable[[], datetime] = now,
        zone: tzinfo | None = None,
    ) -> Self:
        """Return the store at `surrealkv://<path>`, `ws://…` or `wss://…`, ready to recall.

        The recall index is kept in `index_folder`, with None in memory. `identify` tells the UUID
        of an agent that is there, `zone` in which days are counted (None: the system's). Raises
        MemoryUnavailable: folder in use, not writable or damaged, or server away.
        """
        async with AsyncExitStack() as stack:
            database = await Database.open(url)
            stack.push_async_callback(database.close)
            writer = await Writer.take_over(database)
            self = cls(database, writer, identify=identify, embedder=embedder, clock=clock)
            await self._start(index_folder, zone, stack)
            self._open = stack.pop_all()
        return self

    async def _start(
        self, index_folder: Path | None, zone: tzinfo | None, stack: AsyncExitStack
    ) -> None:
        """Get ready. What `stack` gets is done in the opposite order when the store is closed."""
        await self.names.load(self.database)
        self.index = await RecallIndex.open(
            index_folder,
            self.database,
            store_id=self.writer.store_id,
            head=self.writer.head,
            model=self.embedder.model,
            zone=zone,
        )
        stack.push_async_callback(self.index.close)
        self.writer.observe(self.index.observe)
        self.writer.observe(self._recent.observe)
        stack.push_async_callback(self.writer.finish)
        await make_missing_episodes(self.writer, self.events, self.episodes, self.fragments)
        await self._recent.load(self.writer.head)
        self.embeddings = EmbeddingQueue(
            self.embedder, self.writer, self.fragments, self.index.without_vector
        )
        stack.push_async_callback(self._uses.close)
        stack.push_async_callback(self.embeddings.stop)
        if self.embedder.model is not None:
            self.embeddings.start()

    async def record(self, message: Message) -> bool:
        """Keep a message for ever; return False if it was there already, by its `msg_id`.

        When this returns, the event survives the death of the process. Raises ValueError for a
        STREAM message, which is a piece of something and no event, and MemoryUnavailable.
        """
        return await self.events.record(message)

    async def recent(
        self, agent_id: str, *, conversation_id: str | None, limit: int
    ) -> list[Recollection]:
        """Return the last `limit` things said to or by an agent, oldest first.

        Of one conversation, or with None of all of them. What holds no more says so, and since
        when. Raises MemoryUnavailable.
        """
        if limit <= 0:
            return []
        conversation_id = storable(conversation_id)
        turns = await self._recent.last(agent_id, limit, conversation_id=conversation_id)
        columns = self.index.columns().get(self.names.identify(agent_id))
        ended = columns.ended(row["id"] for row in turns) if columns is not None else {}
        episodes = [self.episodes.episode(row, agent_id) for row in turns]
        return [
            recollection(replace(each, valid_to=ended.get(each.derived_from[0])), agent_id)
            for each in episodes
        ]

    async def recall(
        self,
        agent_id: str,
        query: str,
        *,
        limit: int,
        exclude: Collection[UUID] = (),
        shared: bool = False,
        asker: str | None = None,
        kinds: Collection[Kind] = (),
        about: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        as_of: datetime | None = None,
        include_archived: bool = False,
        is_use: bool = False,
    ) -> list[Recollection]:
        """Return what fits `query` of what an agent holds, best first, each with why it came.

        What holds now, or with `as_of` what was held then, archived or not. `exclude` leaves out
        what comes from these events, by their `msg_id`s; `since` and `until` limit it to what was
        said between these moments, both included. With `shared`, also what other agents share.
        `asker` is the address of the person whose question it is: "my keys" are theirs. `is_use`
        says that what is found goes into an answer, which makes it fade more slowly. Raises
        MemoryUnavailable; what is archived does not come while the archive is away.
        """
        scope = Scope(agent=self.names.identify(agent_id), with_shared=shared)
        question = await self.question(
            query,
            scope,
            limit=limit,
            asker=asker,
            kinds=tuple(kinds),
            about=self.about_keys(about, scope),
            since=since,
            until=until,
            as_of=as_of,
        )
        found = await self.find(scope, question, include_archived=include_archived, exclude=exclude)
        if found.archive_error is not None:
            # An agent is not told; the owner, who asks by `find`, is.
            _LOGGER.warning("Nothing is recalled from the archive: %s", found.archive_error)
        if is_use:
            contents = [each for _, each in found.hits]
            self._note_use(self.names.identify(agent_id), contents, found.archived)
        return [
            recollection(
                fragment,
                agent_id,
                score=hit.score,
                why=hit.why,
                is_archived=fragment.id in found.archived,
            )
            for hit, fragment in found.hits
        ]

    async def question(self, text: str, scope: Scope, *, limit: int, **filters: Any) -> Question:
        """Return a question with its embedding, as far as there is one in time."""
        names = [name for _, name in self.index.speakers(scope)]
        asked = impersonal(text, names)
        vector = await self._questions.vector(asked) if limit > 0 and text.strip() else None
        today = local(filters.get("as_of") or self.clock(), self.index.zone).date()
        filters["days"] = days_asked_about(text, today)
        return Question(text=text, limit=limit, impersonal=asked, vector=vector, **filters)

    async def find(
        self,
        scope: Scope,
        question: Question,
        *,
        include_archived: bool = False,
        exclude: Collection[UUID] = (),
    ) -> Found:
        """Return what fits, in the archive too if it is asked, or what was held at some time.

        While the archive is away, what is not archived comes. Raises MemoryUnavailable.
        """
        warm = await self.search(scope, question, exclude=exclude)
        # Much of what was held once is archived by now.
        if self.cold is None or not (include_archived or question.as_of is not None):
            return Found(hits=warm)
        if question.days and warm:
            question = beside_days(question)
        try:
            cold = await self.cold.search(
                scope, question, model=self.embedder.model, now=self.clock()
            )
        except HairemError as err:
            return Found(hits=warm, archive_error=str(err))
        cold = [each for each in cold if set(exclude).isdisjoint(each[1].derived_from)]
        return Found(
            hits=merged(question.text, warm, cold, question.limit),
            archived={each.id for _, each in cold} - {each.id for _, each in warm},
        )

    async def search(
        self, scope: Scope, question: Question, *, exclude: Collection[UUID] = ()
    ) -> list[tuple[Hit, Fragment]]:
        """Return fragments that fit and are not archived, best first, with why.

        Raises MemoryUnavailable.
        """
        if question.limit <= 0:
            return []
        hits = await self.index.search(scope, question, now=self.clock(), exclude=exclude)
        # The index says what was found; whose it is, the store says once more.
        found = await self.fragments.fetch([hit.fragment_id for hit in hits], scope)
        return [(hit, found[hit.fragment_id]) for hit in hits if hit.fragment_id in found]

    async def remember(
        self,
        agent_id: str,
        content: str,
        *,
        about: str | None = None,
        importance: float = 0.7,
        confidence: float = 1.0,
        shared: bool = False,
        pinned: bool = False,
        replaces: UUID | None = None,
    ) -> Recollection:
        """Keep something that an agent chose to remember, and return it.

        `replaces` names the fragment in whose place it comes; an archived one is moved back for
        that. Raises UnknownFragment, MemoryRefused, MemoryUnavailable, ArchiveUnavailable.
        """
        at, key = self.clock(), _key(storable(about)) if about else None
        fragment = Fragment(
            id=uuid7(),
            agent=self.names.identify(agent_id),
            kind="note",
            content=storable(content) or "",
            at=at,
            visibility="shared" if shared else "private",
            subject=key,
            about=(key,) if key else (),
            importance=importance,
            confidence=confidence,
            pinned=pinned,
            last_used=at,
            valid_from=at,
        )
        try:
            stored = await self.fragments.add(fragment, replaces=replaces)
        except UnknownFragment:
            if replaces is None or self.cold is None:
                raise
            await self.cold.make_way(fragment, replaces)
            stored = await self.fragments.add(fragment, replaces=replaces)
        return recollection(stored, agent_id)

    async def history(self, agent_id: str, fragment_id: UUID) -> list[Recollection]:
        """Return the chain of replacements that a fragment is part of, as `History.chain` does."""
        scope = Scope(agent=self.names.identify(agent_id))
        archive = self.cold.archive if self.cold is not None else None
        chain = await History(self.fragments, archive, scope).chain(fragment_id)
        return [
            recollection(each.fragment, agent_id, is_archived=each.is_archived) for each in chain
        ]

    async def drop(self, agent_id: str, fragment_id: UUID) -> None:
        """Let go of a fragment of an agent's, archived or not.

        Raises UnknownFragment, MemoryUnavailable, ArchiveUnavailable.
        """
        scope = Scope(agent=self.names.identify(agent_id))
        try:
            await self.fragments.remove(fragment_id, scope)
        except UnknownFragment:
            if self.cold is None:
                raise
            await self.cold.drop(fragment_id, scope)

    async def get_state(self, agent_id: str, key: str) -> Any:
        """Return what an agent keeps under a key, or None. Raises MemoryUnavailable."""
        return await self.state.get(agent_id, key)

    async def set_state(
        self, agent_id: str, key: str, value: Any, *, max_keys: int | None = None
    ) -> None:
        """Keep a JSON value under a key of an agent's; None deletes it. As `AgentState.put`."""
        await self.state.put(agent_id, key, value, max_keys=max_keys)

    def let_go(self, msg_ids: Collection[UUID]) -> None:
        """Keep in memory nothing of events that were erased, nor of what agents kept."""
        self._recent.drop(msg_ids)
        self.state.forget_keys()
        self.episodes.forget_recalls()
        for listener in self.forgotten:
            listener()

    async def statistics(self) -> dict[str, Any]:
        """Return how much there is, which engine keeps it, and how recall works."""
        described: dict[str, Any] = {
            "events": self.writer.head.number,
            **self.index.statistics(),
            "engine": self._engine,
            "schema": self.database.schema_version,
            "reconnects": self.database.reconnects,
            "recall": "lexical",
        }
        if not self.index.is_whole:
            described["recall"] = "incomplete, being made anew"
        elif self.embedder.model is not None:
            described["recall"] = "lexical, for now" if self._questions.has_failed else "hybrid"
        if self.embedder.model is not None:
            described["embedding_model"] = self.embedder.model
            if self.embeddings.failure is not None:
                described["embedding_error"] = self.embeddings.failure
        return described

    async def close(self) -> None:
        """Close the store. What was recorded is on disk already."""
        await self._open.aclose()

    def _note_use(self, agent: UUID, found: list[Fragment], archived: set[UUID]) -> None:
        self._uses.note((each.id for each in found if each.id not in archived), self.clock())
        contents = [each.content for each in found]
        self.episodes.note_recall(agent, contents)
        for listener in self.recalled:
            listener(agent, contents)
        if self.cold is not None:
            self.cold.restore([each.id for each in found if each.id in archived])

    def about_keys(self, about: str | None, scope: Scope) -> tuple[str, ...]:
        """Return the keys of all whom a name, or a key, may mean."""
        if about is None:
            return ()
        if ":" in about:
            return (about,)
        wanted = folded(about).strip()
        people = (who for who, name in self.index.speakers(scope) if folded(name) == wanted)
        return (*people, entity_key(about), entity_key(about, "thing"))


def _key(about: str | None) -> str | None:
    """Return the key of whom or what something is about: as it is, or made of a name."""
    return about if about is None or ":" in about else entity_key(about)
