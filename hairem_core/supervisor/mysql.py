"""Where what has faded is kept: in a file, or in the MariaDB that another app offers.

Once something is there it is not left behind because MariaDB came, or is away for a morning: the
archive stays where it is until the user says otherwise.
"""

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import pymysql
from pydantic import SecretStr, ValidationError

from hairem_core.data import write_private
from hairem_core.errors import HairemError
from hairem_core.supervisor.client import MySqlService

DATABASE = "hairem"
_SECONDS = 3

type ArchiveNotice = Literal["mariadb_gone", "mariadb_unused", "mariadb_left"]


class MariaDbError(HairemError):
    """The MariaDB that the Supervisor named cannot be used now. Never holds the password."""

    code: ClassVar[str] = "mariadb"


@dataclass(frozen=True, kw_only=True)
class ArchivePlace:
    """Where the archive is. `service` None is the file in the data folder."""

    service: MySqlService | None = None
    notice: ArchiveNotice | None = None
    """What the user should know of it."""


def choose_place(
    *, wanted: bool, offered: MySqlService | None, used: MySqlService | None, file_is_used: bool
) -> ArchivePlace:
    """Return where the archive is.

    `offered` is what the Supervisor names now, `used` what was used before; `file_is_used` says
    whether something is archived in the file.
    """
    if not wanted:
        return ArchivePlace(notice="mariadb_left" if used else None)
    if used is not None:
        return ArchivePlace(service=offered or used, notice=None if offered else "mariadb_gone")
    if offered is not None and file_is_used:
        return ArchivePlace(notice="mariadb_unused")
    return ArchivePlace(service=offered)


def archive_url(service: MySqlService) -> SecretStr:
    """Return the address of the archive's database, as `memory.archive_url` takes it."""
    user = quote(service.username, safe="")
    password = quote(service.password.get_secret_value(), safe="")
    host = f"[{service.host}]" if ":" in service.host else service.host
    return SecretStr(f"mysql+aiomysql://{user}:{password}@{host}:{service.port}/{DATABASE}")


async def make_database(service: MySqlService) -> None:
    """Make the archive's database where it is missing. Raises MariaDbError."""
    await asyncio.to_thread(_make_database, service)


def remembered(path: Path) -> MySqlService | None:
    """Return the MariaDB that was used before, None where none was."""
    try:
        return MySqlService.model_validate_json(path.read_text())
    except OSError, ValidationError:
        return None


def remember(path: Path, service: MySqlService) -> None:
    """Keep which MariaDB is used, where only this user reads it."""
    if remembered(path) == service:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = service.model_dump() | {"password": service.password.get_secret_value()}
    write_private(path, json.dumps(kept) + "\n")


def holds_fragments(archive: Path) -> bool:
    """Return whether something is archived in a file; one that cannot be read may hold it."""
    if not archive.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{archive.as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute("SELECT 1 FROM hairem_fragment LIMIT 1").fetchone()
    except sqlite3.OperationalError as err:
        return "no such table" not in str(err)
    except sqlite3.Error:
        return True
    return found is not None


def _make_database(service: MySqlService) -> None:
    try:
        with closing(_connect(service)) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW DATABASES LIKE %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4")
    except (pymysql.MySQLError, OSError) as err:
        why = err.args[-1] if isinstance(err, pymysql.MySQLError) and err.args else err
        raise MariaDbError(
            f"MariaDB at {service.host}:{service.port} cannot be used: {why}",
            hint="Check that its app runs. What is in memory stays there meanwhile.",
        ) from err


def _connect(service: MySqlService) -> Any:
    return pymysql.connect(
        host=service.host,
        port=service.port,
        user=service.username,
        # PyMySQL would encode it as Latin-1, and the server hashed it as UTF-8.
        password=service.password.get_secret_value().encode(),
        connect_timeout=_SECONDS,
        read_timeout=_SECONDS,
        write_timeout=_SECONDS,
        charset="utf8mb4",
    )
