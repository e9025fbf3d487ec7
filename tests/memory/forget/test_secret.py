"""One secret, left everywhere: forgotten by every selector, it is nowhere."""

import secrets
from datetime import timedelta
from pathlib import Path

import pytest

from hairem_core.memory.chain import ERASED, ChainCheck
from hairem_core.memory.forget.selector import Selector
from tests.memory.forget.house import (
    THEN,
    House,
    files_with,
    open_house,
    others_are_there,
    plant,
    plant_others,
    rows_with,
)
from tests.memory.portable.copies import exported, imported


def selector_of(kind: str, secret: str, house: House) -> Selector:
    match kind:
        case "subject by name":
            return Selector(subject=secret)
        case "subject by key":
            return Selector(subject=f"name:{secret.lower()}")
        case "person by address":
            return Selector(person="user:u77")
        case "person by name":
            return Selector(person=secret.upper())
        case "agent":
            return Selector(agent="keeper")
        case "period":
            return Selector(since=THEN - timedelta(days=1), until=THEN + timedelta(days=1))
    raise AssertionError(kind)


KINDS = (
    "subject by name",
    "subject by key",
    "person by address",
    "person by name",
    "agent",
    "period",
)


@pytest.fixture
def secret() -> str:
    return f"Zorbl\u00e9k{secrets.token_hex(4)}"


@pytest.mark.parametrize("kind", KINDS)
async def test_it_is_nowhere_and_the_rest_is_where_it_was(
    tmp_path: Path, kind: str, secret: str
) -> None:
    async with open_house(tmp_path) as house:
        await plant_others(house)
        await plant(house, secret)
        if kind == "period":  # what agents keep for themselves has no date
            await house.store.set_state("keeper", "friends", None)
        assert await rows_with(house, secret)
        before = await exported(house.store, archive=house.archive)
        selector = selector_of(kind, secret, house)
        plan = await house.forgetter.plan(selector)
        assert plan.counts["events"] == 2
        assert plan.counts["messages"] >= 3
        assert await house.store.recall("keeper", f"{secret} hides keys", limit=8)

        receipt = await house.forgetter.forget(selector, by="user:bob")

        assert await rows_with(house, secret) == []
        assert receipt.is_complete, receipt.unfinished
        assert receipt.vacuumed
        assert {name: receipt.counts[name] for name in plan.counts} == plan.counts
        assert secret.lower() not in receipt.model_dump_json().lower()
        assert secret.lower() not in (receipt.words("en") + receipt.words("fr")).lower()
        assert await house.store.recall("keeper", f"{secret} hides keys", limit=8) == []
        assert await house.store.recent("keeper", conversation_id=None, limit=8) == []
        await others_are_there(house)
        check = await house.store.events.verify()
        assert isinstance(check, ChainCheck)
        assert check.erased == 2
        (said,) = await house.store.database.query(
            "SELECT number FROM raw_event WHERE topic = $topic", {"topic": ERASED}
        )
        assert receipt.erased_by == [said["number"]]
        assert receipt.events == [(3, 4)]
        assert await house.store.database.query("SELECT * FROM forgetting") == []
        assert files_with(tmp_path, secret) == []
        # Nor does it come back with an export from before.
        report = await imported(house.store, before, archive=house.archive)
        assert report.added == 0, report.tallies
        assert await rows_with(house, secret) == []
        await others_are_there(house)
    # And after everything was closed, when what was kept in memory was written.
    assert files_with(tmp_path, secret) == []
    async with open_house(tmp_path) as house:
        await others_are_there(house)
        again = await house.forgetter.forget(selector)
        assert not any(again.counts.values())


async def test_a_note_by_its_id(tmp_path: Path, secret: str) -> None:
    async with open_house(tmp_path) as house:
        await plant_others(house)
        await plant(house, "Nobody")
        note = (await house.store.remember("keeper", f"{secret} is a spy")).fragment_id
        receipt = await house.forgetter.forget(Selector(fragment=note))
        assert receipt.counts["fragments"] == 1
        assert receipt.counts["events"] == 0
        assert await rows_with(house, secret) == []
        assert files_with(tmp_path, secret) == []
        assert await rows_with(house, "Nobody")


async def test_without_the_vacuum_the_bytes_stay_in_the_log(tmp_path: Path, secret: str) -> None:
    async with open_house(tmp_path) as house:
        await plant(house, secret)
        receipt = await house.forgetter.forget(Selector(subject=secret), vacuum=False)
        assert not receipt.vacuumed
        assert await rows_with(house, secret) == []
        assert files_with(tmp_path / "memory", secret)
