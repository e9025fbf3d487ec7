"""Archives of earlier versions are brought up to date, all or nothing, by one process at a time."""

import asyncio
import shutil
import signal
import sqlite3
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from hairem_core.memory.archive.errors import ArchiveUnavailable
from hairem_core.memory.archive.migrations.run import MIGRATIONS
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.scope import Scope
from tests.memory.archive.samples import BEGIN, fragment, item, whole
from tests.support.mariadb import MariaDb

_DATA = Path(__file__).parent / "data"
_ROOT = Path(__file__).parents[3]
_ALL = Scope(agent=None)


def _statements(url: str, mariadb: MariaDb | None, *statements: str) -> list[tuple[object, ...]]:
    """Carry out statements without hAIrem's help, and return what the last one gives."""
    if mariadb is not None:
        return list(mariadb.execute(f"USE {url.rpartition('/')[2]}", *statements))
    connection = sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"))
    try:
        rows: list[tuple[object, ...]] = []
        for each in statements:
            rows = connection.execute(each).fetchall()
        connection.commit()
        return rows
    finally:
        connection.close()


@pytest.fixture
def server(request: pytest.FixtureRequest, archive_url: str) -> MariaDb | None:
    """The server of `archive_url`, None where it is SQLite's."""
    if not archive_url.startswith("mysql"):
        Path(archive_url.removeprefix("sqlite+aiosqlite:///")).parent.mkdir()
        return None
    running: MariaDb = request.getfixturevalue("mariadb")
    return running


@pytest.fixture
def first(archive_url: str, server: MariaDb | None) -> str:
    """The address of an archive as revision 0001 left it, with two fragments."""
    if server is not None:
        text = (_DATA / "0001_mariadb.sql").read_text(encoding="utf-8")
        parts = [each for each in text.split(";\n") if each.strip()]
        _statements(archive_url, server, *parts)
    else:
        path = archive_url.removeprefix("sqlite+aiosqlite:///")
        connection = sqlite3.connect(path)
        connection.executescript((_DATA / "0001_sqlite.sql").read_text(encoding="utf-8"))
        connection.close()
    return archive_url


def _with(folder: Path, name: str, body: str) -> Path:
    """Return a copy of the migrations that ship, with one more."""
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / name).write_text(dedent(body))
    return folder


async def test_an_archive_of_the_first_version_goes_on(first: str) -> None:
    archive = await ColdArchive.open(first)
    assert archive.schema_version == "0002"
    back = await archive.fetch([whole().id, fragment(1).id], _ALL)
    assert back == {each.id: item(each, 1, 2, 3) for each in (whole(), fragment(1))}
    hits = await archive.search("which tea does Zoé prefer? du thé", _ALL, limit=1)
    assert [hit.fragment for hit in hits] == [whole()]
    await archive.anchor(1, b"h" * 32, BEGIN)
    assert await archive.remove([whole().id]) == 1
    await archive.close()

    archive = await ColdArchive.open(first)
    assert await archive.last_anchor() is not None
    await archive.close()


async def test_a_change_that_fails_changes_nothing_and_is_told(
    first: str, server: MariaDb | None, tmp_path: Path
) -> None:
    broken = _with(
        tmp_path / "migrations",
        "v0003_broken.py",
        """
        import sqlalchemy as sa
        from alembic import op

        revision = "0003"
        down_revision = "0002"

        def upgrade():
            op.create_table("hairem_half", sa.Column("id", sa.Integer), if_not_exists=True)
            op.execute("INSERT INTO hairem_half VALUES (1)")
            op.execute("UPDATE hairem_nowhere SET id = 1")

        def downgrade():
            op.drop_table("hairem_half", if_exists=True)
        """,
    )
    for _ in range(2):  # the same again: nothing of the first attempt is in the way
        with pytest.raises(ArchiveUnavailable, match=r"0003 failed.*hairem_nowhere") as caught:
            await ColdArchive.open(first, migrations=broken)
        assert "Nothing was changed" in str(caught.value)
        listing = "SHOW TABLES" if server else "SELECT name FROM sqlite_master"
        names = {row[0] for row in _statements(first, server, listing)}
        assert "hairem_half" not in names

    archive = await ColdArchive.open(first)
    assert len(await archive.fetch([whole().id, fragment(1).id], _ALL)) == 2
    await archive.close()


async def test_sqlite_takes_back_the_steps_before_the_one_that_failed(
    tmp_path: Path, sqlite_url: str
) -> None:
    broken = _with(
        tmp_path / "migrations",
        "v0003_broken.py",
        """
        from alembic import op
        revision = "0003"
        down_revision = "0002"
        def upgrade():
            op.execute("nonsense")
        def downgrade():
            pass
        """,
    )
    with pytest.raises(ArchiveUnavailable, match="0003 failed"):
        await ColdArchive.open(sqlite_url, migrations=broken)
    assert _statements(sqlite_url, None, "SELECT name FROM sqlite_master") == []


async def test_a_defect_in_a_change_is_told_like_any_failure(
    first: str, server: MariaDb | None, tmp_path: Path
) -> None:
    broken = _with(
        tmp_path / "migrations",
        "v0003_broken.py",
        """
        import sqlalchemy as sa
        from alembic import op

        revision = "0003"
        down_revision = "0002"

        def upgrade():
            op.create_table("hairem_half", sa.Column("id", sa.Integer), if_not_exists=True)
            raise KeyError("no such thing")

        def downgrade():
            op.drop_table("hairem_half", if_exists=True)
        """,
    )
    with pytest.raises(ArchiveUnavailable, match=r"0003 failed: 'no such thing'.*Nothing was"):
        await ColdArchive.open(first, migrations=broken)
    listing = "SHOW TABLES" if server else "SELECT name FROM sqlite_master"
    assert "hairem_half" not in {row[0] for row in _statements(first, server, listing)}
    archive = await ColdArchive.open(first)
    assert len(await archive.fetch([whole().id, fragment(1).id], _ALL)) == 2
    await archive.close()


async def test_killed_amid_a_change_of_sqlite_it_is_as_it_was(
    sqlite_url: str, tmp_path: Path
) -> None:
    archive = await ColdArchive.open(sqlite_url)
    await archive.put([item(fragment(number), 1, 2) for number in range(300)])
    await archive.close()
    slow = _with(
        tmp_path / "migrations",
        "v0003_slow.py",
        """
        import os, signal
        from alembic import op

        revision = "0003"
        down_revision = "0002"

        def upgrade():
            op.execute("ALTER TABLE hairem_fragment ADD COLUMN colour TEXT")
            # More than fits into its cache: the file itself is written to.
            op.execute("PRAGMA cache_spill = 1")
            op.execute("UPDATE hairem_fragment SET colour = hex(randomblob(40000)), content = 'x'")
            os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    program = """
        import asyncio, pathlib, sys
        from hairem_core.memory.archive.store import ColdArchive

        asyncio.run(ColdArchive.open(sys.argv[1], migrations=pathlib.Path(sys.argv[2])))
    """
    path = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    before = path.stat().st_size
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", dedent(program), sqlite_url, str(slow)), cwd=_ROOT
    )
    assert await process.wait() == -signal.SIGKILL
    assert path.stat().st_size > before  # it was in the middle of it
    archive = await ColdArchive.open(sqlite_url)
    assert archive.schema_version == "0002"
    items = await archive.fetch([fragment(number).id for number in range(300)], _ALL)
    assert items == {fragment(n).id: item(fragment(n), 1, 2) for n in range(300)}
    await archive.close()
    assert path.stat().st_size == before
    rows = _statements(sqlite_url, None, "PRAGMA integrity_check")
    assert rows == [("ok",)]


async def test_an_archive_of_a_newer_version_is_left_alone(
    first: str, server: MariaDb | None
) -> None:
    _statements(first, server, "UPDATE hairem_version SET version_num = '0099'")
    with pytest.raises(ArchiveUnavailable, match="0099, this hAIrem knows 0002 at most"):
        await ColdArchive.open(first)
    assert _statements(first, server, "SELECT version_num FROM hairem_version") == [("0099",)]


async def test_killed_amid_a_change_it_is_done_at_the_next_opening(
    archive_url: str, server: MariaDb | None
) -> None:
    if server is not None:  # what MariaDB has when it dies after the first statement of 0001
        text = (_DATA / "0001_mariadb.sql").read_text(encoding="utf-8")
        _statements(archive_url, server, text.partition(";\n")[0])
    archive = await ColdArchive.open(archive_url)
    await archive.put([item(whole(), 1, 2)])
    assert await archive.fetch([whole().id], _ALL) == {whole().id: item(whole(), 1, 2)}
    await archive.close()


async def test_many_processes_open_it_at_once(archive_url: str, server: MariaDb | None) -> None:
    program = """
        import asyncio, sys
        from hairem_core.memory.archive.store import ColdArchive
        from tests.memory.archive.samples import fragment

        async def main():
            archive = await ColdArchive.open(sys.argv[1])
            await archive.put([(fragment(int(sys.argv[2])), None)])
            await archive.close()

        asyncio.run(main())
    """
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", dedent(program), archive_url, str(number)),
            cwd=_ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        for number in range(3)
    ]
    ended = [await each.communicate() for each in processes]
    assert [each.returncode for each in processes] == [0] * 3, ended
    archive = await ColdArchive.open(archive_url)
    assert (await archive.statistics())["fragments"] == 3
    await archive.close()
