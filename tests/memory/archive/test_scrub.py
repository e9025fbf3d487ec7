"""What was removed is not in the files any more."""

import sqlite3
from pathlib import Path

import pytest

from hairem_core.memory.archive.store import ColdArchive
from tests.memory.archive.samples import embedding, fragment
from tests.support.mariadb import MariaDb

_SECRET = "xyzzyplugh"


def _paths(archive: ColdArchive, mariadb: MariaDb) -> list[Path]:
    if archive.where.startswith("mysql"):
        database = archive.where.rpartition("/")[2]
        mariadb.flush(database)
        return mariadb.files_of(database)
    return list(Path(archive.where).parent.iterdir())


def _grep(paths: list[Path]) -> int:
    """Return how often the secret is in files, as text in any case."""
    return sum(path.read_bytes().lower().count(_SECRET.encode()) for path in paths)


async def _put_secrets(archive: ColdArchive) -> None:
    # Many, in an order of ids that is none: pages are split, and leave copies behind.
    for begin in range(0, 1500, 100):
        await archive.put(
            [
                (
                    each := fragment(number, f"the word is {_SECRET}{number} " * 4),
                    embedding(each, number, 1),
                )
                for number in range(begin, begin + 100)
            ]
        )


async def test_a_grep_finds_nothing_of_what_was_removed(
    archive: ColdArchive, mariadb: MariaDb
) -> None:
    await _put_secrets(archive)
    await archive.put([(fragment(5000, "harmless"), None)])
    assert _grep(_paths(archive, mariadb)) >= 1500  # the search itself finds

    await archive.remove([fragment(number).id for number in range(1500)])

    assert _grep(_paths(archive, mariadb)) == 0
    assert await archive.ids([fragment(5000).id]) == {fragment(5000).id}


async def test_one_of_many(archive: ColdArchive, mariadb: MariaDb) -> None:
    await _put_secrets(archive)
    await archive.remove([fragment(1234).id])
    paths = _paths(archive, mariadb)
    assert sum(path.read_bytes().count(f"{_SECRET}1234".encode()) for path in paths) == 0
    assert (await archive.statistics())["fragments"] == 1499


async def test_what_was_restored_and_then_forgotten_goes_from_here_too(
    archive: ColdArchive, mariadb: MariaDb
) -> None:
    await _put_secrets(archive)
    ids = [fragment(number).id for number in range(1500)]
    await archive.remove(ids, scrub=False)  # as a restore does
    await archive.close()

    archive = await ColdArchive.open(
        mariadb.url(archive.where.rpartition("/")[2])
        if archive.where.startswith("mysql")
        else f"sqlite+aiosqlite:///{archive.where}"
    )
    assert await archive.remove(ids) == 0  # as forgetting does
    assert _grep(_paths(archive, mariadb)) == 0
    await archive.close()


async def test_a_wipe_that_was_cut_short_is_done_at_the_next_opening(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = await ColdArchive.open(sqlite_url)
    path = Path(archive.where)
    await archive.put([(fragment(1, _SECRET), None)])

    async def dies(self: ColdArchive) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ColdArchive, "scrub", dies)
        with pytest.raises(KeyboardInterrupt):
            await archive.remove([fragment(1).id])
    await archive.close()
    # What a page's split may have left: a copy in a page that belongs to nobody.
    with path.open("r+b") as file:
        file.seek(0, 2)
        file.write(_SECRET.encode().ljust(4096, b"\0"))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT value FROM hairem_state").fetchall() == [("due",)]
    connection.close()

    archive = await ColdArchive.open(sqlite_url)
    assert _grep(list(path.parent.iterdir())) == 0
    await archive.close()


async def test_nothing_lies_beside_the_file(sqlite_url: str) -> None:
    archive = await ColdArchive.open(sqlite_url)
    await archive.put([(fragment(1, _SECRET), None)])
    await archive.remove([fragment(1).id])
    path = Path(archive.where)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    await archive.close()
