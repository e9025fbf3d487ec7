"""Forgetting somebody while a part of the house is away, or comes back at the wrong moment."""

import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hairem_core.config.system import MemoryConfig
from hairem_core.hlink.errors import BusUnavailable
from hairem_core.memory.archive.errors import ArchiveUnavailable
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.errors import TransactionFailed, UnknownFragment
from hairem_core.memory.forget import forgetter as forgetter_module
from hairem_core.memory.forget.decision import Search
from hairem_core.memory.forget.ledger import Ledger
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.fragment import Entity
from hairem_core.memory.scope import Scope
from hairem_core.memory.service import MemoryService
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from hairem_core.sdk.message import Message
from tests.memory.forget.test_forget import AT, add, fact_of
from tests.memory.messages import said
from tests.memory.portable.copies import exported

_EVERYTHING = Scope(agent=None)


class Texts:
    """Stands for the bus: what lies on it, and whether it can be reached."""

    reaches_files = True

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.is_away = False

    async def count(self, matches: Callable[[Message], bool], words: Callable[[str], bool]) -> int:
        return sum(map(words, self.texts))

    async def erase(self, matches: Callable[[Message], bool], words: Callable[[str], bool]) -> int:
        if self.is_away:
            raise BusUnavailable("Redis cannot be reached")
        before = len(self.texts)
        self.texts = [each for each in self.texts if not words(each)]
        return before - len(self.texts)


async def opened(folder: Path, traces: Texts | None = None) -> MemoryService:
    service = await MemoryService.open(folder, MemoryConfig(), traces=traces)
    await service.start()
    return service


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[MemoryService]:
    opened_service = await opened(tmp_path)
    yield opened_service
    await opened_service.close()


async def archive_all(service: MemoryService) -> None:
    """Have everything fade, and the index know nothing of it any more."""
    rows = await service.store.database.query("SELECT VALUE record::id(id) FROM fragment")
    found = await service.store.fragments.fetch(rows, _EVERYTHING)
    assert await service.mover.archive(list(found.values())) == len(rows)
    await service.store.index.start_anew()


async def contents(store: MemoryStore) -> list[str]:
    return [row["content"] for row in await store.database.query("SELECT * FROM fragment")]


async def _away(*_: Any, **__: Any) -> Any:
    raise ArchiveUnavailable("no answer", where="archive")


async def _away_in_pages(*_: Any, **__: Any) -> AsyncIterator[Any]:
    raise ArchiveUnavailable("no answer", where="archive")
    yield


async def test_what_the_archive_still_holds_is_seen_by_nobody(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = service.store
    note = await store.remember("renarde", "Zorblex hides the spare key under the fern")
    await archive_all(service)
    with monkeypatch.context() as patch:
        patch.setattr(ColdArchive, "remove", _away)
        receipt = await service.forgetter.forget(Selector(subject="Zorblex"))
    assert [each.partition(":")[0] for each in receipt.unfinished] == ["archive", "files"]
    assert await service.archive.ids([note.fragment_id])

    assert await store.recall("renarde", "spare key fern", limit=5, include_archived=True) == []
    with pytest.raises(UnknownFragment):
        await store.history("renarde", note.fragment_id)
    assert b"Zorblex" not in await exported(store, archive=service.archive)
    await service.mover.restore([note.fragment_id])

    assert await contents(store) == []
    assert await service.archive.ids([note.fragment_id]) == set()
    (done,) = await service.forgetter.resume()
    assert done.is_complete


async def test_what_was_dropped_while_it_was_in_both_places_stays_dropped(
    service: MemoryService,
) -> None:
    store = service.store
    note = await store.remember("renarde", "the spare key is under the fern")
    found = await store.fragments.fetch([note.fragment_id], _EVERYTHING)
    # Killed in the middle of a hand-over.
    await service.archive.put([(each, None) for each in found.values()])
    await store.drop("renarde", note.fragment_id)

    assert await store.recall("renarde", "spare key fern", limit=5, include_archived=True) == []
    await service.mover.restore([note.fragment_id])
    assert await contents(store) == []


@pytest.mark.parametrize("is_archived", [False, True])
async def test_whose_words_have_all_faded_spoke_as_well(
    service: MemoryService, *, is_archived: bool
) -> None:
    store = service.store
    await store.record(said("I hide keys", by="user:u77", name="Zebulon"))
    await store.record(said("and coins", by="user:u77"))  # another client, which tells no name
    if is_archived:
        await archive_all(service)
    await service.forgetter.forget(Selector(person="Zebulon"))
    assert set(await store.database.query("SELECT VALUE content FROM raw_event")) <= {None, ""}
    assert (await service.archive.statistics())["fragments"] == 0


@pytest.mark.parametrize("is_archived", [False, True])
async def test_of_an_address_the_name_is_known_too(
    service: MemoryService, *, is_archived: bool
) -> None:
    store = service.store
    await store.record(said("I hide keys", by="user:u77", name="Zebulon"))
    await store.set_state("renarde", "friends", {"list": ["good old Zebulon"]})
    if is_archived:
        await archive_all(service)
    await service.forgetter.forget(Selector(person="user:u77"))
    assert await store.get_state("renarde", "friends") is None


@pytest.mark.parametrize("is_away", [False, True])
async def test_a_name_that_went_is_known_when_the_bus_is_back(
    tmp_path: Path, *, is_away: bool
) -> None:
    bus = Texts("a turn failed over Zebulon")
    bus.is_away = is_away
    service = await opened(tmp_path, bus)
    agent = service.store.names.identify("renarde")
    sister = Entity(agent=agent, key="user:anna/sister", name="Zebulon", last_at=AT)

    async def build(head: Head) -> Change:
        return Change(entities=[sister])

    await service.store.writer.commit(build)
    receipt = await service.forgetter.forget(Selector(subject=sister.key))
    bus.is_away = False
    if is_away:
        (receipt,) = await service.forgetter.resume()
    await service.close()
    assert receipt.is_complete
    assert bus.texts == []


async def test_a_person_is_known_at_the_next_start(tmp_path: Path) -> None:
    bus = Texts("a turn failed over Zebulon")
    bus.is_away = True
    service = await opened(tmp_path, bus)
    await service.store.record(said("I hide keys", by="user:u77", name="Zebulon"))
    assert (await service.forgetter.forget(Selector(person="user:u77"))).unfinished
    await service.close()
    shutil.rmtree(tmp_path / "recall")
    bus.is_away = False
    await (await opened(tmp_path, bus)).close()
    assert bus.texts == []


async def test_a_disk_without_room_is_told_and_holds_up_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> None:
        raise TransactionFailed("No space left on device", where="memory")

    service = await opened(tmp_path)
    await service.store.record(said("Zorblex rang"))
    with monkeypatch.context() as patch:
        patch.setattr(forgetter_module, "vacuum", full)
        receipt = await service.forgetter.forget(Selector(subject="Zorblex"))
        assert receipt.unfinished == ["files: memory: No space left on device"]
        assert not receipt.vacuumed
        await service.close()
        service = await opened(tmp_path)
        await service.store.record(said("what is said goes on"))
    (done,) = await service.forgetter.resume()
    await service.close()
    assert done.is_complete


async def test_an_archive_that_goes_away_in_the_middle_holds_up_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await opened(tmp_path)
    store = service.store
    await add(store, fact_of(store, "Zorblex rang"))
    begin, extend = Ledger.begin, Ledger.extend
    late = replace(fact_of(store, "Zorblex rang again"), about=("name:zorblex",))

    with monkeypatch.context() as patch:

        async def begin_then_away(self: Ledger, *args: Any) -> None:
            await begin(self, *args)
            await add(store, late)
            patch.setattr(ColdArchive, "select", _away_in_pages)

        patch.setattr(Ledger, "begin", begin_then_away)
        patch.setattr(Ledger, "extend", extend)
        receipt = await service.forgetter.forget(Selector(subject="Zorblex"))
        assert receipt.unfinished[0].startswith("archive: ")
        await service.close()
        service = await opened(tmp_path)
    (done,) = await service.forgetter.resume()
    left = await contents(service.store)
    await service.close()
    assert done.is_complete
    assert left == []


async def test_digests_are_counted(service: MemoryService) -> None:
    await service.store.record(said("My favourite colour is Zorblex"))
    await service.dreamer.dream("asked")
    receipt = await service.forgetter.forget(Selector(subject="Zorblex"))
    assert "Zorblex" not in str(await service.store.database.query("SELECT * FROM dream"))
    assert "Zorblex" not in str(service.dreamer.latest())
    assert receipt.counts["digests"] == 1


async def test_who_is_named_by_what_stays_stays(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = service.store
    agent = store.names.identify("renarde")
    about = ("name:rex",)
    await add(store, replace(fact_of(store, "Rex barks"), about=about))

    async def build(head: Head) -> Change:
        return Change(entities=[Entity(agent=agent, key="name:rex", name="Rex", last_at=AT)])

    await store.writer.commit(build)
    heard = said("he knows Rex")
    await store.record(heard)
    await add(store, fact_of(store, "Zorblex is he", heard.header.msg_id))
    follow = Search._follow
    made = [replace(fact_of(store, "he knows Rex", heard.header.msg_id), about=about)]

    async def late(self: Search) -> None:
        if made:
            await add(store, made.pop())  # of what was looked at before
        await follow(self)

    monkeypatch.setattr(Search, "_follow", late)
    await service.forgetter.forget(Selector(subject="Zorblex"), vacuum=False)
    assert await store.database.query("SELECT VALUE name FROM entity") == ["Rex"]
    assert await contents(store) == ["Rex barks"]
