"""The steps of a dream that need no model: catching up, counting, archiving, verifying, telling."""

import asyncio
from functools import partial
from uuid import UUID

import numpy as np

from hairem_core.errors import HairemError
from hairem_core.memory.archive.errors import AnchorRefused
from hairem_core.memory.chain import Break, ChainCheck
from hairem_core.memory.dream.digest import Chain, Learned, Strengths, shortened
from hairem_core.memory.dream.journal import Progress
from hairem_core.memory.dream.parts import Interpreter, Mover, Witness
from hairem_core.memory.dream.run import EVERYTHING, FADING, Run, chunks
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.soundness import differs
from hairem_core.memory.writer import Change

_BATCH = 200
"""Fragments that go to the archive at once."""
_CLOSED_DAYS = 30
"""Days for which a fact stays at hand after it has ceased to hold."""
_DAY = 86_400_000
_SETTLE_SECONDS = 900.0
"""How long the interpreter may take to catch up."""


async def interpret(run: Run, interpreter: Interpreter | None, mover: Mover | None) -> None:
    """Wait until everything that was said is interpreted; clear up what a crash left doubled."""
    digest = run.progress.digest
    if interpreter is not None:
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await run.outside(interpreter.settle())
        except TimeoutError:
            late = f"not everything was interpreted after {_SETTLE_SECONDS:.0f} s"
            digest.fail("interpret", late)
    if mover is not None:
        await mover.reconcile()
        if mover.problem is not None:
            digest.fail("interpret", mover.problem)

    async def limit(change: Change, draft: Progress) -> None:
        draft.limit = run.store.writer.head.seq

    await run.batch(limit)


async def decay(run: Run) -> None:
    """Count how many fragments are how strong."""
    counted = Strengths()
    for part in run.parts():
        left = await asyncio.to_thread(run.strengths, part)
        is_faded = left < run.config.archive_below
        counted.faded += int(is_faded.sum())
        counted.fading += int((~is_faded & (left < FADING)).sum())
        counted.fresh += int((~is_faded & (left >= FADING)).sum())

    async def note(change: Change, draft: Progress) -> None:
        draft.digest.strengths = counted

    await run.batch(note)


async def archive(run: Run, mover: Mover | None) -> None:
    """Move what has faded to the archive.

    The mover has commits of its own. Which fragments it was given is noted before, and afterwards
    those that are gone are counted: killed in between, nothing is counted twice or not at all.
    """
    if mover is None:
        run.progress.digest.skipped["archive"] = "no_archive"
        return
    # What was given to the mover when the process died is handed over first.
    waiting = [tuple(run.progress.moving)] if run.progress.moving else []
    known = set(run.progress.moving)
    waiting += chunks([each for each in await _faded(run) if each not in known], _BATCH)
    done, total = run.progress.cursor, run.progress.cursor + sum(map(len, waiting))
    for some in waiting:
        run.tell(done, total)
        await run.batch(partial(_note_moved, run, some))
        there = await run.store.fragments.fetch(some, EVERYTHING)
        await mover.archive(list(there.values()))
        done += len(some)
        if mover.problem is not None:
            run.progress.digest.skipped["archive"] = "archive_away"
            run.progress.digest.fail("archive", mover.problem)
            break
    await run.batch(partial(_note_moved, run, ()))


async def _note_moved(
    run: Run, following: tuple[UUID, ...], change: Change, draft: Progress
) -> None:
    """Count those that have gone, and note which are next."""
    if set(draft.moving) != set(following):
        stayed = await run.store.fragments.existing(draft.moving) if draft.moving else set()
        draft.digest.archived_count += len(set(draft.moving) - stayed)
        draft.cursor += len(draft.moving)
        draft.moving = list(following)


async def _faded(run: Run) -> list[UUID]:
    """Return what is to be archived, agent by agent, the oldest first."""
    found: list[UUID] = []
    closed_before = run.dream.moment.timestamp() * 1000 - _CLOSED_DAYS * _DAY
    for part in run.parts():
        left = await asyncio.to_thread(run.strengths, part)
        is_old = part.columns.valid_to[part.rows] < closed_before
        may_go = np.where(part.is_kind("fact"), is_old, True) & ~part.pinned
        found += await part.ids(may_go & (left < run.config.archive_below))
    return found


async def verify(run: Run, witness: Witness | None) -> None:
    """Check the chain of events from its beginning, and have the archive bear witness."""

    def progress(done: int, total: int) -> None:
        run.check()
        run.tell(done, total)

    outcome = await run.store.events.verify(progress)
    if isinstance(outcome, Break):
        chain = Chain(
            is_whole=False, checked=outcome.number - 1, broken_at=outcome.number, what=outcome.what
        )
    else:
        chain = Chain(is_whole=True, checked=outcome.checked, erased=outcome.erased)
        if witness is not None and outcome.checked:
            chain = await _witnessed(run, witness, outcome, chain)

    async def note(change: Change, draft: Progress) -> None:
        draft.digest.chain = chain
        if chain.anchor in ("kept", "anew"):
            draft.witnessed = run.store.writer.store_id
        if chain.anchor == "away":
            draft.digest.skipped["verify"] = "archive_away"

    await run.batch(note)


async def _witnessed(run: Run, witness: Witness, check: ChainCheck, chain: Chain) -> Chain:
    """Return what the archive says to it: a chain can be whole and yet another, or shorter."""
    database = run.store.database
    try:
        last = await witness.last_anchor()
        if last is not None:
            what = await differs(database, last.number, last.hash, check.checked)
            if what is not None:
                wrong = {"is_whole": False, "broken_at": last.number, "what": what}
                return chain.model_copy(update=wrong)
        await witness.anchor(check.checked, check.hash, run.dream.moment)
    except AnchorRefused as err:
        return chain.model_copy(
            update={"is_whole": False, "broken_at": check.checked, "what": err.what}
        )
    except MemoryUnavailable:
        raise
    except HairemError as err:
        run.progress.digest.fail("verify", str(err))
        return chain.model_copy(update={"anchor": "away"})
    is_anew = last is None and run.journal.was_witnessed()
    return chain.model_copy(update={"anchor": "anew" if is_anew else "kept"})


async def tell_learned(run: Run) -> None:
    """Gather the facts that are new since the dream before, and hold."""
    found: list[Learned] = []
    count = 0
    for part in run.parts():
        is_new = part.is_valid & part.is_kind("fact") & (part.seq > run.progress.since)
        ids = await part.ids(is_new)
        count += len(ids)
        agent = run.store.names.name(part.agent)
        for each, (subject, content) in (await run.read(ids, "subject", "content")).items():
            entry = Learned(
                fragment_id=each, agent=agent, subject=subject, content=shortened(content)
            )
            run.progress.digest.keep(found, entry)
    found.sort(key=lambda each: (each.agent, each.subject or ""))

    async def note(change: Change, draft: Progress) -> None:
        # Forgotten meanwhile, it must not come back in a digest.
        there = await run.store.fragments.existing([each.fragment_id for each in found])
        draft.digest.learned = [each for each in found if each.fragment_id in there]
        draft.digest.learned_count = count

    await run.batch(note)
