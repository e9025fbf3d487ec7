"""The recall index can be lost, torn or somebody else's: it is made anew, and never wrong."""

import random
import shutil
import sys
from pathlib import Path

import pytest

from hairem_core.memory.store import MemoryStore
from tests.memory.messages import said

THINGS = ("lantern", "kettle", "ladder", "compass", "violin", "anvil", "abacus", "trowel")


@pytest.fixture
def url(folder_url: str) -> str:
    return folder_url


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "recall"


async def fill(url: str, index: Path, start: int, count: int) -> None:
    store = await MemoryStore.open(url, index_folder=index)
    for number in range(start, start + count):
        thing = THINGS[number % len(THINGS)]
        await store.record(said(f"the {thing} number {number} is in room {number % 3}"))
    await store.recall("renarde", "lantern", limit=1)
    await store.close()


async def answers(url: str, index: Path | None) -> tuple[list[list[str]], bool]:
    """Return what is found for some questions, and whether the index was made anew."""
    store = await MemoryStore.open(url, index_folder=index)
    found = [
        sorted(each.content for each in await store.recall("renarde", question, limit=100))
        for question in (*THINGS, *(f"number {each}" for each in range(0, 60, 20)), "room 2")
    ]
    rebuilt = store.index.rebuilt
    await store.close()
    return found, rebuilt


async def test_what_was_saved_is_taken_up_again(url: str, index: Path) -> None:
    await fill(url, index, 0, 40)
    found, rebuilt = await answers(url, index)
    assert not rebuilt
    assert (found, True) == await answers(url, None)


@pytest.mark.parametrize("lost", ["", "text", "columns", "text/meta.json", "text/sums.json"])
async def test_what_is_lost_is_made_anew(url: str, index: Path, lost: str) -> None:
    await fill(url, index, 0, 40)
    path = index / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    found, _ = await answers(url, index)
    assert found == (await answers(url, None))[0]
    assert (found, False) == await answers(url, index)


async def test_a_file_that_is_torn_or_garbled_is_never_fatal(url: str, index: Path) -> None:
    await fill(url, index, 0, 40)
    await fill(url, index, 40, 20)
    right, _ = await answers(url, None)
    whole = index.with_name("whole")
    shutil.copytree(index, whole)
    # Names of files are tantivy's own and new each time: their order is that of their endings.
    files = [each.relative_to(whole) for each in whole.rglob("*") if each.is_file()]
    files.sort(key=lambda file: (file.parent, file.suffix, (whole / file).stat().st_size))
    assert len(files) > 5
    seed = random.randrange(2**32)
    sys.stdout.write(f"the seed is {seed}\n")  # shown if it fails
    chance = random.Random(seed)
    for file in files:
        damage = chance.choice(("empty", "half", "flipped", "longer", "garbage"))
        shutil.rmtree(index)
        shutil.copytree(whole, index)
        _damage(index / file, damage, chance)
        found, _ = await answers(url, index)
        assert found == right, (file, damage)


def _damage(path: Path, damage: str, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    match damage:
        case "empty":
            content.clear()
        case "half":
            del content[len(content) // 2 :]
        case "flipped":
            for _ in range(3):
                if content:
                    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        case "longer":
            content += b"\0" * 100
        case _:
            content[:] = chance.randbytes(max(1, len(content)))
    path.write_bytes(content)


async def test_the_index_of_another_store_is_not_used(tmp_path: Path) -> None:
    here, there = f"surrealkv://{tmp_path / 'here'}", f"surrealkv://{tmp_path / 'there'}"
    await fill(here, tmp_path / "a", 0, 30)
    await fill(there, tmp_path / "b", 30, 30)
    found, rebuilt = await answers(here, tmp_path / "b")
    assert rebuilt
    assert found == (await answers(here, None))[0]


@pytest.mark.parametrize("part", ["", "text", "columns"])
async def test_an_older_copy_is_caught_up_or_made_anew(url: str, index: Path, part: str) -> None:
    await fill(url, index, 0, 30)
    older = index.with_name("older")
    shutil.copytree(index, older)
    await fill(url, index, 30, 30)
    path = index / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    old = older / part
    shutil.copytree(old, path) if old.is_dir() else shutil.copy(old, path)
    found, _ = await answers(url, index)
    assert found == (await answers(url, None))[0]


async def test_an_index_that_is_ahead_of_its_store_is_not_used(url: str, index: Path) -> None:
    folder = Path(url.removeprefix("surrealkv://"))
    await fill(url, index, 0, 30)
    shutil.copytree(folder, folder.with_name("backup"))
    await fill(url, index, 30, 30)
    shutil.rmtree(folder)
    folder.with_name("backup").rename(folder)
    found, rebuilt = await answers(url, index)
    assert rebuilt
    assert found == (await answers(url, None))[0]


async def test_uses_and_what_was_replaced_survive_a_rebuild(url: str, index: Path) -> None:
    store = await MemoryStore.open(url, index_folder=index)
    for number in range(12):
        await store.record(said(f"step {number} is to turn the wheel {number} times"))
    await store.recall("renarde", "wheel", limit=5, is_use=True)
    old = await store.remember("renarde", "The lantern is green")
    await store.remember("renarde", "The lantern is violet", replaces=old.fragment_id)
    question = "wheel lantern"
    before = {each.content for each in await store.recall("renarde", question, limit=50)}
    await store.close()

    for folder in (index, None):
        store = await MemoryStore.open(url, index_folder=folder)
        found = await store.recall("renarde", question, limit=50)
        assert {each.content for each in found} == before
        assert "The lantern is green" not in before
        (columns,) = store.index.columns().values()
        assert sorted(columns.uses.tolist(), reverse=True)[:6] == [1, 1, 1, 1, 1, 0]
        # What was said is found by what was said around it, in the order in which it was said.
        row = 5
        around = columns.around(row, 2)
        assert [int(columns.seq[each]) for each in around] == [4, 5, 7, 8]
        await store.close()
