"""Dreams of an export: what is damaged costs nothing else, and each house goes on with its own."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from hairem_core.api.memory import MemoryViews
from hairem_core.api.memory_models import ImportAnswer
from hairem_core.config.system import MemoryConfig
from hairem_core.memory.dream.journal import Journal
from hairem_core.memory.dream.parts import DreamProgress, DreamStopped
from hairem_core.memory.errors import TransactionFailed
from hairem_core.memory.service import MemoryService
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Builder, Change, Head
from tests.memory.dream.scene import dreamer
from tests.memory.messages import said
from tests.memory.portable.copies import chunks, exported, imported


@pytest.fixture
def url(folder_url: str) -> str:
    return folder_url


@pytest.fixture
async def data(tmp_path: Path) -> AsyncGenerator[bytes]:
    """An export of a house that dreamt three times."""
    source = await MemoryStore.open(f"surrealkv://{tmp_path / 'source'}")
    await source.record(said("the spare key is in the shed"))
    house = dreamer(source)
    for _ in range(3):
        await house.dream()
    yield await exported(source)
    await source.close()


def with_dreams(data: bytes, **values: Any) -> bytes:
    """Return an export in which every dream has other values."""
    lines = [json.loads(each) for each in data.splitlines()]
    changed = [each | values if each["line"] == "dream" else each for each in lines]
    return b"".join(json.dumps(each).encode() + b"\n" for each in changed)


@pytest.mark.parametrize(
    "values",
    [
        {"progress": "{oops"},
        {"progress": "[" * 100_000},
        {"progress": '{"since": 1, "limit": 1, "step": "\\ud800"}'},
        {"digest": "{oops"},
    ],
    ids=["no JSON", "too deep", "half a character", "no digest"],
)
async def test_dreams_that_cannot_be_read_are_left_out_and_told(
    store: MemoryStore, data: bytes, values: dict[str, Any]
) -> None:
    report = await imported(store, with_dreams(data, **values))

    told = [each for each in report.problems if each.line]
    assert len(told) == report.tallies["dream"].refused == 3
    assert all("not JSON" in each.what for each in told)
    assert report.tallies["dream"].added == 0
    found = await store.recall("renarde", "where is the spare key?", limit=5)
    assert [each.content for each in found] == ["the spare key is in the shed"]


async def test_a_dream_that_the_store_refuses_costs_no_other(
    store: MemoryStore, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = json.loads(next(each for each in data.splitlines() if b'"line":"dream"' in each))
    commit = store.writer.commit

    async def without_one(build: Builder) -> Head:
        async def built(head: Head) -> Change | None:
            change = await build(head)
            for each in change.statements if change is not None else ():
                ids = [str(row["id"].id) for row in each.variables.get("rows", [])]
                if refused["id"] in ids:
                    raise TransactionFailed("there is no room for it")
            return change

        return await commit(built)

    monkeypatch.setattr(store.writer, "commit", without_one)
    report = await imported(store, data)

    assert ["no room" in each.what for each in report.problems] == [True]
    assert (report.tallies["dream"].added, report.tallies["dream"].refused) == (2, 1)
    assert report.chain == "kept"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[MemoryService]:
    opened = await MemoryService.open(tmp_path / "house", MemoryConfig())
    await opened.start()
    yield opened
    await opened.close()


async def taken_in(service: MemoryService, data: bytes) -> ImportAnswer:
    """Take an export in as the API does."""
    upload: Any = chunks(data)
    return await MemoryViews(service, "en").import_(upload)


async def journal(service: MemoryService) -> Journal:
    """Return the dreams as they are after a restart."""
    return await Journal.load(service.store.database, service.store.writer)


async def test_its_own_dream_comes_after_those_that_were_imported(
    service: MemoryService, data: bytes
) -> None:
    assert (await taken_in(service, data)).tallies["dream"].added == 3
    assert service.dreamer.latest() is not None

    own = await service.dreamer.dream()

    assert service.dreamer.latest() == own
    again = await journal(service)
    found = again.latest()
    assert found is not None
    assert (found.id, found.progress.number) == (own.dream_id, 4)
    assert again.unfinished() is None


async def test_a_dream_of_its_own_that_broke_off_is_gone_on_with(
    service: MemoryService, data: bytes
) -> None:
    def stop(progress: DreamProgress) -> None:
        if progress.step == "archive" and not stopping:
            stopping.append(asyncio.create_task(service.dreamer.stop()))

    stopping: list[asyncio.Task[None]] = []
    service.dreamer.subscribe(stop)
    with pytest.raises(DreamStopped):
        await service.dreamer.dream()
    await asyncio.gather(*stopping)
    own = (await journal(service)).unfinished()
    assert own is not None

    assert (await taken_in(service, data)).tallies["dream"].left_out == 3

    unfinished = (await journal(service)).unfinished()
    assert unfinished is not None
    assert unfinished.id == own.id
    await service.dreamer.start()
    assert (await service.dreamer.dream()).dream_id == own.id


async def test_beside_the_dream_under_way_no_others_are_taken_in(
    service: MemoryService, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def long() -> None:
        begun.set()
        await over.wait()

    # Of the dream nothing is stored yet.
    monkeypatch.setattr(service.interpreter, "settle", long)
    dreaming = asyncio.create_task(service.dreamer.dream())
    await begun.wait()
    monkeypatch.undo()

    report = await taken_in(service, data)
    over.set()
    own = await dreaming

    assert report.tallies["dream"].left_out == 3
    latest = (await journal(service)).latest()
    assert latest is not None
    assert latest.id == own.dream_id
