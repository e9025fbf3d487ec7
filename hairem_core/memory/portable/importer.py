"""Reading an export into a store: each thing once, however often it is imported."""

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.chain import Break
from hairem_core.memory.errors import MemoryRefused, TransactionFailed
from hairem_core.memory.forget.forgetter import Exclusively, one_after_another
from hairem_core.memory.portable.events import EventImport
from hairem_core.memory.portable.fragments import ArchiveImport, FragmentImport
from hairem_core.memory.portable.graph import (
    AgentImport,
    DreamImport,
    DreamRows,
    EntityImport,
    RelationImport,
    StateImport,
)
from hairem_core.memory.portable.lines import FORMAT, VERSION, HeaderLine, Line
from hairem_core.memory.portable.reader import Problems, Reader
from hairem_core.memory.portable.report import ImportReport, Tally
from hairem_core.memory.store import MemoryStore

_BATCH = 500
"""Lines that share one commit."""

type BetweenDreams = Callable[[Callable[[], Awaitable[object]]], Awaitable[bool]]
"""Carries out work while nobody dreams; returns False, with nothing done, where somebody does."""


class Part(Protocol):
    """Takes in one kind of line."""

    async def take(self, lines: Sequence[tuple[int, Line]], tally: Tally) -> None:
        """Take in lines, all in one commit.

        Raises TransactionFailed, having counted and told nothing: each can be given again alone.
        """
        ...


async def import_(
    store: MemoryStore,
    chunks: AsyncIterable[bytes],
    *,
    archive: ColdArchive | None = None,
    exclusively: Exclusively | None = None,
    between_dreams: BetweenDreams | None = None,
) -> ImportReport:
    """Take an export in, and return what came of it.

    An empty store gets the chain of events as it was, and it is verified; else events that are not
    here yet come at the end of the chain that is. What is here already stays as it is, and what was
    forgotten here does not come back. A line that cannot be read is left out and told, with its
    number; nothing is taken in by halves. Broken off at any moment, it can simply be run again.
    `exclusively` carries out a piece of work while nothing is forgotten, nor moved to the archive
    or back: what was asked of both stays true until it is done; `between_dreams` has dreams taken
    in, or left out. Raises MemoryRefused where it is no export, or one of another version,
    MemoryUnavailable and ArchiveUnavailable.
    """
    report, problems = ImportReport(), Problems()
    reader = Reader(chunks, problems)
    lines = reader.lines()
    header = await _header(lines, problems)
    events = EventImport(store, header, problems)
    dreams = DreamImport(store, problems)
    parts: dict[str, Part] = {
        "event": events,
        "fragment": FragmentImport(store, archive, problems),
        "archived": ArchiveImport(store, archive, problems),
        "entity": EntityImport(store),
        "relation": RelationImport(store),
        "agent": AgentImport(store, report.notes),
        "state": StateImport(store, problems),
        "dream": dreams,
    }
    exclusively = exclusively or one_after_another()
    try:
        async for batch in _batches(lines, problems):
            kind = batch[0][1].line
            tally = report.tallies.setdefault(kind, Tally())
            await exclusively(partial(_take, parts[kind], batch, tally, problems))
        if (dreamt := report.tallies.get("dream")) is not None:
            take_last = partial(exclusively, partial(_take_dreams, store, dreams, dreamt, problems))
            if not await (between_dreams or _at_once)(take_last):
                dreams.leave_out(dreamt)
    finally:
        # Broken off, it leaves what was taken in: that is to be known too.
        store.let_go(())
        await store.names.load(store.database)
    if events.added:
        report.chain = "kept" if events.is_kept else "appended"
        checked = await store.events.verify()
        if isinstance(checked, Break):
            if reader.end is None:
                checked = replace(checked, what=f"{checked.what} (the file ended too early)")
            report.chain_break = checked
    report.lines, report.unreadable = reader.number, reader.unreadable
    report.problems, report.problem_count = problems.told, problems.count
    return report


async def _batches(
    lines: AsyncIterable[tuple[int, Line]], problems: Problems
) -> AsyncGenerator[list[tuple[int, Line]]]:
    """Yield lines of one kind that are to share a commit."""
    batch: list[tuple[int, Line]] = []
    async for number, line in lines:
        if isinstance(line, HeaderLine):
            problems.add(number, "is a second first line", "Import one file at a time.")
            continue
        if batch and (len(batch) >= _BATCH or batch[0][1].line != line.line):
            yield batch
            batch = []
        batch.append((number, line))
    if batch:
        yield batch


async def _take(
    part: Part, batch: Sequence[tuple[int, Line]], tally: Tally, problems: Problems
) -> None:
    try:
        await part.take(batch, tally)
    except TransactionFailed as err:
        if len(batch) == 1:
            tally.refused += 1
            problems.add(
                batch[0][0],
                f"the store refuses it: {err.what}",
                "It was left out; everything else is taken in.",
            )
            return
        # One of them is to blame: the others are taken in without it.
        for each in batch:
            await _take(part, [each], tally, problems)


async def _take_dreams(
    store: MemoryStore, dreams: DreamImport, tally: Tally, problems: Problems
) -> None:
    if collected := await dreams.collected(tally):
        await _take(DreamRows(store), collected, tally, problems)


async def _at_once(work: Callable[[], Awaitable[object]]) -> bool:
    await work()
    return True


async def _header(lines: AsyncIterable[tuple[int, Line]], problems: Problems) -> HeaderLine:
    async for _, line in lines:
        if isinstance(line, HeaderLine) and not problems.count:
            return line
        break
    told = f": {problems.told[0].what}" if problems.told else ""
    raise MemoryRefused(
        f"this is no export that this hAIrem can read{told}",
        where="line 1",
        hint=f"It reads files of format {FORMAT!r}, version {VERSION}, as `hairem memory export` "
        "writes them. Nothing was changed.",
    )
