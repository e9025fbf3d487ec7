"""All of memory together: what is archived is found when asked for, and warm again once of use."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from hairem_core.config.system import MemoryConfig
from hairem_core.memory import service as memory_service
from hairem_core.memory.dream.words import in_words
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.scope import Scope
from hairem_core.memory.service import MemoryService
from hairem_core.memory.vacuum import vacuum
from tests.memory.forget.house import AwayBus
from tests.memory.interpret.models import ToldModel, facts_answer
from tests.memory.messages import said
from tests.support.bus import until
from tests.support.memory_house import tamper

_CODE = "the code of the old safe is violet"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[MemoryService]:
    opened = await MemoryService.open(tmp_path, MemoryConfig())
    await opened.start()
    yield opened
    await opened.close()


async def _archive_all(service: MemoryService) -> None:
    store = service.store
    ids = [each.uuid(row) for each in store.index.columns().values() for row in range(each.size)]
    found = await store.fragments.fetch(ids, Scope(agent=None))
    assert await service.mover.archive(list(found.values())) == len(found)


async def test_what_is_archived_comes_when_asked_for_and_is_warm_once_of_use(
    service: MemoryService,
) -> None:
    store = service.store
    await store.record(said(_CODE))
    await _archive_all(service)
    question = "What is the code of the safe?"

    assert await store.recall("renarde", question, limit=5) == []
    (looked_at,) = await store.recall("renarde", question, limit=5, include_archived=True)
    assert (looked_at.content, looked_at.is_archived) == (_CODE, True)
    assert looked_at.why is not None
    assert looked_at.why.words > 0.5
    # A look alone moves nothing.
    assert await store.recall("renarde", question, limit=5) == []

    await store.recall("renarde", question, limit=5, include_archived=True, is_use=True)
    await service.cold.close()
    (warm,) = await store.recall("renarde", question, limit=5)
    assert (warm.fragment_id, warm.is_archived) == (looked_at.fragment_id, False)
    assert await service.archive.ids([warm.fragment_id]) == set()


async def test_of_another_agent_nothing_comes_from_the_archive(service: MemoryService) -> None:
    await service.store.record(said(_CODE))
    await _archive_all(service)
    found = await service.store.recall("electra", _CODE, limit=5, include_archived=True)
    shared = await service.store.recall(
        "electra", _CODE, limit=5, include_archived=True, shared=True
    )
    assert found == shared == []


async def test_a_good_archived_answer_comes_before_a_poor_warm_one(service: MemoryService) -> None:
    store = service.store
    await store.record(said(_CODE, conversation_id="c1"))
    await _archive_all(service)
    await store.record(said("the old clock ticks", conversation_id="c2"))

    found = await store.recall("renarde", "code of the old safe", limit=5, include_archived=True)

    assert [each.content for each in found] == [_CODE, "the old clock ticks"]


async def test_a_relative_path_of_the_archive_counts_from_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = MemoryConfig(archive_url=SecretStr("sqlite+aiosqlite:///cold/archive.sqlite3"))
    service = await MemoryService.open(tmp_path / "data", config)
    try:
        where = (await service.archive.statistics())["where"]
    finally:
        await service.close()
    assert where == str(tmp_path / "data" / "cold" / "archive.sqlite3")
    assert (tmp_path / "data" / "cold" / "archive.sqlite3").is_file()
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_health_tells_of_an_archive_that_is_away(tmp_path: Path) -> None:
    url = SecretStr("mysql+aiomysql://u:p@127.0.0.1:1/db")
    service = await MemoryService.open(tmp_path, MemoryConfig(archive_url=url))
    try:
        assert "archive_error" not in await service.describe(), "nobody asked it yet"
        assert await service.store.recall("renarde", "x", limit=5, include_archived=True) == []
        assert "127.0.0.1:1" in (await service.describe())["archive_error"]
    finally:
        await service.close()


@pytest.mark.parametrize(
    "ask",
    [
        lambda service: service.archive.statistics(),
        lambda service: service.mover.reconcile(),
        lambda service: service.dreamer.dream("asked"),
        lambda service: service.store.recall("renarde", "x", limit=5, include_archived=True),
    ],
)
async def test_health_tells_of_an_archive_no_more_once_it_is_back(
    service: MemoryService, ask: Callable[[MemoryService], Awaitable[object]]
) -> None:
    file = Path(service.archive.where)
    file.write_bytes(b"damaged" * 1000)
    assert await service.store.recall("renarde", "x", limit=5, include_archived=True) == []
    assert "not a database" in (await service.describe())["archive_error"]
    file.unlink()
    await ask(service)
    assert "archive_error" not in await service.describe()


async def test_an_archive_that_is_not_asked_is_not_back(tmp_path: Path) -> None:
    url = SecretStr("mysql+aiomysql://u:p@127.0.0.1:1/db")
    service = await MemoryService.open(tmp_path, MemoryConfig(archive_url=url))
    try:
        await service.mover.reconcile()
        assert "127.0.0.1:1" in (await service.describe())["archive_error"]
        assert await service.mover.archive([]) == 0
        assert "127.0.0.1:1" in (await service.describe())["archive_error"]
    finally:
        await service.close()


async def test_health_tells_of_a_chain_that_a_dream_found_broken(service: MemoryService) -> None:
    for number in range(3):
        await service.store.record(said(f"number {number}"))
    await service.dreamer.dream("asked")
    assert "chain_error" not in await service.describe()
    await tamper(service.store, 2)
    await service.dreamer.dream("asked")
    told = (await service.describe())["chain_error"]
    assert told.startswith("event 2 was altered")


async def test_forgetting_waits_for_a_dream_and_the_dream_for_it(service: MemoryService) -> None:
    store = service.store
    for number in range(20):
        await store.record(said(f"Zorblex rang at {number} o'clock", conversation_id=f"c{number}"))
    async with service._upkeep:
        forgetting = service.forgetter.forget(Selector(subject="Zorblex"))
        dreaming = service.dreamer.dream()
        tasks = [asyncio.ensure_future(each) for each in (forgetting, dreaming)]
        done, _ = await asyncio.wait(tasks, timeout=0.3)
        assert not done
    await asyncio.gather(*tasks)
    assert await store.recall("renarde", "Zorblex", limit=5, include_archived=True) == []
    assert (await service.describe())["dream"]["chain"] == "whole"


async def test_what_could_not_be_forgotten_is_tried_again_at_night(tmp_path: Path) -> None:
    bus = AwayBus()
    service = await MemoryService.open(tmp_path, MemoryConfig(), traces=bus)
    await service.start()
    try:
        await service.store.record(said("Zorblex rang"))
        assert not (await service.forgetter.forget(Selector(subject="Zorblex"))).is_complete
        # What is said of it from then on is remembered as ever.
        await service.store.record(said("Zorblex rings again"))

        assert (await service.dreamer.dream("night")).chain is not None  # and dreams all the same
        bus.is_away = False
        # One that is asked for may be dreamt where there is no bus.
        await service.dreamer.dream("asked")
        assert bus.erased == 0
        await service.dreamer.dream("night")

        assert bus.erased == 3
        assert await service.forgetter.resume() == []
        found = await service.store.recall("renarde", "Who rings?", limit=5)
        assert [each.content for each in found] == ["Zorblex rings again"]
    finally:
        await service.close()


async def test_an_archive_that_is_away_is_no_reason_not_to_start(tmp_path: Path) -> None:
    config = MemoryConfig.model_validate(
        {"archive_url": "mysql+aiomysql://hairem:hunter22@127.0.0.1:9/hairem"}
    )
    service = await MemoryService.open(tmp_path, config)
    await service.start()
    try:
        await service.store.record(said(_CODE))
        (found,) = await service.store.recall("renarde", _CODE, limit=5, include_archived=True)
        assert found.content == _CODE
        digest = await service.dreamer.dream()
        assert any("127.0.0.1" in each.what for each in digest.failures)
        assert "hunter22" not in digest.model_dump_json()
    finally:
        await service.close()


async def test_no_model_is_shown_what_was_forgotten(tmp_path: Path) -> None:
    model = ToldModel(facts_answer())
    opened = await MemoryService.open(tmp_path, MemoryConfig(), model=model)
    try:
        store = opened.store
        await store.record(said("Zebulon owes me twelve ducats"))
        assert await store.recall("renarde", "Zebulon ducats", limit=3, is_use=True)
        await store.record(said("My garden is full of herbs", conversation_id="c2"))
        await opened.interpreter.settle()
        assert "Zebulon" in str(model.asked)
        model.requests.clear()
        await opened.forgetter.forget(Selector(subject="Zebulon"))
        await store.record(said("My cellar is full of apples", conversation_id="c3"))
        await opened.interpreter.settle()
        assert model.asked
        assert "Zebulon" not in str(model.asked)
    finally:
        await opened.close()


async def test_of_an_archive_that_is_away_it_is_known_before_anybody_needs_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = MemoryConfig(archive_url=SecretStr("mysql+aiomysql://u:secret@127.0.0.1:1/db"))
    service = await MemoryService.open(tmp_path, config)
    await service.start()
    await until(lambda: "The archive is away, and all stays in memory" in caplog.text)
    assert "mysql://127.0.0.1:1/db: " in (await service.describe())["archive_error"]
    assert "secret" not in caplog.text
    await service.close()


async def test_an_archive_that_is_deleted_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_service, "_LOOK_AFTER", 0.0)
    service = await MemoryService.open(tmp_path, MemoryConfig())
    await service.start()
    await service.store.record(said(_CODE))
    assert (await service.examine()).anchor == "none"
    digest = await service.dreamer.dream()
    assert digest.chain is not None
    assert digest.chain.anchor == "kept"
    assert (await service.examine()).anchor == "holds"
    await service.close()
    (tmp_path / "archive.sqlite3").unlink()

    service = await MemoryService.open(tmp_path, MemoryConfig())
    await service.start()
    await until(lambda: "knows nothing of it now" in caplog.text)
    verdict = await service.examine()
    assert (verdict.anchor, verdict.what) == ("lost", None)
    digest = await service.dreamer.dream()
    assert "it is not the one that did before" in in_words(digest, "en")
    assert "ce n'est pas celle d'avant" in in_words(digest, "fr")
    assert (await service.examine()).anchor == "holds"
    await service.close()


async def _chain_error(service: MemoryService) -> str:
    """Return what health says of the chain of events, once it says something."""
    async with asyncio.timeout(10):
        while "chain_error" not in (told := await service.describe()):
            await asyncio.sleep(0.05)
    error: str = told["chain_error"]
    return error


async def test_a_store_that_is_deleted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_service, "_LOOK_AFTER", 0.0)
    service = await MemoryService.open(tmp_path, MemoryConfig())
    await service.start()
    await service.store.record(said(_CODE))
    await service.dreamer.dream()
    assert "chain_error" not in await service.describe()
    await service.close()
    shutil.rmtree(tmp_path / "memory")

    service = await MemoryService.open(tmp_path, MemoryConfig())
    await service.start()
    assert (
        await _chain_error(service)
        == "event 1 is missing: the archive knows it, and now 0 is the last"
    )
    await service.close()


async def test_whoever_goes_on_with_a_damaged_log_is_told_what_is_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = await MemoryService.open(tmp_path, MemoryConfig())
    for number in range(20):
        await service.store.record(said(f"thing {number}"))
    await vacuum(service.store.database, service.store.writer)
    await service.close()
    (log,) = (tmp_path / "memory" / "clog").iterdir()
    log.write_bytes(log.read_bytes().replace(b"thing 9", b"THING 9"))
    (tmp_path / "memory.whole").unlink()

    service = await MemoryService.open(tmp_path, MemoryConfig())
    await service.start()
    assert await _chain_error(service) == "event 10 is missing, and all that came after it"
    assert "20 memories of agents were lost; what was said is remembered again" in caplog.text
    await service.close()
