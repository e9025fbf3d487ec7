"""Dreams of an export: what is damaged costs nothing else, and each house goes on with its own."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from hairem_core.memory.errors import TransactionFailed
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Builder, Change, Head
from tests.memory.dream.scene import dreamer
from tests.memory.messages import said
from tests.memory.portable.copies import exported, imported


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
