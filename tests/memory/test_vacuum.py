"""A store that is written anew holds the same, and no byte of what was deleted."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from surrealdb import RecordID

from hairem_core.memory.chain import ChainCheck
from hairem_core.memory.database import Database
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.folder import COPY, FRESH, OLD, beside
from hairem_core.memory.fragment import Embedding, Entity, Relation
from hairem_core.memory.scope import Scope
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.vacuum import vacuum
from hairem_core.memory.writer import Change, Head
from tests.memory.messages import said
from tests.support.surrealdb3 import SurrealDB3

TABLES = (
    *("raw_event", "fragment", "embedding", "gone", "entity", "relation", "agent"),
    *("agent_state", "dream", "head", "schema_version", "forgetting"),
)


@pytest.fixture
def url(folder_url: str) -> str:
    return folder_url


async def everything(database: Database) -> dict[str, Any]:
    """Return every row and every definition."""
    rows = {each: await database.query(f"SELECT * FROM {each}") for each in TABLES}
    rows = {name: sorted(each, key=lambda row: str(row["id"])) for name, each in rows.items()}
    return rows | {
        f"about {each}": await database.query(f"INFO FOR TABLE {each}") for each in TABLES
    }


def files_with(folder: Path, needle: bytes) -> list[str]:
    """Return the files under a folder that hold these bytes."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and needle in path.read_bytes()
    ]


async def fill(store: MemoryStore, number: int = 30) -> None:
    """Put something of everything into a store."""
    for each in range(number):
        await store.record(said(f"the drawer number {each} holds a thing"))
    await store.set_state("renarde", "mood", {"calm": True})
    found = (
        await store.fragments.fetch(
            [row.id for row in await store.database.query("SELECT VALUE id FROM fragment")],
            Scope(agent=None),
        )
    ).values()
    agent = next(iter(found)).agent

    async def build(head: Head) -> Change:
        return Change(
            embeddings=[
                (each, Embedding(fragment_id=each.id, model="m", vector=bytes(16)))
                for each in found
            ],
            entities=[Entity(agent=agent, key="name:rex", name="Rex", last_at=store.clock())],
            relations=[
                Relation(
                    agent=agent,
                    kind="knows",
                    source="name:rex",
                    target="user:anna",
                    last_at=store.clock(),
                )
            ],
        )

    await store.writer.commit(build)


async def test_everything_is_the_same_and_what_was_deleted_is_in_no_file(
    store: MemoryStore, tmp_path: Path
) -> None:
    await fill(store)
    await store.set_state("renarde", "secret", "xylophone-42")
    await store.set_state("renarde", "secret", None)
    before = await everything(store.database)
    assert files_with(tmp_path, b"xylophone-42")

    report = await vacuum(store.database, store.writer)

    assert report is not None
    assert report.rows >= 90
    assert await everything(store.database) == before
    assert not files_with(tmp_path, b"xylophone-42")
    assert isinstance(await store.events.verify(), ChainCheck)
    folder = store.database.folder
    assert folder is not None
    assert not [each for each in (COPY, FRESH, OLD) if beside(folder, each).exists()]
    await store.record(said("one more"))
    with pytest.raises(Exception, match="append-only"):
        await store.database.transact([Statement(text="DELETE raw_event")])


async def test_what_is_written_meanwhile_is_there_and_readers_notice_nothing(
    store: MemoryStore,
) -> None:
    await fill(store, 200)
    is_done = asyncio.Event()

    async def write() -> int:
        number = 0
        while not is_done.is_set():
            number += 1
            await store.record(said(f"meanwhile number {number}"))
            await store.set_state("renarde", f"key {number % 5}", number if number % 3 else None)
        return number

    async def forget_one() -> None:
        async def build(head: Head) -> Change:
            rows = await store.database.query("SELECT VALUE id FROM fragment WHERE seq = 7")
            found = await store.fragments.fetch([rows[0].id], Scope(agent=None))
            return Change(removed=list(found.values()))

        await store.writer.commit(build)

    async def read() -> None:
        while not is_done.is_set():
            assert await store.recall("renarde", "drawer number 150", limit=3)
            assert await store.database.query("SELECT * FROM ONLY head:current")

    writing, reading = asyncio.create_task(write()), asyncio.create_task(read())
    vacuuming = asyncio.create_task(vacuum(store.database, store.writer))
    await forget_one()
    await vacuuming
    is_done.set()
    written = await writing
    await reading

    assert written > 5
    assert isinstance(await store.events.verify(), ChainCheck)
    assert store.writer.head.number == 200 + written
    rows = await store.database.query("SELECT VALUE content FROM fragment")
    assert {f"meanwhile number {each + 1}" for each in range(written)} <= set(rows)
    assert not await store.database.query("SELECT VALUE id FROM fragment WHERE seq = 7")
    assert len(await store.database.query("SELECT VALUE id FROM embedding")) == 199
    last = [each for each in range(1, written + 1) if each % 5 == 1][-1]
    assert await store.get_state("renarde", "key 1") == (last if last % 3 else None)


@pytest.mark.parametrize("moment", ["before", "between", "after", "empty"])
async def test_a_death_in_the_middle_of_the_exchange(url: str, moment: str) -> None:
    store = await MemoryStore.open(url)
    await fill(store)
    expected = await everything(store.database)
    folder = store.database.folder
    assert folder is not None
    await store.close()
    fresh, old, copy = (beside(folder, each) for each in (FRESH, OLD, COPY))
    shutil.copytree(folder, fresh)
    shutil.copytree(folder, copy)
    if moment != "before":
        folder.rename(old)
    if moment == "after":
        fresh.rename(folder)
    if moment == "empty":  # an older hAIrem opened it, and found nothing
        folder.mkdir()

    database = await Database.open(url)

    try:
        assert await everything(database) == expected
        assert not [each for each in (fresh, old, copy) if each.exists()]
    finally:
        await database.close()


async def test_a_backup_of_the_users_own_is_left_alone(url: str, tmp_path: Path) -> None:
    (tmp_path / "memory.old").mkdir()
    (tmp_path / "memory.old" / "file").write_text("mine")

    store = await MemoryStore.open(url)
    await vacuum(store.database, store.writer)
    await store.close()

    assert (tmp_path / "memory.old" / "file").read_text() == "mine"


async def test_a_servers_files_are_its_own(server: SurrealDB3) -> None:
    store = await MemoryStore.open(server.url)
    assert await vacuum(store.database, store.writer) is None
    await store.close()


async def test_what_was_written_meanwhile_and_not_noted_is_not_lost(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store)

    def fail(self: object, change: Change) -> None:
        raise KeyError("defect")

    monkeypatch.setattr("hairem_core.memory.vacuum._Vacuum._note_change", fail)
    vacuuming = asyncio.create_task(vacuum(store.database, store.writer))
    while "_Vacuum" not in repr(store.writer._observers):
        await asyncio.sleep(0)
    await store.record(said("a word in between"))
    with pytest.raises(MemoryUnavailable, match="its copy is not the same"):
        await vacuuming
    assert "a word in between" in await store.database.query("SELECT VALUE content FROM raw_event")
    assert isinstance(await store.events.verify(), ChainCheck)


@pytest.mark.parametrize("step", ["the copy is moved", "they change places"])
async def test_when_the_copy_fails_nothing_is_changed(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await fill(store)
    before = await everything(store.database)
    rename = os.rename
    last = beside(tmp_path / "memory", FRESH)

    def failing(source: Any, target: Any) -> None:
        if str(target if step == "the copy is moved" else source) == str(last):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="No space left"):
        await vacuum(store.database, store.writer)
    monkeypatch.undo()

    assert await everything(store.database) == before
    await store.set_state("renarde", "after", 1)
    assert await store.database.query(
        "SELECT VALUE value FROM $id", {"id": RecordID("agent_state", ["renarde", "after"])}
    ) == ["1"]
    assert not beside(tmp_path / "memory", COPY).exists()
