"""The engine itself refuses to change or delete an event, for root too, but for one erasure."""

import re
from typing import Any

import pytest
from surrealdb import RecordID

from hairem_core.memory.chain import BODY
from hairem_core.memory.errors import TransactionFailed
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from tests.memory.messages import answered, said

ERASE = ", ".join(f"{name} = NONE" for name in (*BODY, "salt")) + ", erased_by = 2"


STATEMENTS = [
    "UPDATE $id SET content = 'other'",
    "UPDATE $id SET content = NONE",
    "UPDATE $id SET at = time::now()",
    "UPDATE $id SET agents += 'electra'",
    "UPDATE $id SET number = 7",
    "UPDATE $id SET hash = <bytes>'x'",
    "UPDATE $id SET body_hash = <bytes>'x'",
    "UPDATE $id SET salt = <bytes>'x'",
    "UPDATE $id SET salt = NONE",
    "UPDATE $id SET erased_by = 2",
    "UPDATE $id SET erased_by = 0, content = NONE, data = NONE, salt = NONE",
    "UPDATE $id UNSET content",
    "UPDATE $id MERGE { agents: ['electra'] }",
    "UPDATE $id MERGE { content: 'other' }",
    "UPDATE $id PATCH [{ op: 'replace', path: '/content', value: 'other' }]",
    "UPDATE $id CONTENT { content: 'other' }",
    "UPDATE $id REPLACE { content: 'other' }",
    "UPDATE $ids SET content = 'other'",
    "UPDATE raw_event SET content = 'other'",
    "UPDATE raw_event SET content = 'other' WHERE number = 1",
    "UPSERT $id SET content = 'other'",
    "UPSERT $id MERGE { content: 'other' }",
    "FOR $each IN $ids { UPDATE $each SET content = 'other' }",
    "INSERT INTO raw_event $row ON DUPLICATE KEY UPDATE content = 'other'",
    "INSERT INTO raw_event $row",
    "DELETE $id",
    "DELETE $ids",
    "DELETE raw_event",
    "DELETE raw_event WHERE number = 2",
    f"UPDATE $id SET {ERASE}, importance = 0.1",
    f"UPDATE $id SET {ERASE}, agents = []",
    f"UPDATE $id SET {ERASE}, sender = 'user:berta'",
    f"UPDATE $id SET {ERASE.replace('recipient = NONE, ', '')}",
    f"UPDATE $id SET {ERASE.replace('salt = NONE, ', '')}",
    f"UPDATE $id SET {ERASE.replace('content = NONE, ', '')}",
    f"UPDATE $id SET {ERASE.replace('erased_by = 2', 'erased_by = 0')}",
    f"UPDATE $id SET {ERASE.replace('erased_by = 2', 'erased_by = NONE')}",
]


@pytest.fixture
async def recorded(store: MemoryStore) -> MemoryStore:
    question = said("carved in stone")
    await store.record(question)
    await store.record(answered(question, "and so is this"))
    return store


async def rows(store: MemoryStore) -> list[Any]:
    found = await store.database.query("SELECT * FROM raw_event")
    return sorted(found, key=lambda row: row["number"])


def first(before: list[Any]) -> dict[str, Any]:
    return {"id": before[0]["id"], "ids": [each["id"] for each in before], "row": before[0]}


async def test_what_was_recorded_cannot_be_changed(recorded: MemoryStore) -> None:
    before = await rows(recorded)
    for text in STATEMENTS:
        with pytest.raises(TransactionFailed) as refused:
            await recorded.database.transact([Statement(text=text, variables=first(before))])
        why = refused.value.what
        assert re.search(r"readonly|append-only|already (contains|exists)", why), text
        assert await rows(recorded) == before, text


async def test_nothing_of_a_transaction_stays_that_tries_to(recorded: MemoryStore) -> None:
    before = await rows(recorded)
    script = [
        Statement(text="UPSERT agent_state:['a', 'b'] CONTENT { value: '1' }"),
        Statement(text="DELETE $id", variables=first(before)),
    ]
    with pytest.raises(TransactionFailed, match="append-only"):
        await recorded.database.transact(script)

    assert await rows(recorded) == before
    assert await recorded.get_state("a", "b") is None


async def test_the_one_erasure_is_let_through_and_only_once(recorded: MemoryStore) -> None:
    before = await rows(recorded)
    erase = Statement(text=f"UPDATE $id SET {ERASE} RETURN NONE", variables=first(before))
    await recorded.database.transact([erase])

    emptied, other = await rows(recorded)
    assert emptied["erased_by"] == 2
    assert not {*BODY, "salt"} & {name for name, value in emptied.items() if value is not None}
    kept = {name: value for name, value in before[0].items() if name not in (*BODY, "salt")}
    assert {**emptied, "erased_by": None} == {**kept, "erased_by": None}
    assert other == before[1]
    for again in (ERASE, ERASE.replace("erased_by = 2", "erased_by = 3"), "content = 'back'"):
        statement = Statement(text=f"UPDATE $id SET {again}", variables=first(before))
        if again == ERASE:
            await recorded.database.transact([statement])  # it changes nothing
            continue
        with pytest.raises(TransactionFailed, match="append-only"):
            await recorded.database.transact([statement])
    assert await rows(recorded) == [emptied, other]


async def test_a_number_is_given_once(recorded: MemoryStore) -> None:
    (row, _) = await rows(recorded)
    copy = {**row, "id": RecordID("raw_event", said("x").header.msg_id)}
    with pytest.raises(TransactionFailed, match="already contains"):
        await recorded.database.transact(
            [Statement(text="INSERT INTO raw_event $row", variables={"row": copy})]
        )
    assert len(await rows(recorded)) == 2
