"""The process dies without warning, or the power goes: what had been acknowledged is there."""

import asyncio
import random
import shutil
import sys
from pathlib import Path
from uuid import UUID

import pytest

from hairem_core.memory.chain import ChainCheck
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.store import MemoryStore
from tests.memory.messages import said
from tests.support.child import ROOT

_WRITER = """
import asyncio, os, pathlib, sys
from hairem_core.memory.store import MemoryStore
from tests.memory.messages import said

async def write(store, task):
    for number in range(1_000_000):
        message = said(f"the drawer number {number} of desk {task} holds a secret")
        assert await store.record(message)
        # One write: the death may cut the last line, and no other.
        os.write(1, b"%s\\n" % str(message.header.msg_id).encode())

async def main():
    store = await MemoryStore.open(sys.argv[1], index_folder=pathlib.Path(sys.argv[2]))
    await asyncio.gather(*(write(store, each) for each in range(4)))

asyncio.run(main())
"""


class Writing:
    """A process that records as fast as it can, in several tasks, and tells what is safe."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.acknowledged: list[UUID] = []

    @classmethod
    async def begin(cls, url: str, index: Path) -> Writing:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _WRITER, url, str(index), cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        return cls(process)

    async def until(self, count: int) -> None:
        """Wait until so many were acknowledged."""
        assert self._process.stdout is not None
        while len(self.acknowledged) < count:
            line = await self._process.stdout.readline()
            assert line, "it ended"
            self.acknowledged.append(UUID(line.decode().strip()))

    async def kill(self) -> None:
        """Kill it, and take in all that it acknowledged."""
        assert self._process.stdout is not None
        if self._process.returncode is None:
            self._process.kill()
        rest = await self._process.stdout.read()
        self.acknowledged += [UUID(line) for line in rest.decode().splitlines() if len(line) == 36]
        await self._process.wait()


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "recall"


async def check(url: str, acknowledged: list[UUID], index: Path | None) -> None:
    """Open a store, and make sure that all that was acknowledged is there, once, and found."""
    store = await MemoryStore.open(url, index_folder=index)
    try:
        found = await store.events.verify()
        assert isinstance(found, ChainCheck), found
        rows = await store.database.query("SELECT VALUE derived_from FROM fragment")
        events = [event for (event,) in rows]
        assert len(events) == len(set(events)) == found.checked
        missing = set(acknowledged) - set(events)
        assert not missing
        assert store.index.statistics()["fragments"] == found.checked
        words = set(await store.database.query("SELECT VALUE content FROM fragment"))
        every = await store.recall("renarde", "drawer secret", limit=found.checked + 10)
        # The text index gives 300 hits at most, and the same words count once.
        assert len(every) >= min(60, len(words))
        for row in random.sample(await store.database.query("SELECT * FROM raw_event"), 3):
            best = await store.recall("renarde", row["content"], limit=40)
            assert row["content"] in {each.content for each in best}
    finally:
        await store.close()


@pytest.mark.parametrize("survivors", [6, 150, 600])
async def test_kill_9_loses_nothing_that_was_acknowledged(
    url: str, index: Path, survivors: int
) -> None:
    writing = await Writing.begin(url, index)
    await writing.until(survivors)
    await writing.kill()

    await check(url, writing.acknowledged, index)


async def test_killed_again_and_again(folder_url: str, index: Path) -> None:
    acknowledged: list[UUID] = []
    for _ in range(3):
        writing = await Writing.begin(folder_url, index)
        await writing.until(random.randint(1, 60))
        await writing.kill()
        acknowledged += writing.acknowledged
    await check(folder_url, acknowledged, index)


async def test_a_second_process_is_refused(folder_url: str, index: Path) -> None:
    writing = await Writing.begin(folder_url, index)
    await writing.until(1)
    with pytest.raises(MemoryUnavailable, match="in use by another process"):
        await MemoryStore.open(folder_url)
    await writing.until(10)
    await writing.kill()
    await check(folder_url, writing.acknowledged, index)


async def test_a_copy_taken_while_it_writes_has_what_was_acknowledged_before(
    folder_url: str, index: Path, tmp_path: Path
) -> None:
    writing = await Writing.begin(folder_url, index)
    copies = []
    for number in range(3):
        await writing.until(20 + number * random.randint(10, 60))
        before, copy = list(writing.acknowledged), tmp_path / f"copy{number}"
        await _copy(tmp_path / "memory", copy / "memory")
        await _copy(index, copy / "recall")
        copies.append((copy, before))
    await writing.kill()

    for copy, before in copies:
        await check(f"surrealkv://{copy / 'memory'}", before, copy / "recall")


async def test_a_power_cut_costs_no_more_than_what_was_not_yet_written(
    folder_url: str, index: Path, tmp_path: Path
) -> None:
    """The end of the engine's log is missing, or torn in the middle of a record."""
    writing = await Writing.begin(folder_url, index)
    await writing.until(60)
    await writing.kill()
    (log,) = (tmp_path / "memory" / "clog").iterdir()
    whole = log.read_bytes()
    counts = []
    # Some of these are in the middle of a commit, of which the engine keeps the beginning.
    for cut in range(0, 9_000, 810):
        copy = tmp_path / f"cut{cut}" / "memory"
        shutil.copytree(tmp_path / "memory", copy)
        (copy / "clog" / log.name).write_bytes(whole[: len(whole) - cut])
        store = await MemoryStore.open(f"surrealkv://{copy}")
        found = await store.events.verify()
        assert isinstance(found, ChainCheck), (cut, found)
        fragments = await store.database.query("SELECT VALUE derived_from FROM fragment")
        assert len({event for (event,) in fragments}) == len(fragments) == found.checked, cut
        assert await store.record(said("on it goes"))
        assert isinstance(await store.events.verify(), ChainCheck), cut
        await store.close()
        counts.append(found.checked)
    assert counts == sorted(counts, reverse=True)
    assert len(writing.acknowledged) <= counts[0]
    assert len(set(counts)) > 3


async def _copy(folder: Path, copy: Path) -> None:
    copy.parent.mkdir(exist_ok=True)
    # What vanishes while it is copied is told by the exit code, and no harm.
    process = await asyncio.create_subprocess_exec(
        "cp", "-a", str(folder), str(copy), stderr=asyncio.subprocess.DEVNULL
    )
    await process.wait()
