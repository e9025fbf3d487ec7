"""What was archived is no less known: found, looked back on, replaced and dropped as before."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hairem_core.memory.archive.errors import ArchiveUnavailable
from hairem_core.memory.archive.store import Item
from hairem_core.memory.cold import ColdRecall
from hairem_core.memory.errors import MemoryRefused, UnknownFragment
from hairem_core.memory.forget.tombstones import Tombstones
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.scope import Scope
from hairem_core.memory.store import MemoryStore
from tests.memory.dream.scene import EVERYTHING, NOW, Archive, fragment, keep


@pytest.fixture
async def archive(store: MemoryStore, tmp_path: Path) -> AsyncGenerator[Archive]:
    opened = await Archive.open(store, tmp_path / "archive.sqlite3")
    store.cold = ColdRecall(opened.cold, opened.mover, store.fragments)
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


def _replaced(content: str, days: float, by: Fragment, **more: Any) -> Fragment:
    """Return a fact of long ago that `by` replaces."""
    made = fragment(content, days=days, kind="fact", subject="user:anna", slot="drinks", **more)
    return made.closed(by.valid_from, by.id)


def _chain() -> list[Fragment]:
    """Return three facts, each in the place of the one before."""
    wine = fragment("Anna drinks wine", days=200, kind="fact", subject="user:anna", slot="drinks")
    coffee = _replaced("Anna drinks coffee", 300, wine)
    tea = _replaced("Anna drinks tea", 400, coffee)
    return [
        tea,
        replace(coffee, replaces_id=tea.id),
        replace(wine, replaces_id=coffee.id),
    ]


async def _archive(store: MemoryStore, archive: Archive, *fragments: Fragment) -> None:
    found = await store.fragments.fetch([each.id for each in fragments], EVERYTHING)
    assert await archive.mover.archive(list(found.values())) == len(fragments)


@pytest.mark.parametrize("archived", [(0,), (1,), (0, 1), (2,), (0, 1, 2)])
async def test_a_history_goes_through_the_archive(
    store: MemoryStore, archive: Archive, archived: tuple[int, ...]
) -> None:
    chain = _chain()
    await keep(store, chain)
    await _archive(store, archive, *(chain[each] for each in archived))
    for each in chain:
        found = await store.history("renarde", each.id)
        assert [one.fragment_id for one in found] == [one.id for one in chain]
        assert [one.is_archived for one in found] == [one in archived for one in range(3)]
        with pytest.raises(UnknownFragment):
            await store.history("electra", each.id)


async def test_what_was_held_once_is_known_though_it_is_archived(
    store: MemoryStore, archive: Archive
) -> None:
    chain = _chain()
    await keep(store, chain)
    await _archive(store, archive, *chain[:2])
    for days, held in ((350, chain[0]), (300, chain[1]), (250, chain[1]), (100, chain[2])):
        found = await store.recall(
            "renarde", "what does Anna drink?", limit=1, as_of=NOW - timedelta(days=days)
        )
        assert [each.fragment_id for each in found] == [held.id], days
    (found_now,) = await store.recall("renarde", "what does Anna drink?", limit=3)
    assert found_now.fragment_id == chain[2].id


async def test_what_held_at_another_time_does_not_crowd_out_what_held_then(
    store: MemoryStore, archive: Archive
) -> None:
    held = fragment("the lantern is lit", days=100).closed(NOW - timedelta(days=90), None)
    earlier = [
        fragment("lantern", days=200 + each).closed(NOW - timedelta(days=199), None)
        for each in range(9)
    ]
    # Said before it, and known only after it.
    later = [
        replace(
            fragment("lantern", days=101 + each),
            valid_from=NOW - timedelta(days=50),
            valid_to=NOW - timedelta(days=each),
        )
        for each in range(9)
    ]
    everything = [held, *earlier, *later]
    await keep(store, everything)
    await _archive(store, archive, *everything)
    (found,) = await store.recall(
        "renarde", "lantern", limit=2, as_of=NOW - timedelta(days=95), include_archived=True
    )
    assert found.fragment_id == held.id


async def test_while_the_archive_is_away_what_is_warm_is_known(
    store: MemoryStore, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = _chain()
    await keep(store, chain)
    await _archive(store, archive, chain[0])

    async def away(*_: object, **__: object) -> None:
        raise ArchiveUnavailable("away", where="nowhere", hint="Wait.")

    for name in ("fetch", "search", "remove"):
        monkeypatch.setattr(archive.cold, name, away)
    then = NOW - timedelta(days=250)
    (found,) = await store.recall("renarde", "what does Anna drink?", limit=3, as_of=then)
    assert found.fragment_id == chain[1].id
    history = await store.history("renarde", chain[2].id)
    assert [each.fragment_id for each in history] == [each.id for each in chain[1:]]
    # Whether it is there cannot be said.
    with pytest.raises(ArchiveUnavailable):
        await store.history("renarde", chain[0].id)
    with pytest.raises(ArchiveUnavailable):
        await store.drop("renarde", chain[0].id)
    await store.drop("renarde", chain[1].id)
    monkeypatch.undo()
    assert [each.fragment_id for each in await store.history("renarde", chain[0].id)] == [
        chain[0].id
    ]


async def test_an_archived_fragment_is_replaced_once(store: MemoryStore, archive: Archive) -> None:
    old = await store.remember("renarde", "the lantern is green", about="lantern")
    await _move_all(store, archive)
    with pytest.raises(UnknownFragment):
        await store.remember("electra", "mine now", replaces=old.fragment_id)
    assert (await store.history("renarde", old.fragment_id))[0].is_archived

    outcomes = await asyncio.gather(
        *(
            store.remember("renarde", f"the lantern is {each}", replaces=old.fragment_id)
            for each in ("red", "blue", "white")
        ),
        return_exceptions=True,
    )

    assert sum(isinstance(each, MemoryRefused) for each in outcomes) == 2
    (new,) = (each for each in outcomes if not isinstance(each, BaseException))
    chain = await store.history("renarde", old.fragment_id)
    assert [each.fragment_id for each in chain] == [old.fragment_id, new.fragment_id]
    assert (chain[0].valid_to, new.subject) == (new.valid_from, old.subject)
    found = await store.recall("renarde", "lantern", limit=9, include_archived=True)
    assert [each.fragment_id for each in found] == [new.fragment_id]
    # What holds no more stays where it is, and is not replaced again.
    await _move_all(store, archive)
    with pytest.raises(MemoryRefused):
        await store.remember("renarde", "the lantern is out", replaces=old.fragment_id)
    assert all(each.is_archived for each in await store.history("renarde", old.fragment_id))


async def test_an_archived_fragment_is_dropped_and_stays_so(
    store: MemoryStore, archive: Archive
) -> None:
    one = await store.remember("renarde", "the lantern is green")
    another = await store.remember("renarde", "the kettle is green")
    await _move_all(store, archive)
    with pytest.raises(UnknownFragment):
        await store.drop("electra", one.fragment_id)
    assert len(await archive.all()) == 2

    await store.drop("renarde", one.fragment_id)

    assert set(await archive.all()) == {another.fragment_id}
    with pytest.raises(UnknownFragment):
        await store.drop("renarde", one.fragment_id)
    assert await store.recall("renarde", "lantern", limit=3, include_archived=True) == []
    # An import knows it again by this.
    gone = await Tombstones(store.database).of("fragment", [one.fragment_id, another.fragment_id])
    assert gone == {one.fragment_id}


async def test_what_is_dropped_on_its_way_back_is_gone_from_both(
    store: MemoryStore, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await store.remember("renarde", "the lantern is green")
    await _move_all(store, archive)
    fetch, dropping = archive.cold.fetch, None

    async def fetch_and_drop(ids: list[UUID], scope: Scope) -> dict[UUID, Item]:
        nonlocal dropping
        found = await fetch(ids, scope)
        if dropping is None:
            dropping = asyncio.create_task(store.drop("renarde", one.fragment_id))
            await asyncio.sleep(0.05)
        return found

    monkeypatch.setattr(archive.cold, "fetch", fetch_and_drop)
    await archive.mover.restore([one.fragment_id])
    assert dropping is not None
    await dropping
    assert await archive.all() == {}
    assert await store.fragments.existing([one.fragment_id]) == set()


async def test_what_is_left_out_is_left_out_of_the_archive_too(
    store: MemoryStore, archive: Archive
) -> None:
    one = fragment("the lantern is green", days=3)
    await keep(store, [one, fragment("the lantern is red", days=3)])
    await _move_all(store, archive)
    found = await store.recall(
        "renarde", "lantern", limit=5, include_archived=True, exclude=one.derived_from
    )
    assert [each.content for each in found] == ["the lantern is red"]
