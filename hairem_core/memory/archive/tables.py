"""The archive's tables, as they are after all migrations, and fragments as their rows.

The names begin with `hairem_`: a house may keep other things in the same MariaDB database.
"""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from hairem_core.memory.fragment import Embedding, Fragment
from hairem_core.memory.language import words_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(sa.types.TypeDecorator[datetime]):
    """A moment, as microseconds since 1970 in UTC: exact, and the same in every engine."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Return it as the database keeps it."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        """Return it as it was."""
        return None if value is None else _EPOCH + value * _MICROSECOND


ID = sa.Uuid(native_uuid=False)
TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")
BYTES = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql")

_METADATA = sa.MetaData()

FRAGMENT = sa.Table(
    "hairem_fragment",
    _METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("agent", ID, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("visibility", sa.String(16), nullable=False),
    sa.Column("content", TEXT, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("valid_to", Moment),
    sa.Column("subject", TEXT),
    sa.Column("speaker", TEXT),
    # Keys of entities, as a JSON list.
    sa.Column("about", TEXT, nullable=False),
    # What `words_of` makes of the content, between spaces. Another `words_of` needs a migration.
    sa.Column("words", TEXT, nullable=False),
    # All other fields, as a JSON object.
    sa.Column("rest", TEXT, nullable=False),
    sa.Index("hairem_fragment_at", "at", "id"),
    sa.Index("hairem_fragment_agent", "agent", "at", "id"),
)
VECTOR = sa.Table(
    "hairem_vector",
    _METADATA,
    sa.Column("fragment_id", ID, primary_key=True),
    sa.Column("model", TEXT, nullable=False),
    sa.Column("vector", BYTES, nullable=False),
)
ANCHOR = sa.Table(
    "hairem_anchor",
    _METADATA,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column(
        "hash", sa.LargeBinary(64).with_variant(mysql.VARBINARY(64), "mysql"), nullable=False
    ),
    sa.Column("at", Moment, nullable=False),
)
STATE = sa.Table(
    "hairem_state",
    _METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", TEXT, nullable=False),
)

_COLUMNS = ("id", "agent", "kind", "visibility", "content", "at", "valid_to", "subject", "speaker")
_REST = tuple(each.name for each in fields(Fragment) if each.name not in (*_COLUMNS, "about"))
_MOMENTS = ("last_used", "valid_from")
_IDS = ("replaces_id", "replaced_by")
_LISTS_OF_IDS = ("derived_from", "sources")


def row_of(fragment: Fragment) -> dict[str, Any]:
    """Return a fragment as a row of `FRAGMENT`."""
    rest = {name: getattr(fragment, name) for name in _REST}
    return {
        **{name: getattr(fragment, name) for name in _COLUMNS},
        "about": json.dumps(fragment.about, ensure_ascii=False),
        "words": f" {' '.join(sorted(words_of(fragment.content)))} ",
        "rest": json.dumps(rest, ensure_ascii=False, allow_nan=False, default=_plain),
    }


def fragment_of(row: sa.RowMapping) -> Fragment:
    """Return a row of `FRAGMENT` as the fragment it was made of."""
    kept = json.loads(row["rest"])
    rest = {name: kept[name] for name in _REST if name in kept}
    rest |= {name: datetime.fromisoformat(rest[name]) for name in _MOMENTS}
    rest |= {name: UUID(rest[name]) for name in _IDS if rest.get(name) is not None}
    rest |= {name: tuple(map(UUID, rest[name])) for name in _LISTS_OF_IDS}
    about = tuple(json.loads(row["about"]))
    return Fragment(**{name: row[name] for name in _COLUMNS}, about=about, **rest)


def valid_from_of(row: Any) -> datetime:
    """Return since when a fragment holds, given the column `rest` of its row."""
    return datetime.fromisoformat(json.loads(row.rest)["valid_from"])


def embedding_of(row: sa.RowMapping) -> Embedding | None:
    """Return the embedding in a row of `FRAGMENT` and `VECTOR` joined, if there is one."""
    if row["vector"] is None:
        return None
    return Embedding(fragment_id=row["id"], model=row["model"], vector=bytes(row["vector"]))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value)
