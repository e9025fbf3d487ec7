"""What changed in the store: what the recall index does not have yet, and what it reads anew."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from hairem_core.memory.database import Database
from hairem_core.memory.fragment import Fragment

_PAGE = 1_000


@dataclass(kw_only=True)
class Pending:
    """What the text index does not have yet."""

    put: dict[int, Fragment] = field(default_factory=dict)
    neighbours: set[int] = field(default_factory=set)
    """Numbers of fragments around which something changed."""
    remove: set[int] = field(default_factory=set)
    rev: int = 0

    def __bool__(self) -> bool:
        return bool(self.put or self.neighbours or self.remove)

    def follow(self, earlier: Pending) -> None:
        """Take over what was to be done before this, and was not."""
        kept = {seq: each for seq, each in earlier.put.items() if seq not in self.remove}
        self.put = kept | self.put
        self.neighbours |= earlier.neighbours - self.remove
        self.remove |= earlier.remove


async def pages(
    database: Database, table: str, field: str, after: int
) -> AsyncGenerator[list[dict[str, Any]]]:
    """Yield the rows of a table whose indexed `field` is beyond a number, in its order."""
    last: int = after
    seen: set[Any] = set()
    while True:
        rows = await database.query(
            f"SELECT * FROM {table} WHERE {field} >= $after "  # noqa: S608
            f"ORDER BY {field} LIMIT $page",
            {"after": last if seen else last + 1, "page": _PAGE + len(seen)},
        )
        fresh = [row for row in rows if str(row["id"]) not in seen]
        if not fresh:
            return
        yield fresh
        newest = fresh[-1][field]
        kept = {str(row["id"]) for row in fresh if row[field] == newest}
        seen = kept | (seen if newest == last else set())
        last = newest
