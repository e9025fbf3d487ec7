"""The worker that learns facts of what was said, behind the answers and never in their way."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import aclosing, suppress
from datetime import datetime, tzinfo
from typing import Any
from uuid import UUID

from hairem_core.memory.database import Database
from hairem_core.memory.errors import MemoryUnavailable, TakenOver, TransactionFailed
from hairem_core.memory.events import EventLog
from hairem_core.memory.fragments import FragmentStore
from hairem_core.memory.interpret.batch import Waiting, pieces_of
from hairem_core.memory.interpret.budget import CallBudget
from hairem_core.memory.interpret.draft import Draft, Learned
from hairem_core.memory.interpret.learner import Identify, Learner
from hairem_core.memory.interpret.model_extractor import LanguageModel
from hairem_core.memory.writer import Change, Head, Writer
from hairem_core.sdk.message import now

_LOGGER = logging.getLogger(__name__)

QUIET = 10.0
"""Seconds without a word, after which a piece of conversation is over, with a model."""
LONGEST = 6.0
"""A conversation that does not pause is interpreted after so many times `quiet`."""
CALLS_PER_HOUR = 120
"""Others made 24,000 calls in two hours."""
_FRUITLESS = 256
"""Events of which nothing came: after so many the cursor is written for their sake alone."""
_AT_ONCE = 128
"""Events that one commit is about, at most: others wait for it."""
_MOST_WAITING = 1_000
"""Events that are kept in mind; the others stay in the log until it is their turn."""
_ATTEMPTS = 3
"""At a commit that the engine refuses, before what it was about is passed over."""


class Interpreter:
    """Follows the event log behind the head's cursor, and makes facts of what people say.

    Facts, entities, relations and the cursor are one commit: killed at any moment, nothing is lost
    and nothing is there twice.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer,
        events: EventLog,
        fragments: FragmentStore,
        identify: Identify,
        *,
        model: LanguageModel | None = None,
        clock: Callable[[], datetime] = now,
        quiet: float | None = None,
        calls_per_hour: int = CALLS_PER_HOUR,
        pause: float = 1.0,
        zone: tzinfo | None = None,
    ) -> None:
        """`quiet` is in seconds; None: 10 with a model, 0 without. `pause` is in seconds, before
        the second attempt at a call of a model. `zone` is that of the times a model is told; None
        is the system's.
        """
        self._database = database
        self._writer = writer
        self._events = events
        self._quiet = quiet
        self._pause = pause
        self._budget = CallBudget(calls_per_hour, clock)
        self._learner = Learner(
            database, fragments, identify, model, self._budget, pause=pause, zone=zone
        )
        self._waiting: deque[Waiting] = deque()
        self._read = writer.head.interpreted
        self._done = writer.head.interpreted
        self._learned: deque[tuple[int, int]] = deque()
        """First and last numbers of events that were interpreted elsewhere, and imported."""
        self._hurry = 0
        self._refused = 0
        self._counts: Counter[str] = Counter()
        self._working = asyncio.Lock()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        writer.observe(self._committed)

    def start(self) -> None:
        """Begin to follow the log, from where it was left."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="memory interpreter")

    async def stop(self) -> None:
        """Stop for good. What is under way, and not written yet, the next one does anew."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        with suppress(ValueError):
            self._writer.unobserve(self._committed)
        if self._done > self._writer.head.interpreted:
            with suppress(MemoryUnavailable):
                await self._commit([], self._done)

    async def settle(self) -> None:
        """Wait until all that was recorded up to now is interpreted, and hurry to it.

        Works whether started or not. Raises MemoryUnavailable.
        """
        target = self._writer.head.number
        self._hurry = max(self._hurry, target)
        self._wake.set()
        async with self._working:
            while self._done < target:
                await self._advance()
            if self._done > self._writer.head.interpreted:
                await self._commit([], self._done)

    def note_recall(self, agent: UUID, contents: Iterable[str]) -> None:
        """Note what an agent was just given from memory: what repeats it is no news."""
        self._learner.note_recall(agent, contents)

    def forget(self) -> None:
        """Keep nothing in mind of what was said and recalled: some of it was forgotten."""
        self._learner.forget()

    def statistics(self) -> dict[str, Any]:
        """Return how far it is, what came of it, and what the model cost."""
        counts = self._counts + self._learner.counts
        names = ("facts", "replaced", "repeated", "retracted", "history", "passed_over", "errors")
        of_model = ("calls", "failures", "fallbacks", "skipped", "over_limit", "dropped", "garbage")
        return {
            "interpreted": self._done,
            "behind": self._writer.head.number - self._done,
            "with_model": self._learner.has_model(),
            "calls_left": self._budget.left(),
            **{name: counts[name] for name in (*names, *of_model)},
        }

    def _committed(self, change: Change, head: Head) -> None:
        since = asyncio.get_running_loop().time()
        for first, last in change.learned:
            goes_on = bool(self._learned) and self._learned[-1][1] + 1 == first
            self._learned.append((self._learned.pop()[0] if goes_on else first, last))
        for row in change.events:
            # What follows on what was read need not be read again.
            if row["number"] == self._read + 1 and len(self._waiting) < _MOST_WAITING:
                self._waiting.append(Waiting(row={**row, "id": row["id"].id}, since=since))
                self._read = row["number"]
        if change.events:
            self._wake.set()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                async with self._working:
                    due = await self._advance()
                failures = 0
            except TakenOver as err:
                _LOGGER.error("Nothing more is interpreted: %s", err)
                return
            except MemoryUnavailable as err:
                failures += 1
                due = min(60.0, self._pause * 2**failures)
                _LOGGER.warning("Interpreting waits %.0f s: %s", due, err)
            except Exception:  # the edge of a task: nothing else would tell of it
                failures += 1
                due = min(60.0, self._pause * 2**failures)
                self._counts["errors"] += 1
                _LOGGER.exception("Interpreting failed; once more in %.0f s", due)
                if failures >= _ATTEMPTS:
                    self._pass_over()
                    failures = 0
            if due == 0:
                await asyncio.sleep(0)
                continue
            self._wake.clear()
            if due is None and self._writer.head.number > self._read:
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(due):
                    await self._wake.wait()

    async def _advance(self) -> float | None:
        """Do what is due. Return after how many seconds more is; 0: at once, None: nothing."""
        await self._read_on()
        ready, due = self._ready()
        if not ready:
            if not self._waiting:
                self._done = max(self._done, self._read)
            return due
        await self._interpret(ready)
        for _ in ready:
            self._waiting.popleft()
        self._done = ready[-1].number
        while self._learned and self._learned[0][1] <= self._done:
            self._learned.popleft()
        return 0

    async def _read_on(self) -> None:
        if len(self._waiting) >= _MOST_WAITING or self._writer.head.number <= self._read:
            return
        since = asyncio.get_running_loop().time()
        last = self._writer.head.number
        async with aclosing(self._events.pages(after=self._read)) as pages:
            async for rows in pages:
                for row in rows:
                    if row["number"] > self._read:
                        self._waiting.append(Waiting(row=row, since=since))
                        self._read = row["number"]
                return
        self._read = max(self._read, last)  # damage took those: whoever verifies is told

    def _ready(self) -> tuple[list[Waiting], float | None]:
        """Return the events before the first one whose conversation still goes on, and after how
        many seconds that one is due.
        """
        quiet = self._quiet
        if quiet is None:
            quiet = QUIET if self._learner.has_model() else 0.0
        time = asyncio.get_running_loop().time()
        first: dict[str, float] = {}
        last: dict[str, float] = {}
        for each in self._waiting:
            if (talk := each.talk) is not None:
                first.setdefault(talk, each.since)
                last[talk] = each.since
        ready: list[Waiting] = []
        for each in self._waiting:
            if len(ready) >= _AT_ONCE:
                break
            if (talk := each.talk) is not None and each.number > self._hurry:
                due = min(last[talk] + quiet, first[talk] + LONGEST * quiet) - time
                if due > 0:
                    return ready, due
            ready.append(each)
        return ready, None

    async def _interpret(self, events: list[Waiting]) -> None:
        learned: list[Learned] = []
        calls = self._learner.counts["calls"]
        said = {each.row["id"] for each in events if each.talk is not None}
        # What was forgotten while it waited goes to no model.
        erased = await Draft(self._database, self._writer).erased(said) if said else set()
        new = [each for each in events if not self._is_learned(each.number)]
        for piece in pieces_of([each for each in new if each.row["id"] not in erased]):
            learned += await self._learner.learn(piece)
        until = events[-1].number
        called = self._learner.counts["calls"] > calls
        # Nothing came of it, and nothing was paid for it: to do it twice costs less than a commit.
        if not learned and not called and until - self._writer.head.interpreted < _FRUITLESS:
            return
        try:
            await self._commit(learned, until)
        except TransactionFailed as err:
            self._refused += 1
            if self._refused < _ATTEMPTS:
                raise MemoryUnavailable(err.what, where=err.where, hint=err.hint) from err
            _LOGGER.error("Facts of %s events are passed over: %s", len(events), err)
            self._counts["passed_over"] += len(learned)
            await self._commit([], until)
        self._refused = 0

    def _is_learned(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self._learned)

    def _pass_over(self) -> None:
        """Leave out the event that waits longest: what is behind it must not wait for ever."""
        if self._waiting:
            passed = self._waiting.popleft()
            self._done = passed.number
            self._counts["passed_over"] += 1
            _LOGGER.error("Event %s is not interpreted", passed.number)

    async def _commit(self, learned: list[Learned], until: int) -> None:
        decisions: Counter[str] = Counter()

        async def build(head: Head) -> Change:
            change = Change()
            if learned:
                draft = Draft(self._database, self._writer)
                # What was forgotten meanwhile must not come back as a fact.
                erased = await draft.erased({each.event for each in learned})
                for each in learned:
                    if each.event not in erased:
                        await draft.learn(each)
                change = draft.change()
                decisions.update(draft.decisions)
            change.interpreted = max(until, head.interpreted)
            return change

        await self._writer.commit(build)
        self._counts["facts"] += decisions["new"] + decisions["replaces"]
        self._counts["replaced"] += decisions["replaces"]
        self._counts["repeated"] += decisions["same"]
        self._counts["retracted"] += decisions["closes"]
        self._counts["history"] += decisions["history"]
