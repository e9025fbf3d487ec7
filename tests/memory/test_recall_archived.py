"""What was archived is no less known: found, looked back on, replaced and dropped as before."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hairem_core.memory.cold import ColdRecall
from hairem_core.memory.store import MemoryStore
from tests.memory.dream.scene import EVERYTHING, Archive, fragment, keep


@pytest.fixture
async def archive(store: MemoryStore, tmp_path: Path) -> AsyncGenerator[Archive]:
    opened = await Archive.open(store, tmp_path / "archive.sqlite3")
    store.cold = ColdRecall(opened.cold, opened.mover)
    yield opened
    await store.cold.close()
    await opened.close()


async def _move_all(store: MemoryStore, archive: Archive) -> None:
    ids = await store.database.query("SELECT VALUE record::id(id) FROM fragment")
    found = await store.fragments.fetch(ids, EVERYTHING)
    assert await archive.mover.archive(list(found.values())) == len(found)


async def test_a_period_has_both_its_ends_warm_and_archived(
    store: MemoryStore, archive: Archive
) -> None:
    lit = fragment("the lantern is lit", days=3)
    await keep(store, [lit])
    second = timedelta(seconds=1)
    for _ in ("warm", "archived"):
        for since, until, is_in in (
            (None, lit.at, True),
            (lit.at, None, True),
            (lit.at, lit.at, True),
            (None, lit.at - second, False),
            (lit.at + second, None, False),
        ):
            found = await store.recall(
                "renarde", "lantern", limit=3, since=since, until=until, include_archived=True
            )
            assert [each.fragment_id for each in found] == [lit.id] * is_in, (since, until)
        await _move_all(store, archive)


async def test_what_lies_before_1970_is_found_up_to_a_day_and_from_one(store: MemoryStore) -> None:
    at = datetime(1969, 7, 20, 20, 17, tzinfo=UTC)
    landing = fragment("the eagle has landed", at=at, valid_from=at)
    await keep(store, [landing])
    hour = timedelta(hours=1)
    for since, until in ((None, at + hour), (at - hour, None), (at, at)):
        (found,) = await store.recall("renarde", "eagle", limit=3, since=since, until=until)
        assert found.fragment_id == landing.id
        # By its words, not only by what it means or answers.
        assert found.why is not None
        assert found.why.words == 1.0
    assert await store.recall("renarde", "eagle", limit=3, until=at - hour) == []
