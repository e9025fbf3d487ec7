"""Anchors: heads of the chain of events, kept where whoever alters the events does not look."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hairem_core.memory.archive.errors import AnchorRefused
from hairem_core.memory.archive.tables import ANCHOR


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """The head of the chain of events, as it was when it was last verified."""

    number: int
    """Of the event."""
    hash: bytes
    at: datetime
    """When it was verified."""


async def put_anchor(
    connection: AsyncConnection, anchor: Anchor, *, anew: bool, where: str
) -> None:
    """Note an anchor, in the place of one for the same event.

    With `anew` those that speak against it are dropped. Raises AnchorRefused if one does: it has
    another hash for that event, or is for a later event. `where` is the archive, for that error.
    """
    columns = ANCHOR.c
    against = sa.or_(
        columns.number > anchor.number,
        sa.and_(columns.number == anchor.number, columns.hash != anchor.hash),
    )
    if anew:
        await connection.execute(sa.delete(ANCHOR).where(against))
    wanted = sa.select(columns.number, columns.at).where(against).order_by(columns.number)
    row = (await connection.execute(wanted)).first()
    if row is not None:
        raise AnchorRefused(
            f"event {row.number} had another hash on {row.at:%Y-%m-%d}"
            if row.number == anchor.number
            else f"event {row.number} was there on {row.at:%Y-%m-%d}, "
            f"and now {anchor.number} is the last",
            where=where,
            hint="Somebody has cut or altered what happened, or an older backup was restored.",
        )
    await connection.execute(sa.delete(ANCHOR).where(columns.number == anchor.number))
    await connection.execute(
        sa.insert(ANCHOR).values(number=anchor.number, hash=anchor.hash, at=anchor.at)
    )


async def last_anchor(connection: AsyncConnection) -> Anchor | None:
    """Return the anchor with the highest number."""
    wanted = sa.select(ANCHOR).order_by(ANCHOR.c.number.desc()).limit(1)
    row = (await connection.execute(wanted)).first()
    return None if row is None else Anchor(number=row.number, hash=bytes(row.hash), at=row.at)
