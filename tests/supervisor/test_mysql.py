"""Where the archive is, and the MariaDB that the Supervisor names: a real one."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from hairem_core.memory.archive.store import ColdArchive
from hairem_core.supervisor import mysql
from hairem_core.supervisor.client import MySqlService
from tests.memory.archive.samples import fragment
from tests.support.child import free_port
from tests.support.mariadb import USER, MariaDb

OFFERED = MySqlService(host="new", port=3306, username="u", password=SecretStr("p"))
USED = MySqlService(host="old", port=3306, username="u", password=SecretStr("p"))


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    server = MariaDb(tmp_path_factory.mktemp("mariadb")).start()
    yield server
    server.stop()


def _service(server: MariaDb, password: str | None = None) -> MySqlService:
    return MySqlService(
        host="127.0.0.1",
        port=server.port,
        username=USER,
        password=SecretStr(server.password if password is None else password),
    )


@pytest.mark.parametrize("offered", [None, OFFERED])
@pytest.mark.parametrize("used", [None, USED])
@pytest.mark.parametrize("file_is_used", [False, True])
def test_the_archive_stays_where_it_is(
    offered: MySqlService | None, used: MySqlService | None, file_is_used: bool
) -> None:
    def choose(wanted: bool) -> mysql.ArchivePlace:
        return mysql.choose_place(
            wanted=wanted, offered=offered, used=used, file_is_used=file_is_used
        )

    assert choose(wanted=False).service is None
    assert choose(wanted=False).notice == ("mariadb_left" if used else None)
    place = choose(wanted=True)
    if used:
        assert place.service == (offered or used), "what is archived there would be out of reach"
        assert place.notice == (None if offered else "mariadb_gone")
    elif file_is_used:
        assert place.service is None, "what is archived in the file would be out of reach"
        assert place.notice == ("mariadb_unused" if offered else None)
    else:
        assert (place.service, place.notice) == (offered, None)


async def test_the_database_is_made_once_and_used(mariadb: MariaDb) -> None:
    mariadb.execute(
        f"DROP DATABASE IF EXISTS {mysql.DATABASE}",
        f"GRANT ALL ON *.* TO {USER}@'127.0.0.1'",
    )
    service = _service(mariadb)
    await mysql.make_database(service)
    await mysql.make_database(service)
    archive = ColdArchive(mysql.archive_url(service).get_secret_value())
    assert [page async for page in archive.all_ids()] == []
    await archive.close()
    tables = mariadb.execute(f"SHOW TABLES IN {mysql.DATABASE}")
    assert ("hairem_fragment",) in tables


async def test_a_user_who_may_make_no_database_uses_the_one_there_is(mariadb: MariaDb) -> None:
    mariadb.execute(
        f"CREATE DATABASE IF NOT EXISTS {mysql.DATABASE}",
        f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {USER}@'127.0.0.1'",
        f"GRANT ALL ON {mysql.DATABASE}.* TO {USER}@'127.0.0.1'",
    )
    await mysql.make_database(_service(mariadb))


async def test_a_refusal_names_no_password(mariadb: MariaDb) -> None:
    with pytest.raises(mysql.MariaDbError, match="Access denied") as caught:
        await mysql.make_database(_service(mariadb, "wrong-secret"))
    assert "wrong-secret" not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_a_server_that_is_away_or_silent(mariadb: MariaDb) -> None:
    away = _service(mariadb).model_copy(update={"port": free_port()})
    with pytest.raises(mysql.MariaDbError, match="cannot be used"):
        await mysql.make_database(away)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(mysql.MariaDbError, match="cannot be used"):
            await mysql.make_database(away.model_copy(update={"port": port}))


def test_what_is_remembered_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "mariadb.json"
    assert mysql.remembered(path) is None
    mysql.remember(path, USED)
    assert mysql.remembered(path) == USED
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("{")
    assert mysql.remembered(path) is None


async def test_whether_the_file_holds_anything(tmp_path: Path) -> None:
    path = tmp_path / "archive.sqlite3"
    assert not mysql.holds_fragments(path)
    archive = ColdArchive(f"sqlite+aiosqlite:///{path}")
    assert [page async for page in archive.all_ids()] == []
    await archive.close()
    assert path.is_file()
    assert not mysql.holds_fragments(path)
    archive = ColdArchive(f"sqlite+aiosqlite:///{path}")
    await archive.put([(fragment(1), None)])
    await archive.close()
    assert mysql.holds_fragments(path)
    path.write_bytes(b"not a database at all" * 100)
    assert mysql.holds_fragments(path), "nobody knows, so nothing is left behind"
