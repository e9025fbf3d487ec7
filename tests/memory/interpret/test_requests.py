"""What memory is asked to keep, and what it is asked to forget."""

import pytest

from hairem_core.memory.interpret.facts import REMEMBERED
from hairem_core.memory.interpret.requests import stated
from tests.memory.interpret.samples import facts


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("Remember that the boiler was serviced in May", "the boiler was serviced in May"),
        ("Please remember: bin bags are in the cellar", "bin bags are in the cellar"),
        ("Don't forget that Léo sleeps here on Monday", "Léo sleeps here on Monday"),
        ("Souviens-toi que le chauffagiste passe en mai", "le chauffagiste passe en mai"),
        ("N'oublie pas que Léo dort chez nous mardi", "Léo dort chez nous mardi"),
        ("Rappelle-toi que la chaudière est neuve", "la chaudière est neuve"),
        ("Remember that my favourite colour is blue", "my favourite colour is blue"),
    ],
)
def test_what_is_asked_to_be_remembered(text: str, content: str) -> None:
    (fact,) = facts(text, None)
    assert (fact.content, fact.importance) == (content, REMEMBERED)


TO_FORGET = [
    "Forget that I hate coriander.",
    "Please forget that my cat is called Félix.",
    "Renarde, can you forget that I live in Lyon?",
    "Forget that I hate coriander and my sister is called Julie",
    "Forget my card code, please.",
    "Forget about my card code",
    "Oublie que mon code de carte est 4711.",
    "Oublie mon code de carte",
    "Tu peux oublier que j'habite à Lyon",
    "S'il te plaît, oublie que je déteste la coriandre",
    "Oublie que j'habite à Lyon, ma sœur s'appelle Julie.",
]


@pytest.mark.parametrize("text", TO_FORGET)
def test_a_request_to_forget_states_nothing(text: str) -> None:
    assert stated(text) == ""
    assert facts(text, None) == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Forget that I hate coriander. I live in Bern.", "I live in Bern."),
        ("Oublie mon code. J'habite à Berne.", "J'habite à Berne."),
        ("Forget Friday, the dentist is on Monday", "the dentist is on Monday"),
        ("Oublie vendredi, le dentiste est lundi", "le dentiste est lundi"),
    ],
)
def test_what_is_stated_beside_a_request_to_forget_counts(text: str, left: str) -> None:
    assert stated(text) == left
    assert facts(text, None)


@pytest.mark.parametrize(
    "text",
    [
        "Don't forget that I hate coriander",
        "Do not forget that I hate coriander",
        "Please don't forget that I hate coriander",
        "N'oublie pas que je déteste la coriandre",
        "Oublie pas que je déteste la coriandre",
        "N'oubliez jamais que je déteste la coriandre",
    ],
)
def test_what_is_not_to_be_forgotten_is_stated(text: str) -> None:
    assert stated(text) == text
    (fact,) = facts(text, None)
    assert (fact.value, fact.importance) == ("dislikes", REMEMBERED)
