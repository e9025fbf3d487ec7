"""Whoever gets past the engine and changes what was recorded is found out, and where."""

import copy
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from surrealdb import RecordID

from hairem_core.memory.chain import BODY, HEADER, Break, ChainCheck, erased_numbers, seal
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Head
from hairem_core.sdk.message import Message, MessageType, Topic
from tests.memory.messages import answered, said

type Row = dict[str, Any]

EVENTS = 10
ERASED = (3, 4)
"""Events that were emptied as they should be; the last event says so."""


class Tamperer:
    """Puts other rows in the place of those that are there, past all that forbids it."""

    def __init__(self, store: MemoryStore, rows: list[Row]) -> None:
        self.store = store
        self.rows = rows

    async def put(self, rows: list[Row]) -> ChainCheck | Break:
        """Store these rows instead, and return what the check says."""
        values = [{k: v for k, v in row.items() if v is not None} for row in rows]
        await self.store.database.transact(
            [
                Statement(text="DELETE raw_event"),
                Statement(
                    text="INSERT INTO raw_event $rows RETURN NONE", variables={"rows": values}
                ),
            ]
        )
        return await self.store.events.verify()


@pytest.fixture
async def tamperer(store: MemoryStore) -> Tamperer:
    for number in range(EVENTS // 2):
        question = said(f"what is in box {number}?")
        await store.record(question)
        await store.record(answered(question, f"a thing of kind {number}"))
    await store.record(_erasure(erased_numbers(ERASED)))
    database = store.database
    nothing = ", ".join(f"{name} = NONE" for name in (*BODY, "salt"))
    await database.transact(
        [
            Statement(
                text=f"UPDATE raw_event SET {nothing}, erased_by = {EVENTS + 1} "
                f"WHERE number >= {ERASED[0]} AND number <= {ERASED[-1]} RETURN NONE"
            )
        ]
    )
    assert isinstance(await store.events.verify(), ChainCheck)
    table = await database.query("INFO FOR TABLE raw_event")
    fields = [each for each in table["fields"] if "[" not in each]
    await database.transact(
        [
            Statement(text="REMOVE EVENT append_only ON raw_event"),
            Statement(text="REMOVE INDEX number ON raw_event"),
            *(Statement(text=f"REMOVE FIELD {each} ON raw_event") for each in fields),
            Statement(text="DEFINE TABLE OVERWRITE raw_event TYPE NORMAL SCHEMALESS"),
        ]
    )
    rows = await database.query("SELECT * FROM raw_event")
    return Tamperer(store, sorted(rows, key=lambda row: row["number"]))


def _erasure(data: str) -> Message:
    message = Message.create(
        sender="core:memory",
        recipient="core:memory",
        type=MessageType.RAW,
        topic=Topic.MEMORY_ERASED,
        content="",
    )
    payload = message.payload.model_copy(update={"data": json.loads(data)})
    return message.model_copy(update={"payload": payload})


def _other(value: Any) -> Any:
    """Return another value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case bytes():
            return bytes([value[0] ^ 1, *value[1:]])
        case list():
            return [*value, "other"]
        case UUID():
            return uuid4()
        case None:
            return "something"
        case _:
            return value + timedelta(microseconds=1)


FIELDS = (*HEADER, *BODY, "salt", "body_hash", "hash", "erased_by")


async def test_what_was_not_touched_holds(tamperer: Tamperer) -> None:
    found = await tamperer.put(tamperer.rows)
    assert isinstance(found, ChainCheck)
    assert (found.checked, found.erased) == (EVENTS + 1, len(ERASED))


async def test_every_field_that_is_altered_taken_away_or_put_in_is_found(
    tamperer: Tamperer,
) -> None:
    for number in (1, 2, ERASED[0], 6, EVENTS + 1):
        for name in FIELDS:
            if name in ("id", "number"):
                continue
            for change in ("alter", "drop"):
                rows = copy.deepcopy(tamperer.rows)
                row = rows[number - 1]
                if change == "drop" and row.get(name) is None:
                    continue
                row[name] = _other(row.get(name)) if change == "alter" else None
                found = await tamperer.put(rows)
                assert isinstance(found, Break), (number, name, change)
                # Of an event that was emptied, it is told which one, whoever says so.
                assert found.number == number, (number, name, change, found)


def _remove(*numbers: int) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [row for row in rows if row["number"] not in numbers]


def _again(number: int, as_number: int) -> Callable[[list[Row]], list[Row]]:
    def change(rows: list[Row]) -> list[Row]:
        twin = {**rows[number - 1], "number": as_number}
        twin["id"] = RecordID("raw_event", said("x").header.msg_id)
        return [*rows, twin]

    return change


def _behind(rows: list[Row]) -> list[Row]:
    """Add an event that continues the chain as it should."""
    record = RecordID("raw_event", said("x").header.msg_id)
    plain = {k: v for k, v in rows[0].items() if k not in ("salt", "hash", "body_hash")}
    sealed = seal({**plain, "id": record.id}, len(rows) + 1, rows[-1]["hash"])
    return [*rows, {**sealed, "id": record}]


def _swap(a: int, b: int) -> Callable[[list[Row]], list[Row]]:
    def change(rows: list[Row]) -> list[Row]:
        rows[a - 1]["number"], rows[b - 1]["number"] = b, a
        return rows

    return change


def _shift(start: int, by: int) -> Callable[[list[Row]], list[Row]]:
    def change(rows: list[Row]) -> list[Row]:
        for row in rows[start - 1 :]:
            row["number"] += by
        return rows

    return change


def _empty(number: int, by: int) -> Callable[[list[Row]], list[Row]]:
    """Erase an event as the engine would let it be done, without the event that says so."""

    def change(rows: list[Row]) -> list[Row]:
        rows[number - 1] |= dict.fromkeys((*BODY, "salt")) | {"erased_by": by}
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (_remove(1), 1),
        (_remove(5), 5),
        (_remove(EVENTS + 1), EVENTS + 1),
        (_remove(2, 3, 9), 2),
        (_remove(*range(7, EVENTS + 2)), 7),
        (_remove(*range(1, EVENTS + 2)), 1),
        (_again(2, 6), 6),
        (_again(2, 1), 1),
        (_again(2, 0), 0),
        (_again(EVENTS, EVENTS + 2), EVENTS + 2),
        (_again(EVENTS, EVENTS + 1_000_000_000), EVENTS + 2),
        (_behind, EVENTS + 2),
        (_swap(1, 2), 1),
        (_swap(5, 9), 5),
        (_shift(1, 1), 1),
        (_shift(6, 1), 6),
        (_shift(6, 100_000_000), 6),
        (_shift(EVENTS + 1, -1), EVENTS),
        (_empty(1, EVENTS + 1), 1),
        (_empty(7, EVENTS + 1), 7),
        (_empty(7, 2), 7),
        (_empty(7, EVENTS + 9), 7),
        (_empty(7, 0), 7),
        (_empty(EVENTS + 1, EVENTS + 1), ERASED[0]),
    ],
)
async def test_the_first_wrong_number_is_named(
    tamperer: Tamperer, change: Callable[[list[Row]], list[Row]], number: int
) -> None:
    found = await tamperer.put(change(copy.deepcopy(tamperer.rows)))
    assert isinstance(found, Break)
    assert found.number == number


CHANGES = st.one_of(
    st.builds(_remove, st.integers(1, EVENTS + 1)),
    st.builds(_swap, st.integers(1, EVENTS + 1), st.integers(1, EVENTS + 1)),
    st.builds(_shift, st.integers(1, EVENTS + 1), st.integers(1, 3)),
    st.builds(_again, st.integers(1, EVENTS + 1), st.integers(1, EVENTS + 3)),
    st.builds(
        lambda number, name: lambda rows: _altered(rows, number, name),
        st.integers(1, EVENTS + 1),
        st.sampled_from([each for each in FIELDS if each not in ("id", "number")]),
    ),
    st.just(_behind),
)


def _altered(rows: list[Row], number: int, name: str) -> list[Row]:
    for row in rows:
        if row["number"] == number:
            row[name] = _other(row.get(name))
    return rows


@given(changes=st.lists(CHANGES, max_size=4))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_whatever_is_done_the_first_wrong_number_is_named(
    tamperer: Tamperer, changes: list[Callable[[list[Row]], list[Row]]]
) -> None:
    rows = copy.deepcopy(tamperer.rows)
    for change in changes:
        if change is _behind or len(rows) > EVENTS:
            rows = change(rows)
    found = await tamperer.put(rows)

    wrong = _first_difference(tamperer.rows, rows)
    if wrong is None:
        assert isinstance(found, ChainCheck)
    else:
        assert isinstance(found, Break)
        assert found.number == wrong


def _first_difference(before: list[Row], after: list[Row]) -> int | None:
    if any(row["number"] > EVENTS + 2 for row in after):
        # What is behind the end is told as the first that should not be there.
        after = [*after, {"number": EVENTS + 2}]
    for number in range(EVENTS + 10):
        was = [row for row in before if row["number"] == number]
        if was != [row for row in after if row["number"] == number]:
            return number
    return None


async def test_a_write_that_only_seemed_lost_is_no_alarm(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.record(said("one"))
    write = store.writer._write

    async def late(statements: Sequence[Statement], head: Head) -> None:
        await write(statements, head)
        raise MemoryUnavailable("no answer", where="the server", hint="Wait.")

    with monkeypatch.context() as slow:
        slow.setattr(store.writer, "_write", late)
        with pytest.raises(MemoryUnavailable):
            await store.record(said("two"))
    assert isinstance(await store.events.verify(), ChainCheck)
