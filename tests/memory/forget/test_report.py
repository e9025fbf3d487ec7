"""What forgetting says: one of a thing is one."""

from datetime import UTC, datetime
from uuid import uuid7

import pytest

from hairem_core.memory.forget.report import Language, Plan, Receipt

_PLACES = (
    *("events", "fragments", "archived", "entities"),
    *("relations", "states", "digests", "messages"),
)


@pytest.mark.parametrize(
    ("language", "count", "told"),
    [
        (
            "en",
            1,
            (
                "To be erased: 1 event, 1 fragment, 1 archived fragment, 1 entity, 1 relation, "
                "1 value that an agent kept, 1 digest of a dream, 1 message on the bus.\n"
                "1 event stays: something else rests on it."
            ),
        ),
        (
            "en",
            1_200,
            (
                "To be erased: 1,200 events, 1,200 fragments, 1,200 archived fragments, "
                "1,200 entities, 1,200 relations, 1,200 values that agents kept, "
                "1,200 digests of dreams, 1,200 messages on the bus.\n"
                "1,200 events stay: something else rests on them."
            ),
        ),
        (
            "fr",
            1,
            (
                "Seraient effacés : 1 événement, 1 fragment, 1 fragment archivé, 1 entité, "
                "1 relation, 1 valeur gardée par un agent, 1 compte rendu d'un rêve, "
                "1 message sur le bus.\n"
                "1 événement reste : autre chose repose sur lui."
            ),
        ),
        ("fr", 0, "Il n'y a rien à effacer."),
    ],
)
def test_how_much_would_go(language: Language, count: int, told: str) -> None:
    plan = Plan(counts=dict.fromkeys(_PLACES, count), samples=[], kept_events=count)
    assert plan.words(language) == told


@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_stays_is_told_afterwards_too(language: Language) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    receipt = Receipt(
        id=uuid7(),
        by="user:anna",
        selected_by=["fragment"],
        started_at=at,
        finished_at=at,
        counts={"fragments": 1},
        kept_events=1,
        vacuumed=True,
        not_reached=["backups"],
    )
    told = {"en": "1 event stays", "fr": "1 événement reste"}[language]
    assert told in receipt.words(language)
