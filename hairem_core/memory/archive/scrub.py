"""Wiping what was removed out of the database's files.

That it is owed is noted with the removal, so that it is done also after a kill in between.
"""

from typing import Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hairem_core.memory.archive.tables import FRAGMENT, STATE, VECTOR

type Owed = Literal["due", "later"]
"""`due`: at once, or else when the archive is next opened. `later`: with the next scrub."""

_NAME = "scrub"
_IS_SCRUB = STATE.c.name == _NAME


async def owed_scrub(connection: AsyncConnection) -> Owed | None:
    """Return when what was removed is to be wiped out; None if nothing is."""
    value: Owed | None = await connection.scalar(sa.select(STATE.c.value).where(_IS_SCRUB))
    return value


async def owe_scrub(connection: AsyncConnection, when: Owed) -> None:
    """Note, with what was removed, that it is to be wiped out."""
    await settle_scrub(connection)
    await connection.execute(sa.insert(STATE).values(name=_NAME, value=when))


async def settle_scrub(connection: AsyncConnection) -> None:
    """Note that nothing is left to be wiped out."""
    await connection.execute(sa.delete(STATE).where(_IS_SCRUB))


async def vacuum(connection: AsyncConnection) -> None:
    """Write the file of SQLite anew. It takes a connection that begins no transaction."""
    await connection.exec_driver_sql("VACUUM")


async def optimize(connection: AsyncConnection) -> str | None:
    """Have MariaDB write the tables anew; return what it complains of, if it could not."""
    tables = f"{FRAGMENT.name}, {VECTOR.name}"
    told = await connection.exec_driver_sql(f"OPTIMIZE TABLE {tables}")
    failed = [row for row in told.mappings() if row["Msg_type"].lower() == "error"]
    return failed[0]["Msg_text"] if failed else None
