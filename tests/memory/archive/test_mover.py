"""Fragments are moved: they are in the store or in the archive, and in both only for a while."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from hairem_core.memory.archive.errors import ArchiveUnavailable
from hairem_core.memory.archive.mover import ArchiveMover
from hairem_core.memory.archive.selection import Selection
from hairem_core.memory.archive.store import ColdArchive, Item
from hairem_core.memory.fragment import Embedding, Fragment
from hairem_core.memory.history import History
from hairem_core.memory.scope import Scope
from hairem_core.memory.writer import Change, Head, Writer
from tests.memory.archive.conftest import Warm
from tests.memory.archive.samples import MARCEL, embedding, fragment, some_id, whole
from tests.support.surrealdb3 import running_surrealdb3

_ALL = Scope(agent=None)


async def remember(warm: Warm, fragments: Sequence[Fragment], *, vectors: bool = True) -> None:
    """Store fragments, as they are numbered there."""

    async def build(head: Head) -> Change:
        change = Change(added=list(fragments))
        if vectors:
            change.embeddings = [(each, embedding(each, each.seq, 1)) for each in fragments]
        return change

    await warm.writer.commit(build)


async def stored(warm: Warm, ids: Sequence[UUID]) -> dict[UUID, Fragment]:
    return await warm.fragments.fetch(ids, _ALL)


async def vectors_of(warm: Warm) -> dict[UUID, bytes]:
    rows = await warm.database.query("SELECT id, vector FROM embedding")
    return {row["id"].id: bytes(row["vector"]) for row in rows}


@pytest.fixture
def mover(warm: Warm, archive: ColdArchive) -> ArchiveMover:
    return warm.mover(archive)


async def test_there_and_back(warm: Warm, archive: ColdArchive, mover: ArchiveMover) -> None:
    sent = [replace(whole(), pinned=False), *(fragment(number) for number in range(3))]
    await remember(warm, sent)
    ids = [each.id for each in sent]
    before = await stored(warm, ids)
    vectors = await vectors_of(warm)

    assert await mover.archive(list(before.values())) == 4

    assert await stored(warm, ids) == {}
    assert await vectors_of(warm) == {}
    kept = await archive.fetch(ids, _ALL)
    assert {each: of for each, (of, _) in kept.items()} == before
    assert {each: of.vector for each, (_, of) in kept.items() if of is not None} == vectors

    began = datetime.now(UTC)
    back = await mover.restore([ids[0], ids[2], some_id("nobody")])

    assert await archive.ids(ids) == {ids[1], ids[3]}
    after = await stored(warm, ids)
    assert [each.id for each in back] == [ids[0], ids[2]]
    assert after == {each.id: each for each in back}
    assert set(await vectors_of(warm)) == {ids[0], ids[2]}
    assert (await vectors_of(warm))[ids[0]] == vectors[ids[0]]
    for each in back:
        was = before[each.id]
        assert each.last_used >= began
        assert each.seq > max(one.seq for one in before.values())
        assert each == replace(was, seq=each.seq, rev=each.rev, last_used=each.last_used)


async def test_the_links_of_what_was_replaced_stay(
    warm: Warm, archive: ColdArchive, mover: ArchiveMover
) -> None:
    old, new = fragment(1, kind="fact", subject="ada"), fragment(2, kind="fact", subject="ada")
    await warm.fragments.add(old)
    await warm.fragments.add(new, replaces=old.id)
    closed = await warm.fragments.get(old.id, _ALL)
    assert await mover.archive([closed]) == 1
    kept, vector = (await archive.fetch([old.id], _ALL))[old.id]
    assert (kept.replaced_by, kept.valid_to, vector) == (new.id, new.valid_from, None)
    assert (await warm.fragments.get(new.id, _ALL)).replaces_id == old.id
    history = History(warm.fragments, archive, _ALL)
    for is_archived in (True, False):
        for middle in (old.id, new.id):
            chain = [(each.fragment.id, each.is_archived) for each in await history.chain(middle)]
            assert chain == [(old.id, is_archived), (new.id, False)]
        await mover.restore([old.id])


async def test_what_is_pinned_changed_or_gone_stays_as_it_is(
    warm: Warm, archive: ColdArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    mover = warm.mover(archive)
    sent = [fragment(number) for number in range(4)]
    sent.append(fragment(4, pinned=True))
    await remember(warm, sent)
    ids = [each.id for each in sent]
    known = list((await stored(warm, ids)).values())
    put = ColdArchive.put

    async def meanwhile(self: ColdArchive, items: Sequence[Item]) -> None:
        await put(self, items)
        forgotten = await warm.fragments.get(ids[1], _ALL)

        async def forget(head: Head) -> Change:
            return Change(removed=[forgotten])

        await warm.fragments.note_use({ids[0]: datetime.now(UTC)})
        await warm.writer.commit(forget)

    monkeypatch.setattr(ColdArchive, "put", meanwhile)
    assert await mover.archive([*known, fragment(99)]) == 2

    assert set(await stored(warm, ids)) == {ids[0], ids[4]}
    assert (await stored(warm, ids))[ids[0]].uses == 1
    assert await archive.ids(ids) == {ids[2], ids[3]}


async def test_in_both_the_stores_word_counts(
    warm: Warm, archive: ColdArchive, mover: ArchiveMover
) -> None:
    sent = [fragment(number) for number in range(700)]
    await remember(warm, sent[:600], vectors=False)
    await archive.put([(replace(each, content="old"), None) for each in sent[100:]])
    assert await mover.reconcile() == 500
    assert await mover.reconcile() == 0
    assert await archive.ids([each.id for each in sent]) == {each.id for each in sent[600:]}
    assert len(await stored(warm, [each.id for each in sent])) == 600


async def test_what_was_let_go_of_amid_a_hand_over_does_not_stay_archived(
    warm: Warm, archive: ColdArchive, mover: ArchiveMover, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [fragment(1), fragment(2)]
    await remember(warm, sent)
    ids = [each.id for each in sent]
    put = archive.put

    async def put_and_die(items: Sequence[Item]) -> None:
        await put(items)
        await warm.fragments.remove(ids[0], _ALL)
        raise ArchiveUnavailable("it was killed", where="here", hint="Start it again.")

    monkeypatch.setattr(archive, "put", put_and_die)
    assert await mover.archive(list((await stored(warm, ids)).values())) == 0
    assert await archive.ids(ids) == set(ids)

    assert await mover.reconcile() == 2

    assert await archive.ids(ids) == set()
    assert set(await stored(warm, ids)) == {ids[1]}


async def test_restoring_what_is_there_as_well_keeps_the_stores(
    warm: Warm, archive: ColdArchive, mover: ArchiveMover
) -> None:
    await remember(warm, [fragment(1)])
    await archive.put([(replace(fragment(1), content="old"), None)])
    assert await mover.restore([fragment(1).id]) == []
    assert await archive.ids([fragment(1).id]) == set()
    assert (await warm.fragments.get(fragment(1).id, _ALL)).content == fragment(1).content


@pytest.mark.timeout(180)
async def test_thousands_are_moved_in_batches(
    warm: Warm, archive: ColdArchive, mover: ArchiveMover
) -> None:
    sent = [fragment(number) for number in range(3_000)]
    for begin in range(0, len(sent), 1000):
        await remember(warm, sent[begin : begin + 1000], vectors=False)
    known = await stored(warm, [each.id for each in sent])
    before = warm.writer.head.rev

    assert await mover.archive(list(known.values())) == 3_000

    assert warm.writer.head.rev - before >= 6  # no commit holds up the others for long
    assert await warm.database.query("SELECT VALUE id FROM fragment LIMIT 1") == []
    kept = {each.id: each async for page in archive.select(Selection()) for each, _ in page}
    assert kept == known
    assert await mover.reconcile() == 0


async def test_an_archive_that_is_away_costs_nothing_and_is_told_once(
    warm: Warm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "cold"
    archive = ColdArchive(f"sqlite+aiosqlite:///{folder / 'archive.sqlite3'}")
    mover = warm.mover(archive)
    (folder / "archive.sqlite3").write_bytes(b"damaged" * 1000)
    await remember(warm, [fragment(1)])
    known = [await warm.fragments.get(fragment(1).id, _ALL)]

    assert [await mover.archive(known), await mover.archive(known), await mover.reconcile()] == [
        0
    ] * 3
    with pytest.raises(ArchiveUnavailable, match="not a database"):
        await mover.restore([fragment(1).id])
    assert await stored(warm, [fragment(1).id]) == {fragment(1).id: known[0]}
    assert archive.problem is not None
    assert "not a database" in archive.problem
    warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "all stays in memory" in warnings[0].getMessage()

    (folder / "archive.sqlite3").unlink()  # mended: the same object goes on
    assert await mover.archive(known) == 1
    assert archive.problem is None
    assert caplog.records[-1].getMessage().endswith("reached again")
    await archive.close()


async def test_a_full_disk_costs_nothing(warm: Warm, sqlite_url: str) -> None:
    archive = await ColdArchive.open(sqlite_url)
    room = archive._engine.reading

    def bound(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count = {pages}")  # what SQLite tells is as for a disk
        cursor.close()

    event.listen(room.sync_engine, "connect", bound)
    pages = 30
    await room.dispose()
    mover = warm.mover(archive)
    await remember(warm, [fragment(number, "long " * 1000) for number in range(100)])
    known = list((await stored(warm, [fragment(number).id for number in range(100)])).values())

    assert await mover.archive(known) == 0
    assert archive.problem is not None
    assert "full" in archive.problem
    assert len(await stored(warm, [each.id for each in known])) == 100
    assert (await archive.statistics())["fragments"] == 0

    pages = 10_000
    await room.dispose()
    assert await mover.archive(known) == 100
    await archive.close()


async def test_a_store_that_fails_in_between_loses_nothing(
    warm: Warm, archive: ColdArchive, mover: ArchiveMover
) -> None:
    await remember(warm, [fragment(1)])
    known = [await warm.fragments.get(fragment(1).id, _ALL)]
    other = await Writer.take_over(warm.database)
    assert other.head == warm.writer.head
    with pytest.raises(Exception, match="another H-Core"):
        await mover.archive(known)
    assert await stored(warm, [fragment(1).id]) == {fragment(1).id: known[0]}
    assert await mover.reconcile() == 1
    assert await archive.ids([fragment(1).id]) == set()


async def test_many_calls_at_once(warm: Warm, archive: ColdArchive, mover: ArchiveMover) -> None:
    sent = [fragment(number) for number in range(60)]
    await remember(warm, sent)
    ids = [each.id for each in sent]
    known = list((await stored(warm, ids)).values())

    async def back_and_forth(begin: int) -> None:
        for _ in range(3):
            await mover.archive(known[begin : begin + 20])
            await mover.reconcile()
            await mover.restore(ids[begin + 10 : begin + 30])

    await asyncio.gather(*(back_and_forth(begin) for begin in (0, 10, 20, 30)))
    there, archived = set(await stored(warm, ids)), await archive.ids(ids)
    assert there | archived == set(ids)
    assert there & archived == set()
    assert set(await vectors_of(warm)) == there


@pytest.fixture
async def served(tmp_path: Path) -> AsyncGenerator[Warm]:
    async with running_surrealdb3(tmp_path / "surrealdb3") as server:
        opened = await Warm.open(server.url)
        yield opened
        await opened.database.close()


async def test_there_and_back_with_a_server_of_surrealdb_3(
    served: Warm, archive: ColdArchive
) -> None:
    mover = served.mover(archive)
    sent = [fragment(1, agent=MARCEL), fragment(2)]
    await remember(served, sent)
    known = await stored(served, [each.id for each in sent])
    assert await mover.archive(list(known.values())) == 2
    assert await stored(served, [each.id for each in sent]) == {}
    _, vector = (await archive.fetch([fragment(2).id], _ALL))[fragment(2).id]
    assert isinstance(vector, Embedding)
    assert len(await mover.restore([each.id for each in sent])) == 2
    assert set(await stored(served, [each.id for each in sent])) == set(known)
    assert await mover.reconcile() == 0
