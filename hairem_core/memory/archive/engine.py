"""The way to the archive's database: a file of SQLite's, or a MariaDB server."""

import asyncio
import logging
import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import aiomysql
import sqlalchemy as sa
from pymysql.constants import CLIENT, CR
from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hairem_core.config.archive import MARIADB, SQLITE, archive_address
from hairem_core.memory.archive.errors import ArchiveUnavailable

_LOGGER = logging.getLogger(__name__)

OLDEST = (10, 11)
"""Of MariaDB: older ones are not maintained any more."""
_CONNECT_SECONDS = 10.0
_BUSY_MILLISECONDS = 10_000
"""How long SQLite waits for another process that writes."""
_BEGIN = "hairem_begin"
# Up to 10.11 servers put 5.5.5- in front, for the sake of old clients.
_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.\d+.*MariaDB", re.IGNORECASE)
ERRORS = (SQLAlchemyError, OSError, aiomysql.MySQLError)
"""What the database's drivers raise."""


@dataclass(frozen=True, kw_only=True)
class Tls:
    """The connection to MariaDB is encrypted, and the server proves who it is."""

    ca: Path | None = None
    """Certificates that vouch for the server; None trusts those of the system."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Where an archive is kept."""

    kind: Literal["sqlite", "mariadb"]
    reading: AsyncEngine
    writing: AsyncEngine
    """The same connections; SQLite is locked for writing from the transaction's first moment."""
    bare: AsyncEngine
    """The same connections, without a transaction on SQLite."""
    where: str
    """As errors name it: without name and password."""

    @classmethod
    def of(cls, url: str, tls: Tls | None = None, folder: Path | None = None) -> Self:
        """Return the engine of an address; nothing is connected to yet.

        A relative path of a file counts from `folder`, with None from the current one. Raises
        ArchiveUnavailable: not a known address, a certificate that cannot be read.
        """
        try:
            parsed = archive_address(url)
        except ValueError as err:
            raise ArchiveUnavailable(str(err), where="memory.archive_url") from None
        if parsed.drivername == SQLITE:
            return cls._sqlite(parsed, folder or Path())
        return cls._mariadb(parsed, tls)

    async def close(self) -> None:
        """Close all connections."""
        await self.reading.dispose()

    def unavailable(self, err: BaseException) -> ArchiveUnavailable:
        """Return an error of the database as one that a person can act on."""
        return ArchiveUnavailable(says(err), where=self.where, hint=_hint(err, self.kind))

    @classmethod
    def _sqlite(cls, url: URL, folder: Path) -> Self:
        path = (folder / (url.database or "")).absolute()
        _make_private_file(path)
        engine = create_async_engine(
            URL.create(SQLITE, database=str(path)), hide_parameters=True, pool_size=4
        )
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return cls._around(engine, "sqlite", str(path))

    @classmethod
    def _mariadb(cls, url: URL, tls: Tls | None) -> Self:
        host, port = url.host or "localhost", url.port or 3306
        socket = url.query.get("unix_socket")
        where = f"mysql://{socket or f'{host}:{port}'}/{url.database}"
        context = _context(tls, where) if tls is not None else None
        is_near = socket is not None or host in ("localhost", "127.0.0.1", "::1")
        if context is None and not is_near:
            _LOGGER.warning("%s: memories cross the network unencrypted; set archive_tls", where)

        async def connect() -> _Connection:
            connection = _Connection(
                host=host,
                port=port,
                unix_socket=socket,
                user=url.username,
                # aiomysql encodes it as Latin-1, and the server hashed it as UTF-8.
                password=(url.password or "").encode().decode("latin-1"),
                db=url.database,
                charset="utf8mb4",
                ssl=context,
                client_flag=CLIENT.FOUND_ROWS,
                connect_timeout=_CONNECT_SECONDS,
                init_command="SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
            )
            await connection.open()
            return connection

        engine = create_async_engine(
            URL.create(MARIADB, database=url.database),
            async_creator=connect,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=4,
        )
        return cls._around(engine, "mariadb", where)

    @classmethod
    def _around(cls, engine: AsyncEngine, kind: Literal["sqlite", "mariadb"], where: str) -> Self:
        return cls(
            kind=kind,
            reading=engine,
            writing=engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"}),
            bare=engine.execution_options(**{_BEGIN: ""}),
            where=where,
        )


class _Connection(aiomysql.Connection):
    """A connection that looks at the server before it answers it with anything of a password's."""

    def __init__(self, **arguments: Any) -> None:
        untyped: Any = super()
        untyped.__init__(**arguments)
        self._untyped: Any = untyped

    async def open(self) -> None:
        """Connect. Raises MySQLError, TimeoutError."""
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._untyped._connect()
        except BaseException:
            self._untyped.close()
            raise

    def escape(self, obj: Any) -> str:
        """Return a value as it is written in a statement.

        aiomysql 0.3 takes for bytes what PyMySQL 1.2 has no more.
        """
        if isinstance(obj, bytes):
            return f"_binary X'{obj.hex()}'"
        return str(self._untyped.escape(obj))

    async def _request_authentication(self) -> None:
        version = str(self.server_version)
        match = _VERSION.match(version)
        if match is None or (int(match[1]), int(match[2])) < OLDEST:
            raise _Refused(f"the server is {version}, not MariaDB 10.11 or later")
        # aiomysql would go on in plain text.
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            raise _Refused("the server offers no TLS")
        await self._untyped._request_authentication()

    async def _process_auth(self, plugin_name: bytes, auth_packet: Any) -> Any:
        if plugin_name in (b"mysql_clear_password", b"mysql_old_password") and not self._secure:
            raise _Refused("the server asks for the password in plain text")
        return await self._untyped._process_auth(plugin_name, auth_packet)


class _Refused(aiomysql.OperationalError):
    """The server is not one that we talk to."""

    def __init__(self, what: str) -> None:
        untyped: Any = super()
        untyped.__init__(CR.CR_UNKNOWN_ERROR, what)


def says(err: BaseException) -> str:
    """Return what an error of the database says, without the statement and what was in it."""
    if isinstance(err, DBAPIError) and err.orig is not None:
        err = err.orig.__cause__ or err.orig
    if isinstance(err, aiomysql.MySQLError):
        return _words(err.__cause__) if _is_about_connecting(err) else str(err.args[-1])
    return _words(err)


def _words(err: BaseException | None) -> str:
    if isinstance(err, TimeoutError):
        return f"no answer within {_CONNECT_SECONDS:g} seconds"
    return " ".join(str(err).split()) or type(err).__name__


def _is_about_connecting(err: BaseException) -> bool:
    return err.args[:1] == (CR.CR_CONN_HOST_ERROR,) and err.__cause__ is not None


def _hint(err: BaseException, kind: str) -> str:
    if kind == "sqlite":
        return "Look at the disk and at the file's owner. What is in memory stays there meanwhile."
    text = says(err)
    if "10.11" in text:
        return "Use MariaDB 10.11 or later, or set no archive_url: a file then serves."
    if "Access denied" in text or "Unknown database" in text:
        return "Check name, password and database in memory.archive_url."
    if "certificate" in text.lower() or "TLS" in text:
        return "Check memory.archive_tls_ca, and the server's certificate."
    return "Check that the MariaDB server runs. What is in memory stays there meanwhile."


def _context(tls: Tls, where: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=tls.ca)
    except OSError as err:
        raise ArchiveUnavailable(
            f"the certificates in {tls.ca} cannot be read: {err.strerror or err}",
            where=where,
            hint="Check memory.archive_tls_ca: a PEM file that this user may read.",
        ) from err


def _make_private_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as err:
        raise ArchiveUnavailable(
            f"cannot be written: {err.strerror or err}",
            where=str(path),
            hint="Choose a folder that this user may write, or change its owner.",
        ) from err


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # BEGIN is ours
    cursor = connection.cursor()
    for pragma in (
        # No -wal file, where what was removed would stay; a crash rolls the journal back.
        "journal_mode = DELETE",
        "synchronous = EXTRA",
        "secure_delete = ON",
        f"busy_timeout = {_BUSY_MILLISECONDS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    begin = connection.get_execution_options().get(_BEGIN, "BEGIN")
    if begin:
        connection.exec_driver_sql(begin)
