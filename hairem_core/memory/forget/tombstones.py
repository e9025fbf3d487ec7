"""What is left of what was forgotten: fingerprints, by which an import knows it again."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import batched
from typing import Any
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.database import Database
from hairem_core.memory.statement import Statement

_BYTES = 16
_AT_ONCE = 1_000
_PUT = "FOR $row IN $rows { UPSERT $row.id CONTENT $row RETURN NONE }"

type Key = UUID | tuple[Any, ...]
"""The id of a record of one of the store's tables."""


class Tombstones:
    """Fingerprints of the fragments, entities, relations and agents' values that were forgotten.

    Only an import asks: what is said anew is remembered as ever, under the same keys too.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, table: str, keys: Iterable[Key]) -> list[Statement]:
        """Return statements that leave fingerprints of what goes from a table.

        They belong into the commit that erases it, and can be carried out again. Raises
        MemoryUnavailable.
        """
        rows = [{"id": each} for each in await self._records(table, list(keys))]
        return [Statement(text=_PUT, variables={"rows": rows})] if rows else []

    async def of[K: Key](self, table: str, keys: Iterable[K]) -> set[K]:
        """Return which of the keys were forgotten. Raises MemoryUnavailable."""
        wanted, gone = list(set(keys)), set[K]()
        for some in batched(wanted, _AT_ONCE, strict=False):
            records = await self._records(table, some)
            found = await self._database.query("SELECT VALUE id FROM $ids", {"ids": records})
            # Engine 3 answers None for what is not there.
            there = {each.id for each in found if each is not None}
            gone |= {key for key, record in zip(some, records, strict=True) if record.id in there}
        return gone

    async def _records(self, table: str, keys: Sequence[Key]) -> list[RecordID]:
        if not keys:
            return []
        head = await self._database.query("SELECT * FROM ONLY head:current")
        secret = bytes(head["secret"])
        return [RecordID("tombstone", _fingerprint(secret, table, each)) for each in keys]


def _fingerprint(secret: bytes, table: str, key: Key) -> str:
    # Nobody can read a name off it. But who has the whole store, and with it the secret, can try
    # names that they guess: entities and agents' values have keys that can be guessed.
    parts = key if isinstance(key, tuple) else (key,)
    text = json.dumps([table, *map(str, parts)])
    return hashlib.blake2b(text.encode(), digest_size=_BYTES, key=secret).hexdigest()
