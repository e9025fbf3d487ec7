"""Before step 3: events that were written before there was a chain get their places in it."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from hairem_core.memory.chain import GENESIS, seal

if TYPE_CHECKING:
    from hairem_core.memory.database import Database

_PAGE = 500
_SEALED = ("number", "salt", "body_hash", "hash")


async def number_events(database: Database) -> None:
    """Number and hash the events that have no number, in the order of their ids.

    Goes on where it was if the process died: each page is one transaction, with the head.
    """
    from hairem_core.memory.statement import Statement

    head = await database.query("SELECT * FROM ONLY head:current")
    number, previous = head["number"], head.get("hash") or GENESIS
    after: UUID | None = None
    while rows := await _page(database, after):
        after = rows[-1]["id"].id
        sealed = []
        for row in rows:
            if row.get("number") is not None:
                continue
            number += 1
            values = {**row, "id": row["id"].id}
            chained = seal(values, number, previous)
            previous = chained["hash"]
            sealed.append({"id": row["id"], **{key: chained[key] for key in _SEALED}})
        if sealed:
            await database.transact(
                [
                    Statement(
                        text="FOR $row IN $rows { UPDATE $row.id SET number = $row.number, "
                        "salt = $row.salt, body_hash = $row.body_hash, hash = $row.hash "
                        "RETURN NONE; }",
                        variables={"rows": sealed},
                    ),
                    Statement(
                        text="UPDATE head:current SET number = $number, hash = $hash RETURN NONE",
                        variables={"number": number, "hash": previous},
                    ),
                ]
            )


async def _page(database: Database, after: UUID | None) -> list[dict[str, Any]]:
    scope = f":u'{after}'>.." if after else ""
    rows: list[dict[str, Any]] = await database.query(
        f"SELECT * FROM raw_event{scope} LIMIT {_PAGE}"  # noqa: S608  a UUID and a number
    )
    return rows
