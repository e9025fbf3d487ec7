"""What agents say of something later goes with it; what they say of all else stays."""

from datetime import timedelta

import pytest

from hairem_core.memory.forget.forgetter import Forgetter
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.message import Message
from tests.memory.forget.house import THEN
from tests.memory.forget.test_forget import add, fact_of
from tests.memory.messages import answered, said

_CODE = "The garage code is GARAGE7788."


async def recorded(store: MemoryStore, question: Message, answer: str) -> None:
    await store.record(question)
    await store.record(answered(question, answer))


@pytest.fixture
async def house(store: MemoryStore) -> MemoryStore:
    """Gil told a code, which was asked for by Anna a day later, among other things."""
    told = said(_CODE, by="user:gil", name="Gil", at=THEN)
    later = THEN + timedelta(days=1)
    await recorded(store, told, "Noted.")
    await add(store, fact_of(store, _CODE, told.header.msg_id))
    asked = said("What is the garage code?", name="Anna", at=later)
    await recorded(store, asked, f"“{_CODE}” (said by Gil on 2026-03-01 12:00).")
    await recorded(store, said("Good morning", name="Anna", at=later), "Good morning, 12 to 1!")
    await recorded(store, said("Is the garage open?", name="Anna", at=later), "It is closed.")
    return store


async def contents(store: MemoryStore) -> set[str]:
    rows = await store.database.query("SELECT VALUE content FROM raw_event")
    return {each for each in rows if each}


@pytest.mark.parametrize("by", ["fragment", "person", "address", "period", "subject"])
async def test_a_later_answer_that_quotes_it_goes_too(house: MemoryStore, by: str) -> None:
    (fact,) = await house.database.query(
        "SELECT VALUE record::id(id) FROM fragment WHERE kind = 'fact'"
    )
    selector = {
        "fragment": Selector(fragment=fact),
        "person": Selector(person="Gil"),
        "address": Selector(person="user:gil"),
        "period": Selector(until=THEN + timedelta(hours=1)),
        "subject": Selector(subject="GARAGE7788"),
    }[by]
    forgetter = Forgetter(house)
    planned = (await forgetter.plan(selector)).counts["events"]
    receipt = await forgetter.forget(selector, vacuum=False)
    assert receipt.counts["events"] == planned
    left = await contents(house)
    assert not any("GARAGE7788" in each for each in left)
    assert "What is the garage code?" in left
    assert {"Good morning, 12 to 1!", "It is closed."} <= left
    episodes = await house.database.query("SELECT VALUE content FROM fragment")
    assert not any("GARAGE7788" in each for each in episodes)


async def test_what_others_have_said_as_well_stays(house: MemoryStore) -> None:
    await recorded(house, said("GARAGE7788 is what I heard", name="Anna"), "I see: GARAGE7788.")
    await Forgetter(house).forget(Selector(until=THEN + timedelta(hours=1)), vacuum=False)
    assert {"GARAGE7788 is what I heard", "I see: GARAGE7788."} <= await contents(house)
