"""A store of an earlier version is brought up to date, whenever it is interrupted."""

import asyncio
import random
import sys
from typing import Any

import pytest
from surrealdb import RecordID

from hairem_core.memory.chain import ChainCheck
from hairem_core.memory.database import Database
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.forget.forgetter import Forgetter
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.rows import to_row
from hairem_core.memory.schema.steps import Step, schema_steps
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.message import Message
from tests.memory.messages import answered, said
from tests.memory.portable.copies import exported, imported
from tests.support.child import ROOT

_OPEN = """
import asyncio, sys
from hairem_core.memory.store import MemoryStore
print("begin", flush=True)
asyncio.run(MemoryStore.open(sys.argv[1]))
"""


async def old_store(url: str, count: int) -> list[Message]:
    """Make a store as version 1 left it, and return what was recorded in it."""
    database = await Database.open(url, steps=schema_steps()[:1])
    messages: list[Message] = []
    for number in range(count // 2):
        question = said(f"where is parcel {number}?", conversation_id=f"c{number}")
        messages += [question, answered(question, f"Parcel {number} is on shelf {number}.")]
    rows = [to_row(each) for each in messages]
    # Not in the order of their birth: their ids are.
    random.shuffle(rows)
    for start in range(0, len(rows), 200):
        some = [
            {**row, "id": RecordID("raw_event", row["id"])} for row in rows[start : start + 200]
        ]
        await database.transact(
            [Statement(text="INSERT INTO raw_event $rows RETURN NONE", variables={"rows": some})]
        )
    await database.query(
        "CREATE $id CONTENT { value: '3' }", {"id": RecordID("agent_state", ["renarde", "mood"])}
    )
    await database.close()
    return messages


async def check(url: str, messages: list[Message]) -> None:
    store = await MemoryStore.open(url)
    found = await store.events.verify()
    assert isinstance(found, ChainCheck), found
    assert found.checked == len(messages)
    rows = await store.database.query("SELECT VALUE id FROM raw_event")
    numbers = await store.database.query("SELECT id, number FROM raw_event")
    assert len(rows) == len(messages)
    by_number = sorted(numbers, key=lambda row: row["number"])
    assert [each["id"].id for each in by_number] == [each.header.msg_id for each in messages]
    episodes = await store.database.query("SELECT VALUE derived_from FROM fragment")
    assert sorted(event for (event,) in episodes) == [each.header.msg_id for each in messages]
    last = messages[-1]
    hit = (await store.recall("renarde", last.payload.content, limit=1))[0]
    assert hit.event_id == last.header.msg_id
    assert not await store.record(random.choice(messages))
    assert await store.get_state("renarde", "mood") == 3
    assert await store.record(said("and on it goes"))
    assert isinstance(await store.events.verify(), ChainCheck)
    await store.close()


@pytest.mark.parametrize("count", [0, 2, 1_204])
async def test_a_store_of_version_1_becomes_one_of_now(url: str, count: int) -> None:
    messages = await old_store(url, count)
    if not messages:
        store = await MemoryStore.open(url)
        assert isinstance(await store.events.verify(), ChainCheck)
        await store.close()
        return
    await check(url, messages)


@pytest.mark.parametrize("version", range(1, len(schema_steps())))
async def test_in_a_store_of_any_version_what_is_forgotten_from_now_on_does_not_come_back(
    url: str, version: int
) -> None:
    await old_store(url, 4)
    await (await Database.open(url, steps=schema_steps()[:version])).close()
    store = await MemoryStore.open(url)
    await store.remember("renarde", "parcel 1 is a present")
    before = await exported(store)
    await Forgetter(store).forget(Selector(subject="parcel 1"))
    await store.close()

    store = await MemoryStore.open(url)
    report = await imported(store, before)
    assert report.tallies["fragment"].left_out == 3  # with the episodes of both that name it
    assert report.tallies["fragment"].added == 0
    assert await store.recall("renarde", "present", limit=3, kinds=["note"]) == []
    assert isinstance(await store.events.verify(), ChainCheck)
    await store.close()


async def test_killed_in_the_middle_it_goes_on_where_it_was(folder_url: str) -> None:
    messages = await old_store(folder_url, 1_200)
    for _ in range(4):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _OPEN, folder_url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline()
        try:
            async with asyncio.timeout(random.uniform(0.05, 1.2)):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
    await check(folder_url, messages)


async def test_a_step_that_fails_leaves_everything_as_it_was(url: str) -> None:
    messages = await old_store(url, 10)
    steps = schema_steps()

    async def fail(database: Database) -> None:
        raise MemoryUnavailable("the disk is full", where="here", hint="Make room.")

    broken = [*steps[:2], Step(number=3, name=steps[2].name, text=steps[2].text, prepare=fail)]
    with pytest.raises(MemoryUnavailable, match="the disk is full"):
        await Database.open(url, steps=broken)
    other = await Database.open(url, steps=steps[:2])  # step 2 was applied before step 3 failed
    assert other.schema_version == 2
    await other.close()
    await check(url, messages)


async def test_a_broken_second_step_leaves_the_old_rows(url: str) -> None:
    messages = await old_store(url, 10)
    steps = schema_steps()
    broken = Step(number=2, name="0002_broken.surql", text=steps[1].text + "; THROW 'no good'")
    with pytest.raises(
        MemoryUnavailable, match=r"0002_broken.surql could not be applied: .*no good"
    ):
        await Database.open(url, steps=[steps[0], broken])

    before = await Database.open(url, steps=steps[:1])
    rows: list[Any] = await before.query("SELECT * FROM raw_event")
    assert {row["id"].id for row in rows} == {each.header.msg_id for each in messages}
    assert all("number" not in row for row in rows)
    await before.close()
    await check(url, messages)
