"""A question and the fact that answers it often have no word in common."""

from datetime import UTC, datetime

import pytest

from hairem_core.memory.interpret.extracted import Said
from hairem_core.memory.interpret.facts import extract
from hairem_core.memory.interpret.slots import words_of_slot
from hairem_core.memory.store import MemoryStore
from tests.memory.learning import learn
from tests.memory.messages import said

_TOLD = (
    "I moved to Lyon last month",
    "I'm vegetarian",
    "My favourite colour is green",
    "I got a new job at Nestlé",
    "The rain drips on the old roof",
    "Le train de huit heures était en retard",
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where do I live?", "Lyon"),
        ("Où est-ce que j'habite ?", "Lyon"),
        ("Do I eat meat?", "vegetarian"),
        ("Quelle est ma couleur préférée ?", "green"),
        ("Pour quelle entreprise est-ce que je travaille ?", "Nestlé"),
    ],
)
async def test_a_fact_is_found_by_what_it_tells(
    store: MemoryStore, question: str, answer: str
) -> None:
    for number, words in enumerate(_TOLD):
        await store.record(said(words, conversation_id=f"c{number}"))
    await learn(store)
    found = await store.recall("renarde", question, limit=3, asker="user:anna")
    assert found, "nothing came"
    assert answer in found[0].content


def test_other_words_of_a_slot_are_those_of_both_languages() -> None:
    assert {"colour", "couleur", "color"} <= set(words_of_slot("favourite colour").split())
    assert words_of_slot("shelf of the barn") == "shelf of the barn"


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        ("Le cadenas rond est dans la remise.", "thing:cadenas rond"),
        ("The trowel is now in the cellar", "thing:trowel"),
        ("I moved the copper kettle to the attic", "thing:copper kettle"),
        ("The meeting is in the garage", None),
        ("The cat is in the box", None),
        ("Les enfants sont dans la voiture", None),
        ("The answer is in the book", None),
        ("There is water in the cellar", None),
    ],
)
def test_what_is_put_away_is_known_by_where(words: str, subject: str | None) -> None:
    said_now = Said(text=words, speaker="user:anna", at=datetime(2026, 5, 1, tzinfo=UTC))
    found = [(each.subject, each.slot) for each in extract(said_now)]
    assert found == ([(subject, "location")] if subject else [])
