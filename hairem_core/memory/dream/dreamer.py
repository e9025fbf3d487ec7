"""The dreamer: one dream at a time, each night and when it is asked to."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from hairem_core.config.system import DreamConfig, Language
from hairem_core.errors import HairemError
from hairem_core.memory.dream import upkeep
from hairem_core.memory.dream.digest import Digest
from hairem_core.memory.dream.journal import Dream, Journal, Progress
from hairem_core.memory.dream.merge import merge
from hairem_core.memory.dream.parts import (
    STEPS,
    DreamProgress,
    DreamStopped,
    Interpreter,
    LanguageModel,
    Mover,
    Publish,
    Reason,
    Step,
    Witness,
)
from hairem_core.memory.dream.run import Run
from hairem_core.memory.dream.schedule import Nights, Watch
from hairem_core.memory.dream.synthesis import Synthesiser
from hairem_core.memory.errors import TakenOver
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from hairem_core.memory.zone import house_zone

_LOGGER = logging.getLogger(__name__)
_MODEL_SECONDS = 120.0
_PAUSE = timedelta(minutes=30)
"""After which a dream is tried again that could not be dreamt."""
_SHARES: dict[Step, float] = {
    "interpret": 0.10,
    "decay": 0.05,
    "merge": 0.25,
    "synthesis": 0.25,
    "archive": 0.15,
    "verify": 0.15,
    "digest": 0.05,
}
"""Of the whole dream."""

type Sleep = Callable[[float], Awaitable[object]]


class Dreamer:
    """Dreams. Start it with `start`; what it did is in `latest`.

    `mover` and `archive` are the two sides of one archive: what takes fragments, and what bears
    witness to the chain of events.
    """

    def __init__(
        self,
        *,
        store: MemoryStore,
        config: DreamConfig,
        mover: Mover | None = None,
        archive: Witness | None = None,
        interpreter: Interpreter | None = None,
        model: LanguageModel | None = None,
        publish: Publish | None = None,
        language: Language = "en",
        lock: asyncio.Lock | None = None,
        model_timeout: float = _MODEL_SECONDS,
        sleep: Sleep = asyncio.sleep,
        before_night: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """`language`: the house's, of what is said by nobody told in which. `lock` is held while a
        dream is dreamt. `before_night` is done before each dream that nobody asked for, without it.
        """
        self._before_night = before_night
        self._lock = lock or asyncio.Lock()
        self._store = store
        self._config = config
        self._mover = mover
        self._archive = archive
        self._interpreter = interpreter
        self.zone = house_zone(config)
        """In which its nights are; None: the system's."""
        self._synthesise = Synthesiser(
            model=model, language=language, zone=self.zone, timeout=model_timeout
        )
        self._sleep = sleep
        self._listeners: list[Publish] = [publish] if publish is not None else []
        self._watch = Watch(
            Nights(time.fromisoformat(config.at), self.zone),
            idle=timedelta(minutes=config.idle_minutes),
            latest=timedelta(hours=config.latest_hours),
            now=store.clock(),
        )
        self._journal: Journal | None = None
        self._loading = asyncio.Lock()
        self._first_event: datetime | None = None
        self._run: Run | None = None
        self._dreaming: asyncio.Task[Digest] | None = None
        self._nights: asyncio.Task[None] | None = None
        self._last: DreamProgress | None = None
        self._is_stopped = False
        self._is_observing = False

    async def start(self) -> None:
        """Begin to wait for the night. Raises MemoryUnavailable."""
        await self._load()
        self._is_stopped = False
        if not self._is_observing:
            self._store.writer.observe(self._committed)
            self._is_observing = True
        self._nights = asyncio.create_task(self._wait_for_nights(), name="dream nights")

    async def stop(self) -> None:
        """End, at the next batch: the next dream goes on where this one was."""
        self._is_stopped = True
        if self._nights is not None:
            self._nights.cancel()
            await asyncio.gather(self._nights, return_exceptions=True)
        if self._dreaming is not None:
            if self._run is not None:
                self._run.stop()
            await asyncio.gather(self._dreaming, return_exceptions=True)

    async def dream(self, reason: Reason = "asked") -> Digest:
        """Dream, or join the dream that is under way, and return what it did.

        One that was broken off is gone on with. Raises DreamStopped, MemoryUnavailable.
        """
        if self._dreaming is None or self._dreaming.done():
            if self._is_stopped:
                raise _stopping()
            self._dreaming = asyncio.create_task(self._dream(reason), name="dream")
            self._dreaming.add_done_callback(_retrieved)
        return await asyncio.shield(self._dreaming)

    def subscribe(self, callback: Publish) -> Callable[[], None]:
        """Have `callback` told how dreams go on; what is returned ends that."""
        self._listeners.append(callback)

        def unsubscribe() -> None:
            if callback in self._listeners:
                self._listeners.remove(callback)

        return unsubscribe

    async def follow(self) -> AsyncGenerator[DreamProgress]:
        """Yield how the dream under way goes on, until it ends; nothing if there is none."""
        told: asyncio.Queue[DreamProgress] = asyncio.Queue()
        if self._dreaming is None or self._dreaming.done():
            return
        if self._last is not None and self._last.state == "running":
            told.put_nowait(self._last)
        unsubscribe = self.subscribe(told.put_nowait)
        try:
            while True:
                each = await told.get()
                yield each
                if each.state != "running":
                    return
        finally:
            unsubscribe()

    def latest(self) -> Digest | None:
        """Return what the last dream did that was done to its end."""
        last = self._journal.latest() if self._journal is not None else None
        return last.progress.digest if last is not None else None

    def was_witnessed(self) -> bool:
        """Return whether an archive has ever borne witness to this store's chain of events."""
        return self._journal is not None and self._journal.was_witnessed()

    def status(self) -> dict[str, Any]:
        """Return what it does, when it dreamt last and when it will next, as JSON values."""
        is_dreaming = self._dreaming is not None and not self._dreaming.done()
        latest = self.latest()
        described: dict[str, Any] = {
            "state": "dreaming" if is_dreaming else "awake",
            "next": self._watch.next(self._store.clock()).isoformat(),
            "last": None,
        }
        if is_dreaming and self._last is not None:
            described |= {"step": self._last.step, "progress": round(self._last.fraction, 3)}
        if latest is not None:
            described["last"] = latest.started_at.isoformat()
            described["failures"] = len(latest.failures)
            described["chain"] = "unknown" if latest.chain is None else _whole(latest)
        return described

    async def forgotten(
        self, ids: set[UUID], mentions: Callable[[str], bool] = lambda _: False
    ) -> list[Statement]:
        """Return statements that take what was forgotten out of what dreams say they did.

        `ids` are those of fragments; `mentions` tells whether a text speaks of it. They belong into
        a commit: call it in the builder of that one. Raises MemoryUnavailable.
        """
        journal = await self._load()
        return journal.forgotten(ids, mentions)

    async def between_dreams(self, work: Callable[[], Awaitable[object]]) -> bool:
        """Carry out `work`, which may add dreams that were dreamt elsewhere.

        Return False, and do nothing, while one is dreamt here: it would know nothing of them.
        Raises what `work` raises, and MemoryUnavailable.
        """
        if self._dreaming is not None and not self._dreaming.done():
            return False
        async with self._lock:
            try:
                await work()
            finally:
                async with self._loading:
                    self._journal = None
            await self._load()
        return True

    async def _load(self) -> Journal:
        async with self._loading:
            if self._journal is None:
                self._journal = await Journal.load(self._store.database, self._store.writer)
            return self._journal

    async def _dream(self, reason: Reason) -> Digest:
        if self._before_night is not None and reason != "asked":
            try:
                await self._before_night()
            except HairemError as err:
                _LOGGER.warning("Before the dream: %s", err)
            except Exception:  # nothing of it is to keep the house from dreaming
                _LOGGER.exception("Before the dream")
        async with self._lock:
            if self._is_stopped:
                raise _stopping()
            return await self._dream_alone(reason)

    async def _dream_alone(self, reason: Reason) -> Digest:
        journal = await self._load()
        dream = journal.begin(reason, self._store.clock().astimezone(UTC))
        self._last = None
        run = self._run = Run(
            store=self._store,
            journal=journal,
            dream=dream,
            config=self._config,
            tell=lambda step, done, total: self._tell(dream, step, done, total),
        )
        try:
            for step in STEPS:
                if step not in dream.progress.finished:
                    await self._do(run, step)
        except DreamStopped:
            self._tell(dream, dream.progress.step, state="stopped")
            raise
        except BaseException:
            self._tell(dream, dream.progress.step, state="failed")
            raise
        finally:
            self._run = None
        self._tell(dream, "digest", 1, 1, state="done")
        return dream.progress.digest

    async def _do(self, run: Run, step: Step) -> None:
        """Do one step, and note that it is done. What fails in it does not keep the others back."""
        dream = run.dream
        dream.progress.step = step
        self._tell(dream, step)
        try:
            await self._step(run, step)
        except DreamStopped, TakenOver:
            raise  # nothing more is to be written
        except HairemError as err:
            _LOGGER.warning("Dream, %s: %s", step, err)
            dream.progress.digest.fail(step, str(err))
        except Exception as err:  # the others are to be done all the same
            _LOGGER.exception("Dream, %s", step)
            dream.progress.digest.fail(step, f"{type(err).__name__}: {err}")

        async def finish(change: Change, draft: Progress) -> None:
            draft.finished.append(step)
            draft.cursor = 0
            draft.moving = []
            draft.fraction = max(draft.fraction, _before(step) + _SHARES[step])

        run.check()
        at = self._store.clock() if step == STEPS[-1] else None
        await run.journal.batch(dream, finish, finished_at=at)

    async def _step(self, run: Run, step: Step) -> None:
        match step:
            case "interpret":
                await upkeep.interpret(run, self._interpreter, self._mover)
            case "decay":
                await upkeep.decay(run)
            case "merge":
                await merge(run)
            case "synthesis":
                await self._synthesise(run)
            case "archive":
                await upkeep.archive(run, self._mover)
            case "verify":
                await upkeep.verify(run, self._archive)
            case "digest":
                await upkeep.tell_learned(run)

    def _tell(
        self,
        dream: Dream,
        step: Step,
        done: int = 0,
        total: int = 0,
        *,
        state: Any = "running",
    ) -> None:
        share = min(1.0, done / total) if total else 0.0
        fraction = max(
            _before(step) + share * _SHARES[step],
            dream.progress.fraction,
            self._last.fraction if self._last is not None else 0.0,
        )
        self._last = DreamProgress(
            dream_id=dream.id,
            reason=dream.progress.digest.reason,
            state=state,
            step=step,
            fraction=1.0 if state == "done" else min(1.0, fraction),
            done=done,
            total=total,
        )
        for listener in list(self._listeners):
            try:
                listener(self._last)
            except Exception:  # who listens must not end the dream
                _LOGGER.exception("Dream: a listener failed")

    def _committed(self, change: Change, head: Head) -> None:
        if any(row["speech"] for row in change.events):
            self._watch.spoken(self._store.clock())

    async def _wait_for_nights(self) -> None:
        while True:
            now = self._store.clock()
            kind, seconds = None, 60.0
            try:
                covered = await self._covered()
                unfinished = (await self._load()).unfinished() is not None
                kind, seconds = self._watch.decide(now, covered=covered, is_unfinished=unfinished)
                if kind is not None:
                    await self.dream(kind)
                    continue
            except HairemError as err:
                _LOGGER.warning("Dream: %s", err)
                self._watch.failed(self._store.clock(), _PAUSE)
            except Exception:  # the nights to come are not to be lost with this one
                _LOGGER.exception("Dream")
                self._watch.failed(self._store.clock(), _PAUSE)
            await self._sleep(max(1.0, seconds))

    async def _covered(self) -> datetime | None:
        """Return up to when everything was dreamt of; None where there is nothing to dream of."""
        if (latest := self.latest()) is not None:
            return latest.started_at
        if self._first_event is None and self._store.writer.head.number:
            rows = await self._store.database.query(
                "SELECT VALUE at FROM raw_event WHERE number = $number", {"number": 1}
            )
            self._first_event = min(rows, default=None)
        return self._first_event


def _stopping() -> DreamStopped:
    return DreamStopped("nothing is dreamt any more", hint="H-Core is stopping.")


def _before(step: Step) -> float:
    """Return how much of a dream lies before a step."""
    return sum(_SHARES[each] for each in STEPS[: STEPS.index(step)])


def _whole(digest: Digest) -> str:
    return "whole" if digest.chain is not None and digest.chain.is_whole else "broken"


def _retrieved(task: asyncio.Task[Digest]) -> None:
    if not task.cancelled():
        task.exception()
