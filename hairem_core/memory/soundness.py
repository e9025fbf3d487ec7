"""Whether what happened is as it was written down: by its chain, and by what the archive says.

A chain can be whole and yet another one, or shorter. The archive keeps anchors of it, out of reach
of whoever alters the store.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from hairem_core.errors import HairemError
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.chain import Break
from hairem_core.memory.database import Database
from hairem_core.memory.events import EventLog

type Witness = Literal["none", "holds", "contradicts", "lost", "away"]
"""What the archive says: it knows of no chain yet, of this one, of another one; it knows of none
any more, though it bore witness once; it cannot be reached."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found. Without `what`, all is as it was written down."""

    checked: int = 0
    """Events."""
    erased: int = 0
    """Of these, those whose content was dropped on purpose."""
    number: int | None = None
    """Of the first event that is wrong."""
    msg_id: UUID | None = None
    what: str | None = None
    """What is wrong with it."""
    anchor: Witness = "none"


async def examine(
    database: Database, events: EventLog, archive: ColdArchive, *, was_witnessed: bool
) -> Verdict:
    """Check the chain from its beginning to its end. Raises MemoryUnavailable."""
    found = await events.verify()
    if isinstance(found, Break):
        return Verdict(number=found.number, msg_id=found.msg_id, what=found.what)
    heard = await hear(database, archive, found.checked, was_witnessed=was_witnessed)
    if heard.what is not None:
        return heard
    return Verdict(checked=found.checked, erased=found.erased, anchor=heard.anchor)


async def hear(
    database: Database, archive: ColdArchive, last: int, *, was_witnessed: bool
) -> Verdict:
    """Return what the archive alone says to a chain that ends with event `last`.

    Raises MemoryUnavailable.
    """
    try:
        anchor = await archive.last_anchor()
    except HairemError:
        return Verdict(anchor="away")
    if anchor is None:
        return Verdict(anchor="lost" if was_witnessed else "none")
    if what := await differs(database, anchor.number, anchor.hash, last):
        return Verdict(number=anchor.number, what=what, anchor="contradicts")
    return Verdict(anchor="holds")


async def differs(database: Database, number: int, digest: bytes, last: int) -> str | None:
    """Return in what a chain that ends with event `last` is not the one that an anchor tells of.

    Raises MemoryUnavailable.
    """
    if number > last:
        return f"is missing: the archive knows it, and now {last} is the last"
    rows = await database.query(
        "SELECT VALUE hash FROM raw_event WHERE number = $number", {"number": number}
    )
    if [bytes(each) for each in rows] != [digest]:
        return "is not the one that the archive knows"
    return None
