"""What comes with an import and replaces something: it does so here too, and nothing forks."""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hairem_core.memory.archive.errors import ArchiveUnavailable
from hairem_core.memory.archive.mover import ArchiveMover
from hairem_core.memory.archive.store import ColdArchive, Item
from hairem_core.memory.fragment import Embedding, Fragment
from hairem_core.memory.portable.exporter import export
from hairem_core.memory.scope import Scope
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from tests.memory.learning import interpreter_of
from tests.memory.messages import said
from tests.memory.portable.copies import exported, imported

EVERYTHING = Scope(agent=None)


@pytest.fixture
async def other(tmp_path: Path) -> AsyncGenerator[MemoryStore]:
    opened = await MemoryStore.open(f"surrealkv://{tmp_path / 'other'}")
    yield opened
    await opened.close()


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncGenerator[ColdArchive]:
    opened = await ColdArchive.open(f"sqlite+aiosqlite:///{tmp_path / 'archive.db'}")
    yield opened
    await opened.close()


async def note(store: MemoryStore, content: str, replaces: UUID | None = None) -> UUID:
    kept = await store.remember("renarde", content, replaces=replaces)
    assert kept.fragment_id is not None
    return kept.fragment_id


async def of(store: MemoryStore, fragment_id: UUID) -> Fragment:
    return await store.fragments.get(fragment_id, EVERYTHING)


def changed(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Return an export with its lines changed, and its sum left out."""
    lines = [json.loads(each) for each in data.splitlines()]
    for each in lines:
        change(each)
    lines[-1].pop("sha256", None)
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


async def exported_archived(store: MemoryStore, fragment: UUID, folder: Path) -> bytes:
    """Have a fragment archived, and return an export of everything."""
    archive = await ColdArchive.open(f"sqlite+aiosqlite:///{folder / 'theirs.db'}")
    mover = ArchiveMover(store.database, store.writer, store.fragments, archive)
    assert await mover.archive([await of(store, fragment)]) == 1
    data = await exported(store, archive=archive)
    await archive.close()
    return data


async def test_what_was_replaced_elsewhere_ceases_to_hold_here(
    store: MemoryStore, other: MemoryStore
) -> None:
    old = await note(other, "the key is in the drawer")
    await imported(store, await exported(other))
    new = await note(other, "the key is under the pot", old)

    report = await imported(store, await exported(other))

    assert report.is_whole, report.problems
    assert (await of(store, old)).replaced_by == new
    assert (await of(store, new)).replaces_id == old
    found = await store.recall("renarde", "where is the key?", limit=5)
    assert [each.content for each in found] == ["the key is under the pot"]
    chain = await store.history("renarde", old)
    assert [each.fragment_id for each in chain] == [old, new]


async def test_what_was_replaced_here_by_something_archived_does_not_fork(
    store: MemoryStore, other: MemoryStore, archive: ColdArchive
) -> None:
    old = await note(other, "the key is in the drawer")
    await imported(store, await exported(other), archive=archive)
    mine = await note(store, "the key is in my bag", old)
    theirs = await note(other, "the key is under the pot", old)
    mover = ArchiveMover(store.database, store.writer, store.fragments, archive)
    assert await mover.archive([await of(store, mine)]) == 1

    report = await imported(store, await exported(other), archive=archive)

    assert len(report.problems) == 1
    assert (await of(store, theirs)).replaces_id is None
    (back,) = await mover.restore([mine])
    assert back.replaces_id == old


async def test_what_is_archived_here_is_closed_there(
    store: MemoryStore, other: MemoryStore, archive: ColdArchive
) -> None:
    old = await note(other, "the key is in the drawer")
    await imported(store, await exported(other), archive=archive)
    mover = ArchiveMover(store.database, store.writer, store.fragments, archive)
    assert await mover.archive([await of(store, old)]) == 1
    new = await note(other, "the key is under the pot", old)

    assert (await imported(store, await exported(other), archive=archive)).is_whole

    (kept, _) = (await archive.fetch([old], EVERYTHING))[old]
    assert (kept.replaced_by, kept.is_valid) == (new, False)


async def test_what_comes_archived_closes_too(
    store: MemoryStore, other: MemoryStore, archive: ColdArchive, tmp_path: Path
) -> None:
    old = await note(other, "the key is in the drawer")
    await imported(store, await exported(other), archive=archive)
    new = await note(other, "the key is under the pot", old)
    data = await exported_archived(other, new, tmp_path)
    assert (await imported(store, data, archive=archive)).is_whole

    assert (await of(store, old)).replaced_by == new


@pytest.mark.parametrize("comes_archived", [False, True])
async def test_broken_off_between_store_and_archive_it_can_be_run_again(
    store: MemoryStore,
    other: MemoryStore,
    archive: ColdArchive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    comes_archived: bool,
) -> None:
    """The new one comes to where the old one is not: in one of both the link is made last."""
    old = await note(other, "the key is in the drawer")
    await imported(store, await exported(other), archive=archive)
    new = await note(other, "the key is under the pot", old)
    theirs = await ColdArchive.open(f"sqlite+aiosqlite:///{tmp_path / 'theirs.db'}")
    here, there = (
        ArchiveMover(each.database, each.writer, each.fragments, cold)
        for each, cold in ((store, archive), (other, theirs))
    )
    if comes_archived:
        assert await there.archive([await of(other, new)]) == 1
    else:
        assert await here.archive([await of(store, old)]) == 1
    data = await exported(other, archive=theirs)
    await theirs.close()
    put = archive.put

    async def put_and_go_away(items: Sequence[Item]) -> None:
        if comes_archived:
            await put(items)
        raise ArchiveUnavailable("it went away", where="here", hint="Wait.")

    monkeypatch.setattr(archive, "put", put_and_go_away)
    with pytest.raises(ArchiveUnavailable):
        await imported(store, data, archive=archive)
    monkeypatch.undo()

    for _ in range(2):
        report = await imported(store, data, archive=archive)
        assert report.is_whole, report.problems
        assert report.added == 0
    cold = await archive.fetch([old, new], EVERYTHING)
    kept = cold[old][0] if old in cold else await of(store, old)
    assert (kept.replaced_by, kept.is_valid) == (new, False)
    assert (old in cold, new in cold) == (not comes_archived, comes_archived)


@pytest.mark.parametrize("wrong", ["circle", "another agent's"])
async def test_links_that_cannot_be_are_told_and_left_out(
    store: MemoryStore, other: MemoryStore, wrong: str
) -> None:
    old = await note(other, "the key is in the drawer")
    new = await note(other, "the key is under the pot", old)
    if wrong == "circle":

        def bend(line: dict[str, Any]) -> None:
            if line.get("id") == str(old):
                line["replaces_id"] = str(new)
    else:
        hers = await store.remember("electra", "mine alone")

        def bend(line: dict[str, Any]) -> None:
            if line.get("id") == str(new):
                line["replaces_id"] = str(hers.fragment_id)

    report = await imported(store, changed(await exported(other), bend))

    assert [each.what for each in report.problems if "replace" in each.what]
    for each in (old, new):
        chain = await store.history("renarde", each)
        assert len({link.fragment_id for link in chain}) == len(chain) <= 2
    found = await store.recall("electra", "mine", limit=5)
    assert [each.content for each in found] == (["mine alone"] if wrong != "circle" else [])


@pytest.mark.parametrize(
    "values",
    [{"uses": 2**40}, {"uses": 2**53}, {"embedding": {"model": "m", "vector": "AAAA"}}],
    ids=["many uses", "most uses", "three bytes"],
)
async def test_no_line_keeps_memory_from_opening(
    other: MemoryStore, tmp_path: Path, values: dict[str, Any]
) -> None:
    kept = await note(other, "the key is in the drawer")
    data = changed(
        await exported(other),
        lambda line: line.update(values) if line.get("id") == str(kept) else None,
    )
    for _ in range(2):
        there = await MemoryStore.open(
            f"surrealkv://{tmp_path / 'there'}", index_folder=tmp_path / "index", embedder=_Model()
        )
        report = await imported(there, data)
        found = await there.recall("renarde", "where is the key?", limit=5)
        # What cannot be a vector spoils its line, which is told; what can be is taken in.
        told = [each for each in report.problems if "vector" in each.what]
        assert len(found) + len(told) == 1, report.problems
        await there.close()


async def test_a_vector_that_is_none_of_its_models_costs_no_other(
    other: MemoryStore, tmp_path: Path
) -> None:
    there = await MemoryStore.open(f"surrealkv://{tmp_path / 'there'}", embedder=_Model())
    await there.remember("renarde", "the lamp is in the hall")
    await there.embeddings.settle()
    kept = await note(other, "the key is in the drawer")
    alien = Embedding(fragment_id=kept, model=_Model.model, vector=bytes(10))
    fragment = await of(other, kept)

    async def build(head: Head) -> Change:
        return Change(embeddings=[(fragment, alien)])

    await other.writer.commit(build)
    await imported(there, await exported(other))
    await there.embeddings.settle()
    assert there.index.dimensions == 8
    assert there.index.statistics()["embedded"] == 2
    await there.close()


class _Model:
    """Stands for a model of embeddings."""

    model = "m"

    async def embed(self, texts: Sequence[str], *, timeout: float) -> list[bytes]:
        return [b"\x00\x3c" + bytes(14) for _ in texts]


async def test_what_was_interpreted_elsewhere_is_not_interpreted_again(
    store: MemoryStore, other: MemoryStore
) -> None:
    await other.record(said("My favourite colour is blue"))
    await other.record(said("My favourite colour is green now"))
    await interpreter_of(other).settle()
    await other.record(said("I live in Lyon"))  # of this nothing was learned yet
    data = await exported(other)
    # A life of its own, and words while the import goes on.
    await store.record(said("good morning"))
    mine = interpreter_of(store)

    assert (await imported(store, data)).is_whole
    await store.record(said("I work at Nestlé"))
    await mine.settle()

    assert mine.statistics()["facts"] == 2, "Lyon and Nestlé"
    for each in await _facts(other):
        here = await of(store, each.id)
        assert (here.replaced_by, here.valid_to) == (each.replaced_by, each.valid_to)
    again = interpreter_of(store)
    await again.settle()
    assert again.statistics()["facts"] == 0


async def _facts(store: MemoryStore) -> list[Fragment]:
    ids = await store.database.query("SELECT VALUE record::id(id) FROM fragment")
    found = await store.fragments.fetch(ids, EVERYTHING)
    return [each for each in found.values() if each.kind == "fact"]


@pytest.mark.parametrize("minutes", [1, -1], ids=["as it goes", "put back"])
async def test_what_comes_back_from_the_archive_meanwhile_is_not_missed(
    store: MemoryStore, archive: ColdArchive, minutes: int
) -> None:
    time = store.clock()
    store.clock = clock = lambda: time
    mover = ArchiveMover(store.database, store.writer, store.fragments, archive, clock=clock)
    kept = [await note(store, f"thing number {number}") for number in range(3)]
    time += timedelta(days=1)
    assert await mover.archive([await of(store, kept[0])]) == 1

    exporting = export(store, archive=archive)
    data = await anext(exporting)
    time += timedelta(minutes=minutes)
    (back,) = await mover.restore([kept[0]])
    late = await note(store, "new")
    data += b"".join([chunk async for chunk in exporting])

    assert back.last_used == time
    ids = {json.loads(each).get("id") for each in data.splitlines()}
    assert {str(each) for each in kept} <= ids
    assert str(late) not in ids


async def test_a_chain_is_closed_whatever_the_order_of_lines(
    store: MemoryStore, other: MemoryStore
) -> None:
    last: UUID | None = None
    for number in range(5):
        last = await note(other, f"the key is in drawer {number}", last)
    lines = (await exported(other)).splitlines(keepends=True)
    fragments = [each for each in lines if b'"line":"fragment"' in each]
    rest = [each for each in lines if each not in fragments]
    data = b"".join([*rest[:-1], *reversed(fragments)])
    await imported(store, data)
    found = await store.recall("renarde", "which drawer is the key in?", limit=9)
    assert [each.content for each in found] == ["the key is in drawer 4"]
    assert last is not None
    assert len(await store.history("renarde", last)) == 5


async def test_what_comes_archived_twice_is_one_thing(
    store: MemoryStore, other: MemoryStore, archive: ColdArchive, tmp_path: Path
) -> None:
    old = await note(other, "the key is in the drawer")
    new = await note(other, "the key is under the pot", old)
    data = await exported_archived(other, new, tmp_path)
    line = next(each for each in data.splitlines(keepends=True) if b'"archived"' in each)

    report = await imported(store, data.replace(line, line + line), archive=archive)

    assert (report.tallies["archived"].added, report.tallies["archived"].known) == (1, 1)
    assert all(each.line == 0 for each in report.problems), report.problems
    (kept, _) = (await archive.fetch([new], EVERYTHING))[new]
    assert kept.replaces_id == old
