"""The process dies amid a hand-over, at any point: nothing is lost, and nothing is there twice."""

import asyncio
import random
import signal
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.scope import Scope
from tests.memory.archive.conftest import Warm
from tests.memory.archive.samples import embedding, fragment
from tests.memory.archive.test_mover import remember, stored, vectors_of

_ROOT = Path(__file__).parents[3]
_ALL = Scope(agent=None)
_HOW_MANY = 120
_STEPS = (
    ("after put", 1),
    ("before remove", 1),
    ("before commit", 4),
    ("after commit", 3),
    ("before put", 2),
)

# Archives and restores, in small hand-overs, for as long as it lives. It is killed when it has come
# to a step for a number of times, or so many seconds later, whatever it does then.
_MOVES = """
    import asyncio, os, random, signal, sys, threading
    from hairem_core.memory.archive import mover
    from hairem_core.memory.archive.store import ColdArchive
    from hairem_core.memory.writer import Writer
    from tests.memory.archive.conftest import Warm
    from tests.memory.archive.samples import fragment
    from hairem_core.memory.scope import Scope

    warm_url, cold_url, many, step, times, later = sys.argv[1:]
    mover._AT_ONCE = 7
    left = int(times)

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def reached(what):
        global left
        if what == step:
            left -= 1
            if left == 0 and float(later):
                threading.Timer(float(later), die).start()
            elif left == 0:
                die()

    def around(owner, name):
        method = getattr(owner, name)
        async def wrapped(self, *args, **kwargs):
            reached(f"before {name}")
            result = await method(self, *args, **kwargs)
            reached(f"after {name}")
            return result
        setattr(owner, name, wrapped)

    for owner, name in ((ColdArchive, "put"), (Writer, "commit"), (ColdArchive, "remove")):
        around(owner, name)

    async def main():
        warm = await Warm.open(warm_url)
        archive = await ColdArchive.open(cold_url)
        moves = warm.mover(archive)
        ids = [fragment(number).id for number in range(int(many))]
        while True:
            some = random.sample(ids, 30)
            there = await warm.fragments.fetch(some, Scope(agent=None))
            await moves.archive(list(there.values()))
            await moves.restore(random.sample(ids, 15))

    asyncio.run(main())
"""


async def _run_until_killed(
    warm_url: str, cold_url: str, step: str, times: int, *, later: float = 0
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", dedent(_MOVES), warm_url, cold_url, str(_HOW_MANY), step),
        str(times),
        str(later),
        cwd=_ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    assert process.returncode == -signal.SIGKILL, told.decode()


async def _check(warm_url: str, cold_url: str) -> tuple[int, int, int]:
    """Return how many there are in the store, in the archive, and how many had been in both."""
    warm = await Warm.open(warm_url)
    archive = await ColdArchive.open(cold_url)
    ids = [fragment(number).id for number in range(_HOW_MANY)]
    before = set(await stored(warm, ids)) | await archive.ids(ids)
    assert before == set(ids)  # nothing is lost

    doubles = await warm.mover(archive).reconcile()

    there, archived = await stored(warm, ids), await archive.fetch(ids, _ALL)
    assert len(there) + len(archived) == _HOW_MANY  # nothing is there twice
    for number in range(_HOW_MANY):
        sent = fragment(number)
        each = there.get(sent.id) or archived[sent.id][0]
        assert _said(each) == _said(sent)
    vectors = await vectors_of(warm)
    assert set(vectors) == set(there)
    vectors |= {key: of.vector for key, (_, of) in archived.items() if of is not None}
    assert vectors == {
        each.id: embedding(each, each.seq, 1).vector
        for each in (fragment(number) for number in range(_HOW_MANY))
    }
    await archive.close()
    await warm.database.close()
    return len(there), len(archived), doubles


def _said(each: Fragment) -> tuple[object, ...]:
    return each.agent, each.content, each.at, each.derived_from, each.valid_from, each.importance


@pytest.fixture
async def warm_url(tmp_path: Path) -> str:
    url = f"surrealkv://{tmp_path / 'memory'}"
    warm = await Warm.open(url)
    await remember(warm, [fragment(number) for number in range(_HOW_MANY)])
    await warm.database.close()
    return url


@pytest.mark.timeout(180)
async def test_killed_at_every_step(warm_url: str, archive_url: str) -> None:
    doubles = {}
    for step, times in _STEPS:
        await _run_until_killed(warm_url, archive_url, step, times)
        _, _, doubles[step] = await _check(warm_url, archive_url)
    # Between the steps it was in both: the test has met what it is about.
    assert doubles["after put"] > 0
    assert doubles["before remove"] > 0


@pytest.mark.timeout(180)
async def test_killed_at_random_moments(warm_url: str, archive_url: str) -> None:
    chance = random.Random(4)
    for _ in range(3):
        # From the first commit on there are some in the store and some in the archive, and more are
        # on their way.
        await _run_until_killed(
            warm_url, archive_url, "after commit", 1, later=chance.uniform(0.001, 0.4)
        )
        there, archived, _ = await _check(warm_url, archive_url)
        assert there
        assert archived
