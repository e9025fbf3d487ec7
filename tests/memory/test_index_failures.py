"""The recall index when something fails under it: it says so, loses nothing, and heals."""

import asyncio
import resource
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid7

import pytest

from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.recall import contents, snapshot
from hairem_core.memory.recall.columns import Columns
from hairem_core.memory.recall.text import Filters, TextIndex
from hairem_core.memory.recent import RecentTurns
from hairem_core.memory.scope import Scope
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from tests.memory.messages import said
from tests.support.bus import until

AT = datetime(2026, 5, 1, tzinfo=UTC)
EVERYTHING = Scope(agent=None)


@pytest.fixture
async def kept(folder_url: str, tmp_path: Path) -> AsyncGenerator[MemoryStore]:
    """A store with an index on disk, and ten lanterns."""
    store = await MemoryStore.open(folder_url, index_folder=tmp_path / "recall")
    for number in range(10):
        await store.record(said(f"the lantern number {number}", conversation_id=f"c{number}"))
    assert await lanterns(store) == 10
    yield store
    await store.close()


async def lanterns(store: MemoryStore) -> int:
    return len(await store.recall("renarde", "lantern", limit=50))


async def lanterns_after_a_restart(store: MemoryStore, url: str, folder: Path) -> int:
    await store.close()
    again = await MemoryStore.open(url, index_folder=folder)
    try:
        return await lanterns(again)
    finally:
        await again.close()


def fragment(number: int) -> Fragment:
    return Fragment(
        id=uuid7(),
        agent=uuid7(),
        kind="episode",
        content=f"the lantern number {number}",
        at=AT,
        last_used=AT,
        valid_from=AT,
        seq=number,
    )


@contextmanager
def full_disk() -> Generator[None]:
    """Have no file grow."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_words_that_could_not_be_written_can_be_written_later(
    tmp_path: Path, attempts: int
) -> None:
    text = TextIndex(tmp_path)
    first, second = fragment(1), fragment(2)
    text.commit(put=[(first, [])], remove=[], stamp="s 1")
    with full_disk():
        for _ in range(attempts):
            with pytest.raises((OSError, ValueError, RuntimeError)):
                text.commit(put=[(second, [])], remove=[1], stamp="s 2")
        assert text.stamp() == "s 1"
        assert found(text) == [1]
    text.commit(put=[(second, [])], remove=[1], stamp="s 2")
    assert text.stamp() == "s 2"
    assert found(text) == [2]
    text.close()
    text.close()
    assert found(TextIndex(tmp_path)) == [2]


def found(text: TextIndex) -> list[int]:
    seqs, _ = text.search("lantern", EVERYTHING, Filters(), limit=10)
    return sorted(seqs.tolist())


async def test_recall_goes_on_with_what_it_has_while_words_cannot_be_written(
    kept: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: TextIndex, **given: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(TextIndex, "commit", fail)
        await kept.record(said("the lantern in the shed", conversation_id="later"))
        assert await lanterns(kept) == 10
        with pytest.raises(MemoryUnavailable, match="no space left"):
            await kept.index.flush()
    assert await lanterns(kept) == 11


async def test_what_could_not_be_taken_in_is_had_from_the_store(
    kept: MemoryStore, monkeypatch: pytest.MonkeyPatch, folder_url: str, tmp_path: Path
) -> None:
    put = Columns.put
    failed = asyncio.Event()

    def fail(self: Columns, fragment: Fragment, row: int | None) -> int:
        if "shed" in fragment.content and not failed.is_set():
            failed.set()
            raise OverflowError("too many")
        return put(self, fragment, row)

    monkeypatch.setattr(Columns, "put", fail)
    await kept.record(said("the lantern in the shed", conversation_id="later"))
    assert (await kept.statistics())["recall"] == "incomplete, being made anew"
    await kept.record(said("the lantern in the attic", conversation_id="later still"))
    await until(lambda: kept.index.is_whole)
    assert await lanterns(kept) == 12
    assert (await kept.statistics())["recall"] == "lexical"
    assert await lanterns_after_a_restart(kept, folder_url, tmp_path / "recall") == 12


async def test_what_could_not_be_taken_in_is_had_after_a_restart(
    kept: MemoryStore, monkeypatch: pytest.MonkeyPatch, folder_url: str, tmp_path: Path
) -> None:
    with monkeypatch.context() as broken:

        def fail(self: Columns, fragment: Fragment, row: int | None) -> int:
            raise OverflowError("too many")

        broken.setattr(Columns, "put", fail)
        await kept.record(said("the lantern in the shed", conversation_id="later"))
        await asyncio.sleep(0.05)
        assert not kept.index.is_whole
        with pytest.raises(OverflowError):
            await kept.index.start_anew()
        await kept.close()
    again = await MemoryStore.open(folder_url, index_folder=tmp_path / "recall")
    assert again.index.rebuilt
    assert await lanterns(again) == 11
    await again.close()


async def test_one_that_cannot_be_made_anew_stays_as_it_is(
    kept: MemoryStore, monkeypatch: pytest.MonkeyPatch, folder_url: str, tmp_path: Path
) -> None:
    async def fail(*given: object) -> AsyncGenerator[Any]:
        raise MemoryUnavailable("no answer", where="here", hint="Wait.")
        yield

    with monkeypatch.context() as broken:
        broken.setattr(contents, "pages", fail)
        with pytest.raises(MemoryUnavailable):
            await kept.index.start_anew()
    await kept.record(said("the lantern in the shed", conversation_id="later"))
    assert await lanterns(kept) == 11
    assert await lanterns_after_a_restart(kept, folder_url, tmp_path / "recall") == 11


@pytest.mark.parametrize("at_the_next_start", [False, True])
async def test_one_that_cannot_be_put_in_its_place_heals(
    kept: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
    folder_url: str,
    tmp_path: Path,
    at_the_next_start: bool,
) -> None:
    def fail(source: Path, target: Path) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(snapshot, "move", fail)
        with pytest.raises(OSError, match="no space"):
            await kept.index.start_anew()
        assert await lanterns(kept) == 10
        await kept.record(said("the lantern in the shed", conversation_id="later"))
        if at_the_next_start:
            await kept.close()
    if not at_the_next_start:
        await until(lambda: kept.index.is_whole)
        assert await lanterns(kept) == 11
    assert await lanterns_after_a_restart(kept, folder_url, tmp_path / "recall") == 11


async def test_what_is_there_is_found_while_it_is_made_anew(kept: MemoryStore) -> None:
    for number in range(300):
        await kept.record(said(f"the kettle number {number}", conversation_id=f"k{number}"))
    making = asyncio.create_task(kept.index.start_anew())
    asked = 0
    while not making.done():
        assert await lanterns(kept) == 10 + asked
        await kept.record(said(f"the lantern of {asked}", conversation_id=f"d{asked}"))
        asked += 1
    await making
    assert asked
    assert await lanterns(kept) == 10 + asked


async def test_a_store_is_closed_whatever_its_index_does(
    folder_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await MemoryStore.open(folder_url, index_folder=tmp_path / "recall")
    await store.record(said("the lantern"))

    def fail(*given: object) -> None:
        raise RuntimeError("consumed")

    with monkeypatch.context() as broken:
        broken.setattr(snapshot, "save", fail)
        with pytest.raises(RuntimeError, match="consumed"):
            await store.close()
    again = await MemoryStore.open(folder_url, index_folder=tmp_path / "recall")
    assert await lanterns(again) == 1
    await again.close()


async def test_a_store_that_cannot_be_opened_lets_go_of_it(
    folder_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: RecentTurns, head: Head) -> None:
        raise MemoryUnavailable("no answer", where="here", hint="Wait.")

    with monkeypatch.context() as broken:
        broken.setattr(RecentTurns, "load", fail)
        with pytest.raises(MemoryUnavailable):
            await MemoryStore.open(folder_url, index_folder=tmp_path / "recall")
    store = await MemoryStore.open(folder_url, index_folder=tmp_path / "recall")
    await store.close()


async def test_what_a_fragment_is_about_may_change(kept: MemoryStore) -> None:
    note = await kept.remember("renarde", "We bought bread", about="name:rex")
    assert len(await kept.recall("renarde", "bread", limit=5, about="name:zoe")) == 0

    async def build(head: Head) -> Change:
        stored = await kept.fragments.get(note.fragment_id, EVERYTHING)
        return Change(changed=[replace(stored, about=("name:rex", "name:zoe"))])

    await kept.writer.commit(build)
    assert len(await kept.recall("renarde", "bread", limit=5, about="name:zoe")) == 1
    assert len(await kept.recall("renarde", "bread", limit=5, about="name:rex")) == 1
