"""The schema's steps: applied in order, once, and all or nothing."""

import pytest

from hairem_core.memory.database import Database
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.schema.steps import Step, schema_steps

_SHIPPED = len(schema_steps())


def test_the_steps_that_ship_are_numbered_without_a_gap() -> None:
    steps = schema_steps()
    assert [each.number for each in steps] == list(range(1, len(steps) + 1))
    assert steps[0].name == "0001_raw_event.surql"


async def test_a_step_is_applied_once(url: str) -> None:
    for _ in range(2):
        database = await Database.open(url)
        applied = await database.query("SELECT * FROM schema_version")
        await database.close()
        assert [each["name"] for each in applied] == [each.name for each in schema_steps()]
        assert database.schema_version == _SHIPPED


async def test_a_later_step_is_applied_to_an_older_store(url: str) -> None:
    await (await Database.open(url)).close()
    later = _step(_SHIPPED + 1, "DEFINE TABLE later SCHEMALESS;")

    database = await Database.open(url, steps=[*schema_steps(), later])

    assert database.schema_version == _SHIPPED + 1
    assert "later" in (await database.query("INFO FOR DB"))["tables"]
    await database.close()


async def test_a_broken_step_changes_nothing_and_is_named(url: str) -> None:
    await (await Database.open(url)).close()
    broken = _step(_SHIPPED + 1, "DEFINE TABLE half SCHEMALESS; THROW 'no good';")
    with pytest.raises(MemoryUnavailable, match=rf"{broken.name} .*no good"):
        await Database.open(url, steps=[*schema_steps(), broken])

    database = await Database.open(url)
    assert database.schema_version == _SHIPPED
    assert "half" not in (await database.query("INFO FOR DB"))["tables"]
    await database.close()


async def test_the_store_of_a_newer_version_is_refused(url: str) -> None:
    later = _step(_SHIPPED + 5, "DEFINE TABLE later SCHEMALESS;")
    await (await Database.open(url, steps=[*schema_steps(), later])).close()
    with pytest.raises(MemoryUnavailable, match=f"schema is number {_SHIPPED + 5}"):
        await Database.open(url)


def _step(number: int, text: str) -> Step:
    return Step(number=number, name=f"{number:04}_later.surql", text=text)
