"""The archive: fragments that have faded, in a database that is asked rarely and keeps long."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hairem_core.memory.archive.anchors import Anchor, last_anchor, put_anchor
from hairem_core.memory.archive.engine import ERRORS, Engine, Tls
from hairem_core.memory.archive.errors import ArchiveUnavailable
from hairem_core.memory.archive.migrations.run import MIGRATIONS, MigrationFailed, migrate
from hairem_core.memory.archive.reach import Reach
from hairem_core.memory.archive.scrub import optimize, owe_scrub, owed_scrub, settle_scrub, vacuum
from hairem_core.memory.archive.search import ArchiveHit, rank
from hairem_core.memory.archive.selection import Selection, after, visible
from hairem_core.memory.archive.tables import FRAGMENT, VECTOR, embedding_of, fragment_of, row_of
from hairem_core.memory.arrays import Floats
from hairem_core.memory.fragment import Embedding, Fragment, Kind
from hairem_core.memory.scope import Scope

_LOGGER = logging.getLogger(__name__)

type Item = tuple[Fragment, Embedding | None]

_AT_ONCE = 500
"""Ids in one statement, and fragments on one page."""


class ColdArchive:
    """One archive, in SQLite or MariaDB. Every method raises ArchiveUnavailable when it cannot.

    A server that went away is connected to again at the next call.
    """

    def __init__(
        self,
        url: str,
        *,
        tls: Tls | None = None,
        folder: Path | None = None,
        migrations: Path = MIGRATIONS,
    ) -> None:
        """Connect to nothing yet: the first call does, and brings the schema up to date.

        A relative path in `url` counts from `folder`, with None from the current one. Raises
        ArchiveUnavailable: not a known address, a certificate that cannot be read.
        """
        self._engine = Engine.of(url, tls, folder)
        self._reach = Reach(self._engine.where)
        self._migrations = migrations
        self._preparing = asyncio.Lock()
        # One after another: writes that meet would be refused as deadlocks, or wait in a thread.
        self._one_writes = asyncio.Lock()
        self.schema_version: str | None = None
        """Number of the last revision; None until the archive was reached."""

    @classmethod
    async def open(cls, url: str, *, tls: Tls | None = None, migrations: Path = MIGRATIONS) -> Self:
        """Return the archive at `sqlite+aiosqlite:///<path>` or
        `mysql+aiomysql://<user>:<password>@<host>:<port>/<database>`, its schema up to date.

        `migrations` stands in for those that ship. Raises ArchiveUnavailable: server away, too old,
        or refusing us, file not writable or damaged, written by a newer version.
        """
        self = cls(url, tls=tls, migrations=migrations)
        try:
            await self.prepare()
        except BaseException:
            await self.close()
            raise
        return self

    @property
    def where(self) -> str:
        """Where it is, without name and password."""
        return self._engine.where

    @property
    def problem(self) -> str | None:
        """Why it was away the last time it was asked; None where it answered, or was not asked."""
        return self._reach.problem

    async def prepare(self) -> None:
        """Reach the database and bring its schema up to date, if that was not done yet."""
        if not self._is_prepared():
            async with self._preparing:
                if not self._is_prepared():
                    await self._prepare()

    async def put(self, items: Sequence[Item]) -> None:
        """Keep fragments with their embeddings; those that are there already are replaced.

        All or none; they are on disk when this returns.
        """
        if not items:
            return
        # By id: a fragment that is given twice is there once, as it was given last.
        latest = {fragment.id: (fragment, embedding) for fragment, embedding in items}
        fragments = await asyncio.to_thread(
            lambda: [row_of(fragment) for fragment, _ in latest.values()]
        )
        vectors = [
            {"fragment_id": fragment.id, "model": embedding.model, "vector": embedding.vector}
            for fragment, embedding in latest.values()
            if embedding is not None
        ]
        async with self._writing() as connection:
            if await _delete(connection, latest) and not await owed_scrub(connection):
                await owe_scrub(connection, "later")
            for rows in batched(fragments, _AT_ONCE, strict=False):
                await connection.execute(sa.insert(FRAGMENT), list(rows))
            for rows in batched(vectors, _AT_ONCE, strict=False):
                await connection.execute(sa.insert(VECTOR), list(rows))

    async def ids(self, ids: Collection[UUID]) -> set[UUID]:
        """Return which of the ids are those of archived fragments."""
        found: set[UUID] = set()
        async with self._reading() as connection:
            for some in batched(ids, _AT_ONCE, strict=False):
                wanted = sa.select(FRAGMENT.c.id).where(FRAGMENT.c.id.in_(some))
                found.update(await connection.scalars(wanted))
        return found

    async def all_ids(self) -> AsyncGenerator[list[UUID]]:
        """Yield the ids of all archived fragments, page by page, in their order."""
        last: UUID | None = None
        while True:
            wanted = sa.select(FRAGMENT.c.id).order_by(FRAGMENT.c.id).limit(_AT_ONCE)
            if last is not None:
                wanted = wanted.where(FRAGMENT.c.id > last)
            async with self._reading() as connection:
                page = list(await connection.scalars(wanted))
            if not page:
                return
            last = page[-1]
            yield page

    async def fetch(self, ids: Collection[UUID], scope: Scope) -> dict[UUID, Item]:
        """Return those of the fragments that are there and may be seen."""
        found: dict[UUID, Item] = {}
        async with self._reading() as connection:
            for some in batched(ids, _AT_ONCE, strict=False):
                wanted = _WHOLE.where(FRAGMENT.c.id.in_(some), visible(scope))
                found |= {each[0].id: each for each in await _items(connection, wanted)}
        return {each: item for each, item in found.items() if scope.admits(item[0])}

    async def select(
        self, selection: Selection, *, after_fragment: Fragment | None = None
    ) -> AsyncGenerator[list[Item]]:
        """Yield the fragments that are meant, of every agent, the oldest first, page by page.

        `after_fragment` goes on where an earlier call was left. What is added or removed between
        pages disturbs nothing. No page is empty.
        """
        last = after_fragment
        while True:
            wanted = _WHOLE.where(selection.condition())
            if last is not None:
                wanted = wanted.where(after(last))
            wanted = wanted.order_by(FRAGMENT.c.at, FRAGMENT.c.id).limit(_AT_ONCE)
            async with self._reading() as connection:
                page = await _items(connection, wanted)
            if not page:
                return
            last = page[-1][0]
            if meant := [item for item in page if selection.admits(item[0])]:
                yield meant

    async def search(
        self,
        query: str,
        scope: Scope,
        *,
        limit: int,
        vector: Floats | None = None,
        model: str | None = None,
        kinds: Collection[Kind] | None = None,
        about: Collection[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        with_replaced: bool = True,
        as_of: datetime | None = None,
    ) -> list[ArchiveHit]:
        """Return what shares words with `query`, or is near to its `vector`, best first.

        `vector` has shape (dimensions,) and length 1; it is compared with those of the same
        `model`. The other filters are as in `Selection`.
        """
        if limit <= 0:
            return []
        selection = Selection(
            kinds=kinds,
            about=about,
            since=since,
            until=until,
            with_replaced=with_replaced,
            as_of=as_of,
        )
        where = sa.and_(visible(scope), selection.condition())
        async with self._reading() as connection:
            ranked = await rank(
                connection, query, where, selection, limit=limit, vector=vector, model=model
            )
        items = await self.fetch([each.id for each in ranked], scope)
        return [
            ArchiveHit(
                fragment=items[each.id][0],
                score=each.score,
                words=each.words,
                cosine=each.cosine,
            )
            for each in ranked
            if each.id in items
        ]

    async def remove(self, ids: Collection[UUID], *, scrub: bool = True) -> int:
        """Remove fragments for good, and return how many there were.

        With `scrub` no trace of them is left either: see `scrub`. Should that part fail, they are
        removed nevertheless, and it is done when the archive is next opened.
        """
        async with self._writing() as connection:
            removed = await _delete(connection, ids)
            owed = await owed_scrub(connection)
            # Owed before: what was removed without it, such as what was restored and is forgotten
            # now, is still in the files.
            is_due = scrub and (removed > 0 or owed is not None)
            if is_due or (removed > 0 and owed is None):
                await owe_scrub(connection, "due" if is_due else "later")
        if is_due:
            await self.scrub()
        return removed

    async def scrub(self) -> None:
        """Wipe what was removed out of the database's files, if anything was.

        SQLite: the file is written anew (VACUUM), and nothing of the removed is in it. MariaDB: the
        tables are (OPTIMIZE TABLE); what a server keeps beside them for a while, in redo and undo
        logs, binary logs, replicas and backups, only its administrator can clear. It takes room for
        a second copy, and time: about a second for each 100 MB.
        """
        async with self._reading() as connection:
            if await owed_scrub(connection) is None:
                return
        if self._engine.kind == "sqlite":
            async with self._one_writes, self._transaction(self._engine.bare) as connection:
                await vacuum(connection)
        else:
            async with self._reading() as connection:
                complaint = await optimize(connection)
            if complaint is not None:
                raise self._reach.away(
                    ArchiveUnavailable(
                        f"what was removed could not be wiped out: {complaint}",
                        where=self.where,
                        hint="The user needs the rights SELECT, INSERT, ALTER and CREATE.",
                    )
                )
        async with self._writing() as connection:
            await settle_scrub(connection)

    async def anchor(self, number: int, digest: bytes, at: datetime, *, anew: bool = False) -> None:
        """Note that the chain of events was whole up to event `number`, whose hash is `digest`.

        Raises AnchorRefused if another hash is noted for that event, or one for a later event: the
        chain was cut or altered. With `anew` (an older backup was restored) those are dropped.
        """
        async with self._writing() as connection:
            anchor = Anchor(number=number, hash=digest, at=at)
            await put_anchor(connection, anchor, anew=anew, where=self.where)

    async def last_anchor(self) -> Anchor | None:
        """Return the anchor with the highest number."""
        async with self._reading() as connection:
            return await last_anchor(connection)

    async def statistics(self) -> dict[str, Any]:
        """Return how much is archived, and where."""
        async with self._reading() as connection:
            counts = {
                name: await connection.scalar(sa.select(sa.func.count()).select_from(table))
                for name, table in (("fragments", FRAGMENT), ("vectors", VECTOR))
            }
        return {
            **counts,
            "engine": self._engine.kind,
            "where": self.where,
            "schema": self.schema_version,
        }

    async def exclusively[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, during which nothing is written by this process.

        The file of SQLite is whole meanwhile: there is no journal beside it.
        """
        async with self._one_writes:
            return await work()

    async def close(self) -> None:
        """Close the connections. What was put is on disk already."""
        await self._engine.close()

    def _is_prepared(self) -> bool:
        return self.schema_version is not None

    async def _prepare(self) -> None:
        try:
            async with self._one_writes, self._engine.writing.connect() as connection:
                version = await connection.run_sync(migrate, self._migrations)
        except MigrationFailed as err:
            away = ArchiveUnavailable(err.what, where=self.where, hint=err.hint)
            raise self._reach.away(away) from err
        except ERRORS as err:
            raise self._reach.away(self._engine.unavailable(err)) from err
        async with self._transaction(self._engine.reading) as connection:
            await self._look_at_durability(connection)
            is_due = await owed_scrub(connection) == "due"
        self.schema_version = version
        if is_due:  # killed between forgetting and wiping
            await self.scrub()

    @asynccontextmanager
    async def _reading(self) -> AsyncGenerator[AsyncConnection]:
        await self.prepare()
        async with self._transaction(self._engine.reading) as connection:
            yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[AsyncConnection]:
        await self.prepare()
        async with (
            self._one_writes,
            self._transaction(self._engine.writing) as connection,
        ):
            yield connection

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
        try:
            async with engine.begin() as connection:
                yield connection
        except ERRORS as err:
            raise self._reach.away(self._engine.unavailable(err)) from err
        self._reach.there()

    async def _look_at_durability(self, connection: AsyncConnection) -> None:
        if self._engine.kind == "mariadb":
            flush = await connection.scalar(sa.text("SELECT @@innodb_flush_log_at_trx_commit"))
            if flush != 1:
                _LOGGER.warning(
                    "%s: innodb_flush_log_at_trx_commit is %s: a power cut can cost what was "
                    "archived in the last second; set it to 1",
                    self.where,
                    flush,
                )


_WHOLE = sa.select(FRAGMENT, VECTOR.c.model, VECTOR.c.vector).outerjoin(
    VECTOR, VECTOR.c.fragment_id == FRAGMENT.c.id
)


async def _items(connection: AsyncConnection, wanted: sa.Select[Any]) -> list[Item]:
    rows = (await connection.execute(wanted)).mappings().all()
    return [(fragment_of(row), embedding_of(row)) for row in rows]


async def _delete(connection: AsyncConnection, ids: Iterable[UUID]) -> int:
    removed = 0
    for some in batched(ids, _AT_ONCE, strict=False):
        await connection.execute(sa.delete(VECTOR).where(VECTOR.c.fragment_id.in_(some)))
        gone = await connection.execute(sa.delete(FRAGMENT).where(FRAGMENT.c.id.in_(some)))
        removed += gone.rowcount
    return removed
