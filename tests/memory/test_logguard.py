"""What becomes of a store whose log is damaged, or whose disk is full for a while."""

import asyncio
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hairem_core.memory import database, logguard
from hairem_core.memory.chain import Break, ChainCheck
from hairem_core.memory.database import Database
from hairem_core.memory.errors import MemoryUnavailable, TransactionFailed
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.vacuum import vacuum
from tests.memory.messages import said


async def opened(folder: Path) -> MemoryStore:
    return await MemoryStore.open(f"surrealkv://{folder}", index_folder=folder.parent / "recall")


async def told(store: MemoryStore, *texts: str) -> None:
    for each in texts:
        await store.record(said(each))


async def heard(store: MemoryStore) -> list[str]:
    return [row["content"] for row in await store.database.query("SELECT * FROM raw_event")]


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A store in which 40 things were said."""
    store = await opened(tmp_path / "memory")
    await told(store, *(f"thing {number}" for number in range(40)))
    await store.close()
    return tmp_path / "memory"


def log_of(folder: Path) -> Path:
    (log,) = (folder / "clog").glob("*.clog")
    return log


def damage(folder: Path, share: float) -> bytes:
    """Garble a few bytes of the log; return what it is now."""
    log = log_of(folder)
    with log.open("r+b") as file:
        file.seek(int(log.stat().st_size * share))
        file.write(b"GARBAGE" * 5)
    return log.read_bytes()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9])
async def test_a_damaged_log_is_left_as_it_is(folder: Path, share: float) -> None:
    as_it_is = damage(folder, share)
    for _ in range(2):
        with pytest.raises(MemoryUnavailable, match="its log is damaged: of the") as told_of:
            await opened(folder)
        assert "Restore a backup" in str(told_of.value)
        assert log_of(folder).read_bytes() == as_it_is
        assert not list(folder.parent.glob("*~*"))


async def test_on_demand_it_goes_on_before_the_damage_and_keeps_the_log(folder: Path) -> None:
    as_it_is = damage(folder, 0.9)
    with pytest.raises(MemoryUnavailable):
        await opened(folder)
    folder.with_name("memory.whole").unlink()
    store = await opened(folder)
    left = await heard(store)
    await told(store, "and on")
    assert 0 < len(left) < 40
    assert await heard(store) == [*left, "and on"]
    await store.close()
    (kept,) = folder.parent.glob("memory.damaged-*")
    assert next(kept.iterdir()).read_bytes() == as_it_is


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99])
async def test_of_a_store_that_was_written_anew_what_is_left_can_be_gone_on_with(
    folder: Path, share: float
) -> None:
    store = await opened(folder)
    await vacuum(store.database, store.writer)
    await store.close()
    damage(folder, share)
    folder.with_name("memory.whole").unlink()
    for words in ("and on", "and on again"):
        store = await opened(folder)
        await told(store, words)
        for text in ("DELETE raw_event", "UPDATE raw_event SET content = 'x'"):
            with pytest.raises(TransactionFailed, match="append-only"):
                await store.database.transact([Statement(text=text)])
        left = await heard(store)
        assert words in left
        episodes = await store.database.query("SELECT VALUE content FROM fragment")
        assert sorted(episodes) == sorted(left)
        found = await store.events.verify()
        lost = [number for number in range(40) if f"thing {number}" not in left]
        if lost:
            assert isinstance(found, Break)
            assert (found.number, found.what) == (lost[0] + 1, "is missing")
        else:
            assert isinstance(found, ChainCheck)
        assert await vacuum(store.database, store.writer) is not None
        assert await heard(store) == left
        await store.close()


@pytest.mark.parametrize("gone", ["REMOVE TABLE schema_version", "DELETE schema_version"])
async def test_of_what_is_left_too_little_may_be_readable(folder: Path, gone: str) -> None:
    whole = await Database.open(f"surrealkv://{folder}")
    await whole.transact([Statement(text=gone)])
    await whole.close()
    with pytest.raises(MemoryUnavailable, match="too much of it is missing"):
        await opened(folder)


async def test_the_end_of_an_unfinished_write_is_cut_off(folder: Path) -> None:
    with log_of(folder).open("ab") as file:
        file.write(b"the beginning of something that nobody was told of")
    store = await opened(folder)
    assert len(await heard(store)) == 40
    await store.close()
    assert not list(folder.parent.glob("memory.damaged-*"))


async def test_killed_while_it_was_opened_the_log_is_as_before(folder: Path) -> None:
    as_it_is = damage(folder, 0.5)
    guard = logguard.LogGuard(folder)
    guard.hold()
    # The engine has mended it, and nobody has looked yet.
    log = log_of(folder)
    log.unlink()
    log.write_bytes(as_it_is[:100])
    with pytest.raises(MemoryUnavailable, match="damaged"):
        await opened(folder)
    assert log_of(folder).read_bytes() == as_it_is


async def test_a_folder_that_was_restored_meanwhile_stays_as_it_is(folder: Path) -> None:
    backup = folder.with_name("backup")
    shutil.copytree(folder, backup)
    damage(folder, 0.5)
    logguard.LogGuard(folder).hold()
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    store = await opened(folder)
    assert len(await heard(store)) == 40
    await store.close()


async def test_a_store_that_took_its_place_is_known_as_it_is(folder: Path) -> None:
    store = await opened(folder)
    await vacuum(store.database, store.writer)
    assert not list(folder.parent.glob("*~*"))
    await told(store, "later")
    await store.close()
    store = await opened(folder)
    assert len(await heard(store)) == 41
    await store.close()
    damage(folder, 0.5)
    with pytest.raises(MemoryUnavailable, match="damaged"):
        await opened(folder)


async def test_where_files_have_one_name_only_it_opens_as_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store = await opened(folder)
    assert len(await heard(store)) == 40
    await store.close()


class Disk:
    """A disk that is full while this is in use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def full(self) -> Iterator[None]:
        filler = self.folder / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        yield
        filler.unlink()


class LimitedFiles(Disk):
    """Stands for a full disk where none can be mounted: no file may grow beyond the log."""

    @contextmanager
    def full(self) -> Iterator[None]:
        size = log_of(self.folder / "memory").stat().st_size
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5_000, before[1]))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(params=["small", "limited"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    if request.param == "limited":
        yield LimitedFiles(tmp_path)
        return
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk, and not everywhere")
    yield Disk(tmp_path)
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


async def test_a_disk_that_was_full_is_written_on_once_there_is_room(disk: Disk) -> None:
    store = await opened(disk.folder / "memory")
    await told(store, "before")
    confirmed, refused = ["before"], 0
    with disk.full():
        for number in range(30):
            words = f"{number} {'x' * 2000}"
            try:
                await told(store, words)
            except MemoryUnavailable:
                refused += 1
            else:
                confirmed.append(words)
        assert refused
        assert await store.database.probed() is not None
        assert set(confirmed) <= set(await heard(store)), "what was heard before is known"
    async with asyncio.timeout(20):
        while await store.database.probed() is not None:
            await asyncio.sleep(0.2)
    await told(store, "after")
    confirmed.append("after")
    assert set(confirmed) <= set(await heard(store))
    await store.close()
    store = await opened(disk.folder / "memory")
    assert set(confirmed) <= set(await heard(store))
    assert isinstance(await store.events.verify(), ChainCheck)
    await store.close()


async def test_an_engine_that_cannot_be_opened_either_is_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PAUSE", 0.0)
    store = await opened(folder)

    async def full(*_: object) -> str:
        return "Log error: IO error: kind=no storage space"

    async def refused(*_: object) -> None:
        raise MemoryUnavailable("cannot be opened: no storage space", where="memory")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "_attempt", full)
        patch.setattr(database, "connect", refused)
        with pytest.raises(MemoryUnavailable, match="cannot be opened"):
            await told(store, "lost")
        with pytest.raises(MemoryUnavailable):
            await heard(store)
    async with asyncio.timeout(20):
        while await store.database.probed() is not None:
            await asyncio.sleep(0.05)
    await told(store, "after")
    assert len(await heard(store)) == 41
    await store.close()


async def test_nobody_else_reads_what_is_remembered(tmp_path: Path) -> None:
    house = tmp_path / "house"
    before = os.umask(0o022)
    try:
        store = await opened(house / "memory")
        await told(store, "the safe opens with 4711", "and so on", "and on")
        await store.close()
        damage(house / "memory", 0.95)
        (house / "memory.whole").unlink()
        store = await opened(house / "memory")
        await vacuum(store.database, store.writer)
        await store.close()
    finally:
        os.umask(before)
    tops = {each.name.partition("-")[0]: each.stat().st_mode & 0o077 for each in house.iterdir()}
    assert tops.keys() >= {"memory", "memory.damaged", "recall"}
    open_to_others = {name for name, mode in tops.items() if mode}
    assert open_to_others == {"memory.whole"}  # two numbers
    assert house.stat().st_mode & 0o077 == 0
