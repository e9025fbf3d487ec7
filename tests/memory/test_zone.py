"""Days are those of the house: found by them, told by them, wherever the machine thinks it is."""

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hairem_core.api.dreams import Dreams
from hairem_core.config.system import DreamConfig, Language, MemoryConfig
from hairem_core.memory.service import MemoryService
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.zone import bounds, local, zone_name
from hairem_core.sdk.chat import ChatRequest
from tests.memory.dream.scene import (
    NOW,
    Clock,
    Embedder,
    ScriptedModel,
    dreamer,
    echo,
    fragment,
    keep,
)
from tests.memory.interpret.models import ToldModel, facts_answer
from tests.memory.messages import said

NEW_YORK, TOKYO = "America/New_York", "Asia/Tokyo"
_LANTERN, _KETTLE = "the lantern is lit", "the kettle is full"
_EVENING = datetime(2026, 5, 9, 1, 30, tzinfo=UTC)
"""21:30 on 8 May in New York."""

type SetZone = Callable[[str], None]
type InZone = Callable[[str], MemoryConfig]


@pytest.fixture
def system_zone() -> Iterator[SetZone]:
    """Sets the zone of the system, as long as a test lasts."""
    with pytest.MonkeyPatch.context() as patch:

        def set_zone(name: str) -> None:
            patch.setenv("TZ", name)
            time.tzset()

        set_zone("UTC")
        yield set_zone
    time.tzset()


@pytest.fixture(params=["configured", "the system's"])
def in_zone(request: pytest.FixtureRequest, system_zone: SetZone) -> InZone:
    """Returns the configuration of a house in a zone, which is configured or the system's."""

    def in_zone(zone: str) -> MemoryConfig:
        if request.param == "configured":
            return MemoryConfig(dream=DreamConfig(time_zone=zone))
        system_zone(zone)
        return MemoryConfig(dream=DreamConfig(time_zone=None))

    return in_zone


@asynccontextmanager
async def _opened(
    folder: Path, config: MemoryConfig, model: ToldModel | None = None
) -> AsyncGenerator[MemoryService]:
    service = await MemoryService.open(folder, config, model=model)
    try:
        yield service
    finally:
        await service.close()


async def _say(store: MemoryStore, content: str, at: datetime) -> None:
    await store.record(said(content, at=at, conversation_id=content))


async def _on(store: MemoryStore, day: int) -> list[str]:
    """Return what is found by the day of a month."""
    return [each.content for each in await store.recall("renarde", str(day), limit=9)]


@pytest.mark.parametrize(
    ("lantern_at", "kettle_at", "lantern_day", "kettle_day", "other_day"),
    [
        (_EVENING, _EVENING + timedelta(days=1), 8, 9, 10),
        # On 8 March, New York went from five to four hours behind UTC: half past four in the
        # morning there is 23:30 of the day before it, and 00:30 of the day after it.
        (
            datetime(2026, 3, 8, 4, 30, tzinfo=UTC),
            datetime(2026, 3, 9, 4, 30, tzinfo=UTC),
            7,
            9,
            8,
        ),
    ],
    ids=["evenings", "when the clocks change"],
)
async def test_what_was_said_is_found_under_the_day_of_the_house(
    tmp_path: Path,
    in_zone: InZone,
    lantern_at: datetime,
    kettle_at: datetime,
    lantern_day: int,
    kettle_day: int,
    other_day: int,
) -> None:
    async with _opened(tmp_path, in_zone(NEW_YORK)) as service:
        await _say(service.store, _LANTERN, lantern_at)
        await _say(service.store, _KETTLE, kettle_at)
        assert await _on(service.store, lantern_day) == [_LANTERN]
        assert await _on(service.store, kettle_day) == [_KETTLE]
        assert await _on(service.store, other_day) == []


@pytest.mark.parametrize(
    "question", ["What happened on 8 May 2026?", "Que s'est-il passé le 8 mai 2026 ?"]
)
async def test_a_date_is_that_of_the_house(tmp_path: Path, in_zone: InZone, question: str) -> None:
    async with _opened(tmp_path, in_zone(NEW_YORK)) as service:
        await _say(service.store, _LANTERN, _EVENING)
        await _say(service.store, _KETTLE, _EVENING + timedelta(days=1))
        first, *_ = await service.store.recall("renarde", question, limit=2)
        assert first.content == _LANTERN


async def test_in_another_zone_the_index_is_made_anew(tmp_path: Path, in_zone: InZone) -> None:
    async with _opened(tmp_path, in_zone(NEW_YORK)) as service:
        await _say(service.store, _LANTERN, _EVENING)
        assert await _on(service.store, 8) == [_LANTERN]
    for zone, day, rebuilt in (
        (NEW_YORK, 8, False),
        (TOKYO, 9, True),
        (TOKYO, 9, False),
        (NEW_YORK, 8, True),
    ):
        async with _opened(tmp_path, in_zone(zone)) as service:
            assert service.store.index.rebuilt == rebuilt
            assert await _on(service.store, day) == [_LANTERN]
            assert await _on(service.store, 17 - day) == []


@pytest.mark.parametrize(("language", "night"), [("en", "of 2026-12-01"), ("fr", "du 01/12/2026")])
async def test_a_digest_s_night_is_the_house_s(
    folder_url: str,
    in_zone: InZone,
    language: Language,
    night: str,
) -> None:
    config = in_zone(TOKYO).dream
    clock = Clock(datetime(2026, 11, 30, 18, tzinfo=UTC))
    store = await MemoryStore.open(folder_url, clock=clock)
    house = dreamer(store, config=config)
    await house.dream()
    text = Dreams(house, language).describe().text
    await store.close()
    assert text is not None
    assert night in text.partition("\n")[0]


async def test_a_synthesis_is_of_the_house_s_days(folder_url: str, in_zone: InZone) -> None:
    config = in_zone(NEW_YORK).dream
    store = await MemoryStore.open(folder_url, clock=Clock(), embedder=Embedder())
    days = (NOW - datetime(2026, 4, 22, 1, 30, tzinfo=UTC)) / timedelta(days=1)
    garden = [f"we {each} tomatoes today" for each in ("planted", "watered", "picked", "ate")]
    await keep(store, [fragment(each, days=days, importance=0.3) for each in garden])

    def dated(request: ChatRequest) -> str:
        return f"2026-04-21: {echo(request)}"

    model = ScriptedModel(answers=[dated])
    digest = await dreamer(store, config=config, model=model).dream()
    await store.close()
    ((_, request),) = model.asked
    lines = request.messages[-1].content.splitlines()
    assert {each.split()[1] for each in lines} == {"2026-04-21:"}
    # Its day is one of what it was given.
    (made,) = digest.synthesised
    assert made.content.startswith("2026-04-21: ")


async def test_a_model_is_told_the_time_at_which_something_was_said(
    tmp_path: Path, in_zone: InZone
) -> None:
    config = in_zone(NEW_YORK)
    model = ToldModel(facts_answer())
    async with _opened(tmp_path, config, model) as service:
        await _say(service.store, "I keep bees in Lyon", _EVENING)
        await service.interpreter.settle()
    (asked,) = model.asked
    assert [each["at"] for each in asked["turns"]] == ["2026-05-08 21:30"]


def test_the_calendar_s_ends_stay_where_they_are(system_zone: SetZone) -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert local(first, ZoneInfo(NEW_YORK)) == first
    assert local(last, ZoneInfo(TOKYO)) == last
    system_zone(NEW_YORK)
    assert local(first, None) == first
    system_zone(TOKYO)
    assert local(last, None) == last


def test_a_day_has_the_hours_that_its_clocks_show(system_zone: SetZone) -> None:
    system_zone(NEW_YORK)
    for zone in (ZoneInfo(NEW_YORK), None):
        for day, hours in ((7, 24), (8, 23), (9, 24)):
            start, end = bounds(date(2026, 3, day), zone)
            assert end - start == timedelta(hours=hours)
            assert local(start, zone).date() == date(2026, 3, day)
            assert local(end, zone).date() == date(2026, 3, day + 1)
        for last in (date.min, date.max):
            start, end = bounds(last, zone)
            assert start < end


def test_zones_are_told_from_each_other(system_zone: SetZone) -> None:
    names = {zone_name(ZoneInfo(each)) for each in (NEW_YORK, TOKYO, "UTC")}
    for each in (NEW_YORK, "America/Phoenix", TOKYO, "Europe/Paris"):
        system_zone(each)
        assert zone_name(None) == zone_name(None)
        names.add(zone_name(None))
    assert len(names) == 7
