"""What a power cut leaves of the last write: the engine's log may end in the middle of one.

The engine then keeps the part that reached the disk. Nobody was told that it was carried out, so
either is right, all of it or nothing; but not half. What was said is kept: the head is moved to
where the store really stands, and what is missing of it is made again from the events.
"""

import logging
from typing import Any

from surrealdb import RecordID

from hairem_core.memory.chain import GENESIS, event_hash
from hairem_core.memory.database import Database
from hairem_core.memory.statement import Statement

_LOGGER = logging.getLogger(__name__)

_INDEXES = (
    ("number", "raw_event"),
    ("conversation", "raw_event"),
    ("seq", "fragment"),
    ("rev", "fragment"),
    ("event", "fragment"),
    ("subject", "fragment"),
    ("replaces", "fragment"),
    ("rev", "embedding"),
    ("rev", "gone"),
)


async def mend(database: Database) -> None:
    """Make whole what the last write left in part. Raises MemoryUnavailable, TransactionFailed."""
    head = await database.query("SELECT * FROM ONLY head:current")
    events = await database.count("raw_event")
    ever = await database.count("fragment") + await database.count("gone")
    if (events, ever) != (head["number"], head["seq"]):
        # A row may have reached the disk without its places in the indexes.
        for index, table in _INDEXES:
            await database.query(f"REBUILD INDEX IF EXISTS {index} ON {table}")
    number, last = await _last_event(database, head)
    fragments = await database.query(
        "SELECT * FROM fragment WHERE seq >= $first", {"first": head["seq"] + 1}
    )
    revs = [head["rev"]]
    for table in ("fragment", "embedding", "gone"):
        revs += await database.query(
            f"SELECT VALUE rev FROM {table} WHERE rev >= $first",  # noqa: S608  a constant
            {"first": head["rev"] + 1},
        )
    seq = max((each["seq"] for each in fragments), default=head["seq"])
    if (number, seq, max(revs)) == (head["number"], head["seq"], head["rev"]):
        return
    _LOGGER.warning("%s: the last write was cut short, and is mended", database.where)
    # Past what it wrote: the recall index reads it all again.
    values = {"number": number, "seq": seq, "rev": max(revs) + 1}
    if last is not None:
        values["hash"] = last
    sets = ", ".join(f"{name} = ${name}" for name in values)
    moved = Statement(text=f"UPDATE head:current SET {sets} RETURN NONE", variables=values)  # noqa: S608
    closing = [_closing(each, values["rev"]) for each in fragments if each.get("replaces_id")]
    await database.transact([moved, *closing])


async def _last_event(database: Database, head: dict[str, Any]) -> tuple[int, bytes | None]:
    """Return number and hash of the last event that continues the chain."""
    number, last = head["number"], head.get("hash")
    rows = await database.query(
        "SELECT * FROM raw_event WHERE number >= $first", {"first": number + 1}
    )
    for row in sorted(rows, key=lambda each: each["number"]):
        values = {**row, "id": row["id"].id}
        if row["number"] != number + 1 or event_hash(values, last or GENESIS) != row["hash"]:
            break  # no torn write: the check of the chain will tell
        number, last = row["number"], row["hash"]
    return number, last


def _closing(row: dict[str, Any], rev: int) -> Statement:
    """Return what closes the fragment in whose place another one came."""
    return Statement(
        text="UPDATE $old SET valid_to = $at, replaced_by = $new, rev = $rev "
        "WHERE valid_to IS NONE RETURN NONE",
        variables={
            "old": RecordID("fragment", row["replaces_id"]),
            "at": row["valid_from"],
            "new": row["id"].id,
            "rev": rev,
        },
    )
