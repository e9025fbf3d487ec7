"""What a sentence takes back, and what it puts in the place of what was said before."""

import pytest

from tests.memory.interpret.samples import facts, last_told, told


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("I no longer have a cat", "en", ("@", "pet:cat", "cat")),
        ("Je n'ai plus de chat", "fr", ("@", "pet:cat", "cat")),
        ("We don't have a dog any more", "en", ("@", "pet:dog", "dog")),
        ("I no longer live in Lyon", "en", ("@", "lives_in", "lyon")),
        ("Je n'habite plus à Lyon", "fr", ("@", "lives_in", "lyon")),
        ("I'm no longer vegetarian", "en", ("@", "diet", "vegetarian")),
        ("Paul is no longer my boyfriend", "en", ("@", "partner", "paul")),
        ("Paul n'est plus mon copain", "fr", ("@", "partner", "paul")),
        ("I'm no longer a nurse", "en", ("@", "job", "nurse")),
        ("Je ne suis plus infirmière", "fr", ("@", "job", "infirmiere")),
        ("I don't live in Nice", "en", ("@", "lives_in", "nice")),
        ("Je n'habite pas à Nice", "fr", ("@", "lives_in", "nice")),
        ("Zoé doesn't live in Nice", "en", ("name:zoe", "lives_in", "nice")),
        ("I don't work at Bosch", "en", ("@", "works_at", "bosch")),
        ("Je ne travaille pas chez Bosch", "fr", ("@", "works_at", "bosch")),
        ("I am not allergic to nuts", "en", ("@", "allergy:nuts", "nuts")),
        ("Je ne suis pas allergique aux noix", "fr", ("@", "allergy:noix", "noix")),
        ("My favourite colour is not blue", "en", ("@", "favourite colour", "blue")),
        ("The wifi password isn't rose", "en", ("thing:wifi", "password", "rose")),
        ("Le mot de passe du wifi n'est pas rose", "fr", ("thing:wifi", "password", "rose")),
        ("La clé n'est pas dans le tiroir", "fr", ("thing:key", "location", "dans le tiroir")),
    ],
)
def test_what_holds_no_more(text: str, language: str, expected: tuple[str, str, str]) -> None:
    (fact,) = facts(text, language)
    assert fact.retracts
    assert told(text, language) == [expected]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("My favourite colour isn't blue, it's green", "en"),
        ("My favourite colour is not blue. It's green.", "en"),
        ("Ma couleur préférée n'est pas le bleu, c'est le vert", "fr"),
    ],
)
def test_what_it_is_instead(text: str, language: str) -> None:
    assert told(text, language) == [("@", "favourite colour", "green")]


@pytest.mark.parametrize(
    ("before", "correction", "content"),
    [
        ("My favourite colour is blue", "no, it's green now", "My favourite colour is green"),
        ("My favourite colour is blue", "Actually it's dark green", None),
        ("My favourite colour is blue", "No, green", "My favourite colour is green"),
        ("My favourite colour is blue", "sorry, I meant red", "My favourite colour is red"),
        ("The garage code is 1234", "It changed to 4321", "The garage code is 4321"),
        ("The garage code is 1234", "No it's 4321 now", "The garage code is 4321"),
        ("I live in Lyon", "sorry, I mean Paris", "I live in Paris"),
        (
            "The spare key is under the mat",
            "actually it's behind the flowerpot now",
            "The spare key is behind the flowerpot",
        ),
        (
            "Ma couleur préférée est le bleu",
            "non, c'est le vert",
            "Ma couleur préférée est le vert",
        ),
        ("Le code du garage est 1234", "en fait c'est 9999", "Le code du garage est 9999"),
        ("Le code du garage est 1234", "Ce n'est plus 1234, c'est 9999", None),
        (
            "La clé de secours est sous le pot",
            "Elle est maintenant dans le tiroir",
            "La clé de secours est dans le tiroir",
        ),
    ],
)
def test_corrections(before: str, correction: str, content: str | None) -> None:
    antecedent = last_told(before, "fr" if "est" in before else "en")
    (fact,) = facts(correction, None, antecedent=antecedent)
    assert (fact.subject, fact.slot) == (antecedent.subject, antecedent.slot)
    if content is not None:
        assert fact.content == content
    assert facts(correction, None) == []  # it says nothing by itself


@pytest.mark.parametrize(
    "remark",
    [
        "no, it's raining now",
        "it's late now",
        "actually it's Tuesday",
        "no, it's in the kitchen now",
        "it's green",
        "No, that's wrong",
        "non, c'est bon maintenant",
        "en fait c'est 42",
    ],
)
def test_no_correction(remark: str) -> None:
    antecedent = last_told("My favourite colour is blue")
    assert facts(remark, None, antecedent=antecedent) == []
