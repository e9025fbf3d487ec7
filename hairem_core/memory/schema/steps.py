"""The steps of the schema: the numbered files, and what Python does right before some of them."""

import importlib.resources
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hairem_core.memory.schema.numbering import number_events

if TYPE_CHECKING:
    from hairem_core.memory.database import Database

_FILE = re.compile(r"(?P<number>\d{4})_\w+\.surql")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the schema."""

    number: int
    name: str
    text: str
    prepare: Callable[[Database], Awaitable[None]] | None = None
    """Done before `text`, and again if the process died in between: it goes on where it was."""


_PREPARED_BY: Mapping[int, Callable[[Database], Awaitable[None]]] = {3: number_events}


def schema_steps() -> list[Step]:
    """Return the schema's steps, in order."""
    folder = importlib.resources.files("hairem_core.memory.schema")
    found = []
    for entry in folder.iterdir():
        if match := _FILE.fullmatch(entry.name):
            number = int(match["number"])
            text = entry.read_text(encoding="utf-8")
            prepare = _PREPARED_BY.get(number)
            found.append(Step(number=number, name=entry.name, text=text, prepare=prepare))
    return sorted(found, key=lambda each: each.number)
