"""What goes wrong while a store is brought up to date leaves it as it was, to the last byte."""

import asyncio
import hashlib
import random
import shutil
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from hairem_core import __version__
from hairem_core.memory.database import Database
from hairem_core.memory.errors import MemoryUnavailable, UpgradeFailed
from hairem_core.memory.folder import lock_folder, unlock_folder
from hairem_core.memory.logguard import LogGuard
from hairem_core.memory.schema.steps import Step, schema_steps
from hairem_core.memory.statement import Statement
from tests.memory.test_migration import check, old_store
from tests.support.child import ROOT

_NEWEST = len(schema_steps())
_OPEN = """
    import asyncio, resource, sys
    from hairem_core.errors import HairemError
    from hairem_core.memory.database import Database

    if len(sys.argv) > 2:  # no file may become larger: what a full disk does to who writes
        limit = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    print("begin", flush=True)

    async def main():
        try:
            await (await Database.open(sys.argv[1])).close()
        except HairemError as err:
            sys.exit(str(err))

    asyncio.run(main())
"""


@pytest.fixture
def folder(folder_url: str) -> Path:
    return Path(folder_url.removeprefix("surrealkv://"))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    }


def beside(folder: Path) -> set[str]:
    """Return what lies beside a store, but for its lock and what is noted of its length."""
    own = {f"{folder.name}{ending}" for ending in ("", ".lock", ".whole")}
    return {each.name for each in folder.parent.iterdir()} - own


async def _opening(url: str, *arguments: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", dedent(_OPEN), url, *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begin\n"
    return process


async def _out_of_room(database: Database) -> None:
    await database.transact([Statement(text="DEFINE TABLE half SCHEMALESS")])
    raise MemoryUnavailable("the disk is full", where="here")


async def _defect(database: Database) -> None:
    await database.transact([Statement(text="DEFINE TABLE half SCHEMALESS")])
    raise KeyError("number")


@pytest.mark.parametrize(
    ("text", "prepare", "told"),
    [
        ("DEFINE TABLE later SCHEMALESS", _out_of_room, "the disk is full"),
        ("DEFINE TABLE later SCHEMALESS", _defect, "KeyError: 'number'"),
        ("DEFINE TABLE half SCHEMALESS; THROW 'no good'", None, "no good"),
        ("DEFINE TABEL half", None, "Parse error"),
    ],
)
async def test_a_step_that_fails_changes_no_byte(
    folder_url: str,
    folder: Path,
    text: str,
    prepare: Callable[[Database], None] | None,
    told: str,
) -> None:
    messages = await old_store(folder_url, 40)
    before = digests(folder)
    # All the steps that ship work, and change every row; the last one does not.
    broken = Step(number=_NEWEST + 1, name="9999_broken.surql", text=text, prepare=prepare)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(UpgradeFailed) as caught:
            await Database.open(folder_url, steps=[*schema_steps(), broken])
        assert "9999_broken.surql could not be applied" in caught.value.what
        assert told in caught.value.what
        assert "The data is as it was. Go back to the hAIrem that ran before" in str(caught.value)
        assert caught.value.where == str(folder)
        assert digests(folder) == before
        assert not beside(folder)
    old = await Database.open(folder_url, steps=schema_steps()[:1])
    assert old.schema_version == 1
    await old.close()
    await check(folder_url, messages)


async def test_killed_at_any_moment_it_is_the_old_one_or_the_new_one(
    folder_url: str, folder: Path
) -> None:
    messages = await old_store(folder_url, 600)
    before = digests(folder)
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    begun = time.monotonic()
    assert await (await _opening(folder_url)).wait() == 0
    takes = time.monotonic() - begun
    kills = 0
    for _ in range(6):
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        process = await _opening(folder_url)
        try:
            async with asyncio.timeout(random.uniform(0, takes)):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            kills += 1
        lock = lock_folder(folder)  # what whoever opens it next begins with
        LogGuard(folder).put_back()
        unlock_folder(lock)
        assert beside(folder) == {"kept"}
        if digests(folder) != before:
            with pytest.raises(MemoryUnavailable, match=f"schema is number {_NEWEST}"):
                await Database.open(folder_url, steps=schema_steps()[:1])
    assert kills
    await check(folder_url, messages)
    assert beside(folder) == {"kept"}


@pytest.mark.parametrize("more", [-1, 2_000])
async def test_a_disk_that_fills_up_meanwhile_costs_nothing(
    folder_url: str, folder: Path, more: int
) -> None:
    messages = await old_store(folder_url, 300)
    before = digests(folder)
    largest = max(each.stat().st_size for each in folder.rglob("*"))
    # Not even room for the copy, and room for the copy but not for what changes.
    process = await _opening(folder_url, str(largest + more))
    _, err = await process.communicate()
    assert process.returncode == 1, err
    words = "cannot be copied" if more < 0 else "could not be applied"
    assert words in err.decode()
    assert digests(folder) == before
    unlock_folder(lock_folder(folder))
    assert not beside(folder)
    await check(folder_url, messages)


async def test_without_room_for_a_copy_nothing_is_begun(
    folder_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = await old_store(folder_url, 10)
    before = digests(folder)
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patched:
        # A disk that is nearly full, which cannot be had here.
        patched.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 30_000_000))
        with pytest.raises(UpgradeFailed, match=r"no room .*34 MB are needed.*30 MB are free"):
            await Database.open(folder_url)
    assert digests(folder) == before
    assert not beside(folder)
    await check(folder_url, messages)


async def test_a_store_that_is_up_to_date_or_new_is_not_copied(
    folder_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = f"surrealkv://{tmp_path / 'older'}"
    await old_store(older, 2)

    async def fail(*_: object) -> None:
        raise AssertionError("it is copied")

    monkeypatch.setattr("hairem_core.memory.schema.applying.make_changed_copy", fail)
    with pytest.raises(AssertionError, match="it is copied"):
        await Database.open(older)
    for _ in range(2):
        await (await Database.open(folder_url)).close()


async def test_a_newer_store_is_refused_untouched_and_says_by_whom(
    folder_url: str, folder: Path
) -> None:
    later = Step(number=_NEWEST + 3, name="later", text="DEFINE TABLE later SCHEMALESS")
    await (await Database.open(folder_url, steps=[*schema_steps(), later])).close()
    before = digests(folder)
    with pytest.raises(MemoryUnavailable) as caught:
        await Database.open(folder_url)
    assert caught.value.what == (
        f"its schema is number {_NEWEST + 3}, of hAIrem {__version__}; "
        f"this hAIrem, {__version__}, knows {_NEWEST} at most"
    )
    assert "Run the newer hAIrem" in str(caught.value)
    assert digests(folder) == before
    # One that was written before it was noted by whom.
    other = await Database.open(folder_url, steps=[*schema_steps(), later])
    await other.transact([Statement(text="UPDATE schema_version UNSET by")])
    await other.close()
    with pytest.raises(MemoryUnavailable, match=rf"number {_NEWEST + 3}; this hAIrem"):
        await Database.open(folder_url)


async def test_on_a_server_the_steps_before_stay_and_it_is_told(url: str) -> None:
    messages = await old_store(url, 4)
    broken = Step(number=_NEWEST + 1, name="9999_broken", text="DEFINE TABLE half; THROW 'no'")
    with pytest.raises(UpgradeFailed) as caught:
        await Database.open(url, steps=[*schema_steps(), broken])
    is_server = url.startswith("ws")
    assert ("restore the backup" in str(caught.value)) == is_server
    now = await Database.open(url, steps=schema_steps()[: _NEWEST if is_server else 1])
    assert now.schema_version == (_NEWEST if is_server else 1)
    assert "half" not in (await now.query("INFO FOR DB"))["tables"]
    await now.close()
    await check(url, messages)
