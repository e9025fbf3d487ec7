"""Reading a table a page at a time, however much there is in it."""

from collections.abc import AsyncGenerator
from typing import Any

from hairem_core.memory.database import Database

PAGE = 500
"""Rows read at once. No more: the embedded engine loses the 501st of a range over a unique index.

Of numbers, give the first and the last one: engine 3 finds nothing of `> 7 AND <= 8`.
"""


async def pages(database: Database, table: str) -> AsyncGenerator[list[dict[str, Any]]]:
    """Yield the rows of a table whose ids are lists, in the order of these; no page is empty.

    What is written or deleted meanwhile disturbs nothing else. Raises MemoryUnavailable.
    """
    rows = await database.query(f"SELECT * FROM {table} LIMIT {PAGE}")  # noqa: S608
    while rows:
        yield rows
        last = {f"part_{place}": part for place, part in enumerate(rows[-1]["id"].id)}
        after = ", ".join(f"${name}" for name in last)
        rows = await database.query(
            f"SELECT * FROM {table}:[{after}]>.. LIMIT {PAGE}",  # noqa: S608
            last,
        )


async def numbered(
    database: Database,
    table: str,
    column: str,
    numbers: range,
    *,
    select: str = "*",
    at_once: int = PAGE,
) -> AsyncGenerator[list[Any]]:
    """Yield the rows whose number in `column` is one of `numbers`, which has no steps.

    `at_once` is how many numbers one page is of. Raises MemoryUnavailable.
    """
    for first in range(numbers.start, numbers.stop, at_once):
        yield await database.query(
            f"SELECT {select} FROM {table} WHERE {column} >= $first AND {column} <= $last",  # noqa: S608
            {"first": first, "last": min(first + at_once, numbers.stop) - 1},
        )
