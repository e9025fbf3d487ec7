"""Forgetting, from the plan to the receipt."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from itertools import batched
from typing import Protocol
from uuid import UUID, uuid7

from surrealdb import RecordID

from hairem_core.errors import HairemError
from hairem_core.memory.archive.errors import ArchiveUnavailable
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.chain import erased_numbers
from hairem_core.memory.forget.decision import Decision, Search
from hairem_core.memory.forget.erasure import Digests, Erasure
from hairem_core.memory.forget.ledger import Entry, Ledger
from hairem_core.memory.forget.matcher import Matcher
from hairem_core.memory.forget.names import Names, Speaker, resolved, speakers_of
from hairem_core.memory.forget.report import Place, Plan, Receipt
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.rows import to_row
from hairem_core.memory.scope import Scope
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.vacuum import vacuum
from hairem_core.memory.writer import Change, Head
from hairem_core.sdk.identity import agent_uuid
from hairem_core.sdk.message import Message

_LOGGER = logging.getLogger(__name__)
_ROUNDS = 5
"""Times that what came meanwhile is looked for."""
_AT_ONCE = 500


class Exclusively(Protocol):
    """Carries out work while nothing else like it is done."""

    async def __call__[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`."""
        ...


def one_after_another() -> Exclusively:
    """Return what carries out one work after another."""
    lock = asyncio.Lock()

    async def exclusively[T](work: Callable[[], Awaitable[T]]) -> T:
        async with lock:
            return await work()

    return exclusively


class Traces(Protocol):
    """The bus: what is on it, and in its files."""

    @property
    def reaches_files(self) -> bool:
        """Whether its files hold nothing of what was erased either."""
        ...

    async def count(self, matches: Callable[[Message], bool], words: Callable[[str], bool]) -> int:
        """Return how many messages `erase` would erase."""
        ...

    async def erase(self, matches: Callable[[Message], bool], words: Callable[[str], bool]) -> int:
        """Erase messages, and texts that are no messages; return how many there were."""
        ...


class Forgetter:
    """Forgets for good. One thing at a time; what was broken off is finished by `resume`.

    What is said while it works goes too where it is meant; what is said afterwards is remembered as
    ever.
    """

    def __init__(
        self,
        store: MemoryStore,
        *,
        archive: ColdArchive | None = None,
        traces: Traces | None = None,
        digests: Digests | None = None,
        exclusively: Exclusively | None = None,
    ) -> None:
        """`exclusively` carries out a piece of work while nothing else moves fragments about."""
        self._store = store
        self._archive = archive
        self._traces = traces
        self._digests = digests
        self._ledger = Ledger(store.database, store.writer)
        self._exclusively = exclusively or one_after_another()
        self._emptied: set[UUID] = set()
        """Events that were emptied since this process began."""
        self._going: set[UUID] = set()
        """Fragments that are being removed at this moment."""
        store.writer.prepare(self._leave_out)

    async def plan(self, selector: Selector) -> Plan:
        """Return what would be erased; nothing is. Raises MemoryUnavailable and what is away."""
        head = self._store.writer.head
        matcher = Matcher(selector, await self._names(selector, head.number))
        search = Search(self._store.database, self._archive, matcher)
        decision = await search.everything(number=head.number, seq=head.seq)
        counts = decision.counts()
        if self._traces is not None:
            matches = _matching(matcher, decision)
            counts["messages"] = await self._traces.count(matches, matcher.words)
        return Plan(
            counts=counts,
            samples=search.samples,
            kept_events=len(decision.kept_events - decision.events),
        )

    async def forget(
        self,
        selector: Selector,
        *,
        by: str = "core:memory",
        vacuum: bool = True,
    ) -> Receipt:
        """Erase everything that is meant, and return what was erased.

        `by` is the address of who asked for it. `vacuum` writes the embedded store's files anew;
        without it the bytes stay in them until a dream does. What cannot be reached now is told in
        the receipt, and done by `resume`. Once it is decided, it is carried through, also if the
        caller is cancelled. Raises MemoryUnavailable, and ArchiveUnavailable while nothing has
        been erased yet.
        """

        async def work() -> Receipt:
            head = self._store.writer.head
            names = await self._names(selector, head.number)
            search = Search(self._store.database, self._archive, Matcher(selector, names))
            decision = await search.everything(number=head.number, seq=head.seq)
            entry = Entry(
                id=uuid7(),
                by=by,
                kinds=selector.kinds,
                vacuum=vacuum,
                started_at=self._store.clock(),
                selector=selector,
                names=names,
                number=head.number,
                rev=head.rev,
            )
            await self._ledger.begin(entry, decision)
            return await self._carry_out(entry, decision)

        return await asyncio.shield(asyncio.ensure_future(self._exclusively(work)))

    async def resume(self) -> list[Receipt]:
        """Finish what was broken off; return what was erased by now.

        What fails again is told in the log, and waits for the next time. Raises MemoryUnavailable.
        """

        async def work() -> list[Receipt]:
            receipts = []
            for entry, decision in await self._ledger.unfinished():
                try:
                    receipts.append(await self._carry_out(entry, decision))
                except HairemError as err:
                    _LOGGER.error("Not forgotten yet by %s: %s", ", ".join(entry.kinds), err)
            return receipts

        return await self._exclusively(work)

    async def _carry_out(self, entry: Entry, decision: Decision) -> Receipt:
        if entry.stage == "files":
            unfinished = await self._write_anew(entry)
        else:
            unfinished = await self._erase_all(entry, decision)
            await self._note_for_receipt(entry, decision)
            self._going = set()
            if unfinished:
                unfinished.append("files: they are written anew once the rest is done")
            else:
                await self._ledger.only_files_left(entry)
                unfinished = await self._write_anew(entry)
        receipt = self._receipt(entry, unfinished)
        _LOGGER.info("Forgot by %s: %s", ", ".join(entry.kinds), receipt.counts)
        return receipt

    async def _erase_all(self, entry: Entry, decision: Decision) -> list[str]:
        """Erase wherever it is but in files; return what could not be done, and why."""
        assert entry.selector is not None
        if entry.names is None:  # an earlier version wrote none down
            entry.names = await self._names(entry.selector, entry.number)
        matcher = Matcher(entry.selector, entry.names)
        if entry.stage == "erasing":
            try:
                await self._erase(entry, decision, matcher)
            except ArchiveUnavailable as err:
                # All that was decided is gone from the store; what came meanwhile may not be.
                _LOGGER.warning("Not forgotten in the archive yet: %s", err)
                return [f"archive: {err}"]
            await self._ledger.erased_here(entry)
        return await self._erase_elsewhere(entry, decision, matcher)

    async def _write_anew(self, entry: Entry) -> list[str]:
        """Write the files anew in which it still is; return what could not be done, and why."""
        try:
            await self._store.index.start_anew()
            if entry.vacuum:
                await vacuum(self._store.database, self._store.writer)
        except (HairemError, OSError) as err:
            _LOGGER.warning("What was forgotten is in memory's files yet: %s", err)
            return [f"files: {err}"]
        await self._ledger.end(entry)
        return []

    async def _erase(self, entry: Entry, decision: Decision, matcher: Matcher) -> None:
        """Erase from the store; what came since it was decided is added to the decision."""
        writer = self._store.writer
        number, rev = entry.number, entry.rev
        await self._erase_here(entry, decision, decision, matcher)
        for _ in range(_ROUNDS):
            # Until a fact's sentence is empty, the interpreter may still add the fact, and names.
            head = writer.head
            search = Search(self._store.database, self._archive, matcher, decision)
            fresh = await search.since(
                number=number, rev=rev, until_number=head.number, until_rev=head.rev
            )
            number, rev = head.number, head.rev
            if fresh.is_empty and not fresh.unlinked:
                return
            await self._ledger.extend(entry, fresh)
            await self._erase_here(entry, fresh, decision, matcher)

    async def _erase_here(
        self,
        entry: Entry,
        fresh: Decision,
        decision: Decision,
        matcher: Matcher,
    ) -> None:
        """Erase from the store what is fresh in a decision."""
        self._emptied |= decision.events
        self._going = decision.gone
        erasure = Erasure(self._store, fresh, decision.gone)
        await erasure.events()
        await erasure.fragments()
        if unfounded := await erasure.graph():
            decision.relations |= unfounded
            await self._ledger.extend(entry, Decision(relations=unfounded))
        entry.digests += await erasure.digests(self._digests, matcher.words)

    async def _erase_elsewhere(
        self, entry: Entry, decision: Decision, matcher: Matcher
    ) -> list[str]:
        """Erase from the archive and the bus; return what could not be done, and why."""
        unfinished = []
        try:
            if self._archive is not None:
                await Erasure(self._store, decision, decision.gone).archived(self._archive)
        except HairemError as err:
            _LOGGER.warning("Not forgotten in the archive yet: %s", err)
            unfinished.append(f"archive: {err}")
        try:
            if self._traces is not None:
                matches = _matching(matcher, decision)
                entry.messages += await self._traces.erase(matches, matcher.words)
        except HairemError as err:
            _LOGGER.warning("Not forgotten on the bus yet: %s", err)
            unfinished.append(f"bus: {err}")
        return unfinished

    async def _names(self, selector: Selector, number: int) -> Names:
        """Return what a selector's names stand for, as events up to `number` tell."""
        agents: set[UUID] = set()
        if selector.agent is not None:
            agents = {*self._store.names.called(selector.agent)} or {agent_uuid(selector.agent)}
        speakers: set[Speaker] = set()
        if selector.person is not None:
            speakers = {*self._store.index.speakers(Scope(agent=None))}
            speakers |= await speakers_of(self._store.database, number)
        entities = await self._store.database.query("SELECT id, name FROM entity")
        return resolved(
            selector,
            agents=agents,
            speakers=speakers,
            entities=[(row["id"].id[1], row["name"]) for row in entities],
        )

    async def _note_for_receipt(self, entry: Entry, decision: Decision) -> None:
        """Write down what the receipt is to say, which names nobody."""
        numbers: list[int] = []
        said_by: set[int] = set()
        for some in batched(sorted(decision.events), _AT_ONCE, strict=False):
            rows = await self._store.database.query(
                "SELECT VALUE [number, erased_by] FROM (SELECT * FROM $ids)",
                {"ids": [RecordID("raw_event", each) for each in some]},
            )
            numbers += [number for number, by in rows if by is not None]
            said_by.update(by for _, by in rows if by is not None)
        ranges = json.loads(erased_numbers(numbers))["events"]
        entry.events = [(first, last) for first, last in ranges]
        entry.erased_by = sorted(said_by)
        entry.fragments = sorted(decision.gone)
        entry.kept_events = len(decision.kept_events - decision.events)
        entry.counts = decision.counts()
        entry.counts |= {"digests": entry.digests, "messages": entry.messages}
        await self._ledger.update(entry)

    def _receipt(self, entry: Entry, unfinished: list[str]) -> Receipt:
        unreached: list[Place] = ["agents_words", "backups", "agents_files", "logs", "providers"]
        if "person" in entry.kinds and "subject" not in entry.kinds:
            unreached.insert(0, "others_words")
        if self._store.database.folder is None:
            unreached.append("server_files")
        if self._archive is not None and self._archive.where.startswith("mysql"):
            unreached.append("mariadb_logs")
        if self._traces is not None and not self._traces.reaches_files:
            unreached.append("redis_files")
        return Receipt(
            id=entry.id,
            by=entry.by,
            selected_by=entry.kinds,
            started_at=entry.started_at,
            finished_at=self._store.clock(),
            counts=entry.counts,
            events=entry.events,
            erased_by=entry.erased_by,
            fragments=entry.fragments,
            kept_events=entry.kept_events,
            vacuumed=entry.vacuum and not unfinished and self._store.database.folder is not None,
            unfinished=unfinished,
            not_reached=unreached,
        )

    def _leave_out(self, change: Change, head: Head) -> None:
        """Leave out of a commit what is made of what was erased a moment ago.

        Whoever reads a sentence and thinks about it for a while still has its words.
        """

        def is_left(fragment: Fragment) -> bool:
            return (
                fragment.id not in self._going
                and self._emptied.isdisjoint(fragment.derived_from)
                and self._going.isdisjoint(fragment.sources)
            )

        if self._emptied or self._going:
            change.added = [each for each in change.added if is_left(each)]
            change.changed = [each for each in change.changed if is_left(each)]
            change.embeddings = [each for each in change.embeddings if is_left(each[0])]


def _matching(matcher: Matcher, decision: Decision) -> Callable[[Message], bool]:
    def matches(message: Message) -> bool:
        header = message.header
        if header.msg_id in decision.events or header.parent_id in decision.events:
            return True
        return matcher.event(to_row(message))

    return matches
