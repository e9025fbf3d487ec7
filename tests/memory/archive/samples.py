"""Fragments to archive."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import numpy as np

from hairem_core.memory.archive.store import Item
from hairem_core.memory.fragment import Embedding, Fragment

RENARDE = UUID("11111111-1111-5111-8111-111111111111")
MARCEL = UUID("22222222-2222-5222-8222-222222222222")
BEGIN = datetime(2026, 11, 1, 8, 0, 0, 123456, tzinfo=UTC)
MODEL = "scripted/small"


def some_id(name: object) -> UUID:
    return uuid5(RENARDE, str(name))


def fragment(number: int, content: str | None = None, **values: Any) -> Fragment:
    """Return the episode of that number, a minute after the one before."""
    at = BEGIN + timedelta(minutes=number)
    made = Fragment(
        id=some_id(number),
        agent=RENARDE,
        kind="episode",
        content=content if content is not None else f"the drawer number {number} holds a spoon",
        at=at,
        speaker="person:ada",
        last_used=at,
        valid_from=at,
        derived_from=(some_id(f"event {number}"),),
        seq=number + 1,
        rev=number + 1,
    )
    return replace(made, **values)


def whole() -> Fragment:
    """Return a fragment all of whose fields differ from what they would be by themselves."""
    return Fragment(
        id=some_id("whole"),
        agent=MARCEL,
        kind="fact",
        content="Zoé préfère le thé 🫖 au café — « toujours » 𓂀 \\ ' \" % _ \n\t Ω",
        at=BEGIN,
        visibility="shared",
        speaker="person:zoe",
        speaker_name="Zoé 👩‍🚀",
        language="fr",
        conversation_id="kitchen-1",
        subject="zoé",
        slot="boisson préférée",
        about=("zoé", 'the "blue" cup', "☕"),
        importance=0.1,
        confidence=0.7000000000000001,
        pinned=True,
        uses=7,
        last_used=BEGIN + timedelta(days=3, microseconds=1),
        valid_from=BEGIN - timedelta(days=1),
        valid_to=BEGIN + timedelta(days=9999, microseconds=999),
        replaces_id=some_id("older"),
        replaced_by=some_id("newer"),
        derived_from=(some_id("e1"), some_id("e2")),
        sources=(some_id("s1"), some_id("s2")),
        seq=2**40,
        rev=2**41,
    )


def vector(*values: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return a vector of length 1."""
    array = np.array(values, np.float32)
    return array / np.linalg.norm(array)


def embedding(of: Fragment, *values: float, model: str = MODEL) -> Embedding:
    return Embedding(fragment_id=of.id, model=model, vector=vector(*values).astype("<f2").tobytes())


def item(of: Fragment, *values: float) -> Item:
    return of, embedding(of, *values) if values else None
