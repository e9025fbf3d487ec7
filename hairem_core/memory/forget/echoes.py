"""What agents said that tells what goes: an answer that quotes it may have come much later."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

from hairem_core.memory.chain import ERASED
from hairem_core.memory.database import Database
from hairem_core.memory.forget.matcher import Matcher, strings_of
from hairem_core.memory.language import words_of
from hairem_core.memory.paging import numbered

_DATE = re.compile(r"\b\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d)?")
"""Agents say when something was said: these figures are their own."""


async def echoes(
    database: Database, matcher: Matcher, *, number: int, going: Collection[UUID]
) -> set[UUID]:
    """Return which of the events up to `number` are words of agents' that tell of what goes.

    They name the person that goes, or say a word that people have said in what goes alone. What
    agents said in words of their own is not known for it. Raises MemoryUnavailable.
    """
    told: set[str] = set()
    staying: set[str] = set()
    async for rows in numbered(database, "raw_event", "number", range(1, number + 1)):
        for row in filter(_has_words, rows):
            if not _is_agents(row):
                said = told if row["id"].id in going else staying
                said.update(*map(words_of, _texts_of(row)))
    told -= staying
    found: set[UUID] = set()
    async for rows in numbered(database, "raw_event", "number", range(1, number + 1)):
        for row in filter(_has_words, rows):
            if row["id"].id in going or not _is_agents(row) or not matcher.admits_agents(row):
                continue
            words = _DATE.sub(" ", "\n".join(_texts_of(row)))
            if matcher.names_person(words) or not told.isdisjoint(words_of(words)):
                found.add(row["id"].id)
    return found


def _has_words(row: Mapping[str, Any]) -> bool:
    return row.get("erased_by") is None and row["topic"] != ERASED


def _is_agents(row: Mapping[str, Any]) -> bool:
    return str(row.get("sender")).startswith("agent:")


def _texts_of(row: Mapping[str, Any]) -> Iterator[str]:
    yield row.get("content") or ""
    if data := row.get("data"):
        yield strings_of(data)
