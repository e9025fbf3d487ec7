"""Which archived fragments are meant, as SQL and as a check in Python."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from hairem_core.memory.archive.tables import FRAGMENT, valid_from_of
from hairem_core.memory.fragment import Fragment, Kind
from hairem_core.memory.interpret.text import folded
from hairem_core.memory.scope import Scope

type Condition = sa.ColumnElement[bool]

_MOST_KEYS = 10_000
"""Of entities, in one statement, twice each: SQLite takes some 32,000 values in one."""


class _Elements(FunctionElement[str]):
    """The elements of a list of JSON, as the column `value` of a table's rows.

    Each row's few are looked up among the keys that are wanted, however many those are: one
    comparison for each key is more than SQLite takes (1,000), and slow.
    """

    inherit_cache = True


@compiles(_Elements, "sqlite")
def _in_sqlite(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Elements, "mysql")
def _in_mariadb(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    of = compiler.process(element.clauses, **options)
    return f"JSON_TABLE({of}, '$[*]' COLUMNS (value LONGTEXT PATH '$'))"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Fragments for which everything holds that is given. Nothing given: all."""

    agents: Collection[UUID] | None = None
    """It is of one of these."""
    kinds: Collection[Kind] | None = None
    subject: str | None = None
    """Key of the entity of which it says something."""
    about: Collection[str] | None = None
    """Keys of entities; it says something of one of them, or names one."""
    speaker: str | None = None
    """Address of who said it."""
    since: datetime | None = None
    """Said then or later."""
    until: datetime | None = None
    """Said then or before."""
    text: str | None = None
    """What is written in it, in capitals or not, with accents or without."""
    origins: Collection[UUID] | None = None
    """It was made of one of these: events (`derived_from`) or fragments (`sources`)."""
    with_replaced: bool = True
    """Also what does not hold any more."""
    as_of: datetime | None = None
    """What was held then, whether or not it holds now; `with_replaced` does not count."""

    @cached_property
    def _keys(self) -> frozenset[str] | None:
        return None if self.about is None else frozenset(self.about)

    def condition(self) -> Condition:
        """Return the same as SQL, or more than that: what SQL cannot tell, `admits` does."""
        columns = FRAGMENT.c
        conditions: list[Condition] = [sa.true()]
        if self.agents is not None:
            conditions.append(columns.agent.in_(self.agents))
        if self.kinds is not None:
            conditions.append(columns.kind.in_(self.kinds))
        if self.subject is not None:
            conditions.append(columns.subject == self.subject)
        if self._keys is not None and len(self._keys) <= _MOST_KEYS:
            named = _Elements(columns.about).table_valued("value", name="named")
            names_one = sa.exists().select_from(named).where(named.c.value.in_(self._keys))
            conditions.append(sa.or_(columns.subject.in_(self._keys), names_one))
        if self.speaker is not None:
            conditions.append(columns.speaker == self.speaker)
        if self.since is not None:
            conditions.append(columns.at >= self.since)
        if self.until is not None:
            conditions.append(columns.at <= self.until)
        if self.as_of is not None:
            ended_later = columns.valid_to > self.as_of
            conditions.append(sa.or_(columns.valid_to.is_(None), ended_later))
        elif not self.with_replaced:
            conditions.append(columns.valid_to.is_(None))
        return sa.and_(*conditions)

    def admits(self, fragment: Fragment) -> bool:
        """Return whether a fragment is meant that fulfils `condition`."""
        if self._keys is not None and self._keys.isdisjoint({fragment.subject, *fragment.about}):
            return False
        if self.as_of is not None and not fragment.held_at(self.as_of):
            return False
        if self.text is not None and folded(self.text) not in folded(fragment.content):
            return False
        made_of = {*fragment.derived_from, *fragment.sources}
        return self.origins is None or not made_of.isdisjoint(self.origins)

    def columns(self) -> list[sa.ColumnElement[Any]]:
        """Return what `admits_row` reads."""
        needed: list[sa.ColumnElement[Any]] = [FRAGMENT.c.subject, FRAGMENT.c.about]
        return needed if self.as_of is None else [*needed, FRAGMENT.c.rest]

    def admits_row(self, row: Any) -> bool:
        """Return the same as `admits`, for a row with `columns`; `text` and `origins` aside."""
        if self._keys is not None and self._keys.isdisjoint(_about_of(row)):
            return False
        return self.as_of is None or valid_from_of(row) <= self.as_of


def visible(scope: Scope) -> Condition:
    """Return a scope as a condition of SQL; `Scope.admits` is asked of every row as well."""
    if scope.owners is None:
        return sa.true()
    mine = FRAGMENT.c.agent.in_(scope.owners)
    return sa.or_(mine, FRAGMENT.c.visibility == "shared") if scope.with_shared else mine


def after(fragment: Fragment) -> Condition:
    """Return what comes after a fragment, by time and id."""
    at, key = FRAGMENT.c.at, FRAGMENT.c.id
    return sa.or_(at > fragment.at, sa.and_(at == fragment.at, key > fragment.id))


def _about_of(row: Any) -> set[str | None]:
    """Return the keys in the columns `about` and `subject` of a row."""
    return {row.subject, *json.loads(row.about)}
