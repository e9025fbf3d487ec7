"""All of memory, put together: the store, and those who work on it in the background."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self

from hairem_core.config.system import Language, MemoryConfig
from hairem_core.errors import HairemError
from hairem_core.memory.address import EMBEDDED
from hairem_core.memory.agents import Identify
from hairem_core.memory.archive.mover import ArchiveMover
from hairem_core.memory.archive.place import ArchivePlace
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.cold import ColdRecall
from hairem_core.memory.dream.dreamer import Dreamer
from hairem_core.memory.dream.parts import DreamProgress
from hairem_core.memory.embedding import Embedder
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.forget.forgetter import Forgetter, Traces
from hairem_core.memory.interpret.interpreter import Interpreter
from hairem_core.memory.soundness import Verdict, examine, hear
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.zone import house_zone
from hairem_core.sdk.chat import ChatRequest, ModelRole

_LOGGER = logging.getLogger(__name__)
_LOOK_AFTER = 10.0
"""Seconds after the start at which the archive is asked what it knows."""


class LanguageModel(Protocol):
    """The models of the house, for what memory makes of what was said."""

    def has_model(self, agent_id: str | None, role: ModelRole) -> bool:
        """Return whether there is a model of a role."""
        ...

    async def complete(self, agent_id: str, request: ChatRequest) -> str:
        """Return a model's whole answer. Raises HairemError."""
        ...


class MemoryService:
    """Everything there is of memory. Open it with `open`, let it work with `start`."""

    def __init__(
        self,
        store: MemoryStore,
        archive: ColdArchive,
        config: MemoryConfig,
        *,
        place: ArchivePlace,
        language: Language,
        model: LanguageModel | None,
        publish: Callable[[DreamProgress], None] | None,
        traces: Traces | None,
    ) -> None:
        self.store = store
        self.archive = archive
        self.mover = ArchiveMover(
            store.database, store.writer, store.fragments, archive, clock=store.clock
        )
        self.cold = store.cold = ColdRecall(archive, self.mover, store.fragments)
        self.interpreter = Interpreter(
            store.database,
            store.writer,
            store.events,
            store.fragments,
            store.names.identify,
            model=model,
            clock=store.clock,
            calls_per_hour=config.interpret_calls_per_hour,
            zone=house_zone(config.dream),
        )
        store.recalled.append(self.interpreter.note_recall)
        store.forgotten.append(self.interpreter.forget)
        self._upkeep = asyncio.Lock()
        self._place = place
        self._first_look: asyncio.Task[None] | None = None
        self._verdict = Verdict()
        """What came of the last look at the chain of events, `_verdict_at`."""
        self._verdict_at = datetime.min.replace(tzinfo=UTC)
        self.dreamer = Dreamer(
            store=store,
            config=config.dream,
            mover=self.mover,
            archive=archive,
            interpreter=self.interpreter,
            model=model,
            publish=publish,
            language=language,
            lock=self._upkeep,
            before_night=self._finish_forgetting,
        )
        self.forgetter = Forgetter(
            store,
            archive=archive,
            traces=traces,
            digests=self.dreamer,
            exclusively=self._exclusively,
        )

    @classmethod
    async def open(
        cls,
        folder: Path,
        config: MemoryConfig,
        *,
        language: Language = "en",
        identify: Identify = lambda _: None,
        embedder: Embedder | None = None,
        model: LanguageModel | None = None,
        publish: Callable[[DreamProgress], None] | None = None,
        traces: Traces | None = None,
    ) -> Self:
        """Return the memory that lies in a data folder, or where `config` says.

        `publish` is told how dreams go on, `traces` is what the bus holds of what was said. Raises
        MemoryUnavailable. An archive that is away is no reason not to start.
        """
        where = config.url.get_secret_value() if config.url else f"{EMBEDDED}{folder / 'memory'}"
        store = await MemoryStore.open(
            where,
            index_folder=folder / "recall",
            identify=identify,
            embedder=embedder,
            zone=house_zone(config.dream),
        )
        try:
            place = ArchivePlace.of(config, folder)
            archive = ColdArchive(place.url, tls=place.tls, folder=place.folder)
        except BaseException:
            await store.close()
            raise
        return cls(
            store,
            archive,
            config,
            place=place,
            language=language,
            model=model,
            publish=publish,
            traces=traces,
        )

    async def start(self) -> None:
        """Begin to work: finish forgetting, interpret what is said, dream at night.

        Raises MemoryUnavailable.
        """
        await self.forgetter.resume()
        self.interpreter.start()
        await self.dreamer.start()
        self._first_look = asyncio.create_task(self._look(), name="look at memory")

    async def examine(self) -> Verdict:
        """Look whether what happened is as it was written down. Raises MemoryUnavailable."""
        verdict = await examine(
            self.store.database,
            self.store.events,
            self.archive,
            was_witnessed=self.dreamer.was_witnessed(),
        )
        self._note(verdict)
        return verdict

    def _note(self, verdict: Verdict) -> None:
        self._verdict, self._verdict_at = verdict, self.store.clock()

    async def _look(self) -> None:
        """Have the log and health tell of what is lost, or away, before anybody needs it."""
        try:
            if self.store.database.has_lost:
                if missing := await self.store.fragments.missing():
                    _LOGGER.warning(
                        "%d memories of agents were lost; what was said is remembered again as far "
                        "as its events are left",
                        missing,
                    )
                verdict = await self.examine()
            elif await self._has_archive():
                verdict = await hear(
                    self.store.database,
                    self.archive,
                    self.store.writer.head.number,
                    was_witnessed=self.dreamer.was_witnessed(),
                )
                if verdict.what is not None:  # else it may still be broken somewhere
                    self._note(verdict)
            else:
                return
        except MemoryUnavailable as err:
            _LOGGER.warning("It cannot be told whether memory is whole: %s", err)
            return
        if verdict.what is not None:
            _LOGGER.error("What happened is not whole: event %s %s", verdict.number, verdict.what)
        elif verdict.anchor == "lost":
            _LOGGER.error(
                "%s bore witness to this memory once, and knows nothing of it now: it was "
                "deleted, or is another one; what was archived is missing",
                self.archive.where,
            )

    async def _has_archive(self) -> bool:
        if self._place.is_chosen:
            return True
        # The usual file is there; but reading it is not to hold up those who speak first.
        await asyncio.sleep(_LOOK_AFTER)
        file = self._place.file
        return self.dreamer.was_witnessed() or (file is not None and file.exists())

    async def _finish_forgetting(self) -> None:
        await self.forgetter.resume()

    async def _exclusively[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, during which no dream is dreamt and nothing archived."""
        async with self._upkeep:
            return await self.mover.exclusively(work)

    @asynccontextmanager
    async def standstill(self) -> AsyncGenerator[None]:
        """Let nothing be written, from when it is entered until it is left.

        Entering waits for the commit and the hand-over under way, and for somebody who is being
        forgotten: halves of these would be copied. A dream stands still between two of its commits,
        and goes on from there. Who reads is not kept waiting.
        """
        held, over = asyncio.Event(), asyncio.Event()

        async def stand() -> None:
            # What was committed until now is the last that changes the index's files. It is
            # derived: a copy without it, or of half of it, is no loss.
            with suppress(HairemError, OSError):
                await self.store.index.flush()
            held.set()
            await over.wait()

        async def without_archive() -> None:
            # An archive that nobody has asked anything yet could else not be read meanwhile.
            with suppress(HairemError):
                await self.archive.prepare()
            await self.archive.exclusively(without_commits)

        async def without_commits() -> None:
            await self.store.writer.exclusively(stand)

        # In this order everybody takes what they need of these.
        standing = asyncio.create_task(self.mover.exclusively(without_archive), name="standstill")
        waiting = asyncio.create_task(held.wait())
        try:
            await asyncio.wait([standing, waiting], return_when=asyncio.FIRST_COMPLETED)
            if standing.done():
                standing.result()
            yield
        finally:
            over.set()
            if not held.is_set():
                standing.cancel()
            waiting.cancel()
            await asyncio.gather(standing, waiting, return_exceptions=True)

    async def describe(self) -> dict[str, Any]:
        """Return how memory is, for health."""
        problem = await self.store.database.probed()
        described: dict[str, Any] = {
            "status": "up" if problem is None else "down",
            **await self.store.statistics(),
        }
        if problem is not None:
            described["error"] = problem
        described["interpreter"] = self.interpreter.statistics()
        described["dream"] = self.dreamer.status()
        if self.archive.problem is not None:
            described["archive_error"] = self.archive.problem
        if (error := self._chain_error()) is not None:
            described["chain_error"] = error
        return described

    def _chain_error(self) -> str | None:
        """Return what was wrong with the chain of events the last time that anybody looked."""
        latest = self.dreamer.latest()
        if latest is not None and latest.chain and latest.started_at > self._verdict_at:
            chain = latest.chain
            return None if chain.is_whole else f"event {chain.broken_at} {chain.what}"
        verdict = self._verdict
        return None if verdict.what is None else f"event {verdict.number} {verdict.what}"

    async def close(self) -> None:
        """End, and close everything. What was recorded is on disk already."""
        if self._first_look is not None:
            self._first_look.cancel()
            await asyncio.gather(self._first_look, return_exceptions=True)
        async with AsyncExitStack() as stack:
            # The last comes first, and each whatever becomes of the others.
            for close in (
                self.archive.close,
                self.store.close,
                self.cold.close,
                self.interpreter.stop,
                self.dreamer.stop,
            ):
                stack.push_async_callback(close)
