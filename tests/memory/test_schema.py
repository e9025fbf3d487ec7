"""The schema's steps: applied in order, once, and all or nothing."""

import pytest

from hairem_core.memory.database import Database, SchemaFile, schema_files
from hairem_core.memory.errors import MemoryUnavailable


def test_the_steps_that_ship_are_numbered_without_a_gap() -> None:
    files = schema_files()
    assert [each.number for each in files] == list(range(1, len(files) + 1))
    assert files[0].name == "0001_raw_event.surql"


async def test_a_step_is_applied_once(url: str) -> None:
    for _ in range(2):
        database = await Database.open(url)
        applied = await database.query("SELECT * FROM schema_version")
        await database.close()
        assert [each["name"] for each in applied] == [each.name for each in schema_files()]
        assert database.schema_version == len(schema_files())


async def test_a_later_step_is_applied_to_an_older_store(url: str) -> None:
    await (await Database.open(url)).close()
    later = SchemaFile(number=2, name="0002_later.surql", text="DEFINE TABLE later SCHEMALESS;")

    database = await Database.open(url, files=[*schema_files(), later])

    assert database.schema_version == 2
    assert "later" in (await database.query("INFO FOR DB"))["tables"]
    await database.close()


async def test_a_broken_step_changes_nothing_and_is_named(url: str) -> None:
    await (await Database.open(url)).close()
    broken = SchemaFile(
        number=2,
        name="0002_broken.surql",
        text="DEFINE TABLE half SCHEMALESS; THROW 'no good';",
    )
    with pytest.raises(MemoryUnavailable, match=r"0002_broken.surql .*no good"):
        await Database.open(url, files=[*schema_files(), broken])

    database = await Database.open(url)
    assert database.schema_version == 1
    assert "half" not in (await database.query("INFO FOR DB"))["tables"]
    await database.close()


async def test_the_store_of_a_newer_version_is_refused(url: str) -> None:
    later = SchemaFile(number=7, name="0007_later.surql", text="DEFINE TABLE later SCHEMALESS;")
    await (await Database.open(url, files=[*schema_files(), later])).close()
    with pytest.raises(MemoryUnavailable, match="schema is number 7"):
        await Database.open(url)
