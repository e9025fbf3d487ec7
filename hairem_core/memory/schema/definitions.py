"""What a store's tables are defined to be, and bringing the definitions of one into another."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hairem_core.memory.database import Database

_SHARED = ("analyzers", "functions", "params")
"""What belongs to no table."""


class Definitions:
    """The statements that define a store, by what they define."""

    def __init__(
        self, database: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Take what the engine says of the database, and of each of its tables."""
        self.shared = {
            (kind, name): text for kind in _SHARED for name, text in database.get(kind, {}).items()
        }
        self.tables: dict[str, str] = dict(database["tables"])
        self._about = tables

    @classmethod
    async def of(cls, database: Database) -> Definitions:
        """Read them. Raises MemoryUnavailable."""
        about = await database.query("INFO FOR DB")
        tables = {each: await database.query(f"INFO FOR TABLE {each}") for each in about["tables"]}
        return cls(about, tables)

    def fields(self, table: str) -> dict[str, str]:
        """Return those of a table, but for what is in arrays: it is defined with the array."""
        fields: dict[str, str] = self._about[table]["fields"]
        return {name: text for name, text in fields.items() if "[" not in name}

    def indexes(self, table: str) -> dict[str, str]:
        """Return those of a table."""
        return dict(self._about[table]["indexes"])

    def events(self, table: str) -> dict[str, str]:
        """Return those of a table: what makes it append-only, for one."""
        return dict(self._about[table]["events"])

    def missing_in(self, other: Definitions) -> list[str]:
        """Return the statements for what `other` lacks: events last, which guard the rows."""
        missing = [text for key, text in self.shared.items() if key not in other.shared]
        missing += [text for table, text in self.tables.items() if table not in other.tables]
        for kind in (Definitions.fields, Definitions.indexes, Definitions.events):
            for table in self.tables:
                there = kind(other, table) if table in other.tables else {}
                missing += [each for name, each in kind(self, table).items() if name not in there]
        return missing


async def define(database: Database, statements: Mapping[Any, str] | list[str]) -> None:
    """Carry out statements that define, over what is there of that name."""
    texts = statements.values() if isinstance(statements, Mapping) else statements
    for each in texts:
        await database.query(
            re.sub(r"^DEFINE (\w+) (?!IF NOT|OVERWRITE)", r"DEFINE \1 OVERWRITE ", each)
        )
