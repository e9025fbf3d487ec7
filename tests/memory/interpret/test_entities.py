"""Keys by which the same one is met again, and names in a sentence."""

import pytest

from hairem_core.memory.interpret.entities import entities_of, entity_key
from hairem_core.memory.interpret.slots import canonical, value_of


def test_one_key_for_one_name() -> None:
    assert entity_key("Gaspard") == entity_key(" gaspard ") == entity_key("GASPARD.")
    assert entity_key("Zoé") == entity_key("ZOE") == "name:zoe"
    assert entity_key("the spare key", "thing") == entity_key("Spare  key", "thing")
    assert entity_key("sister", owner="user:anna") != entity_key("sister", owner="user:tom")
    assert entity_key("Anna") != entity_key("anna", "thing")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("My sister Julie lives in Paris", {"Julie": "person", "Paris": "place"}),
        ("Gaspard's bike is blue", {"Gaspard": "person"}),
        ("I met Marie Curie at the Louvre", {"Marie Curie": "person", "Louvre": "place"}),
        ("Le vélo d'Anna est chez Paul", {"Anna": "person", "Paul": "person"}),
        ("Ma sœur habite à Genève avec Léo", {"Genève": "place", "Léo": "person"}),
        ("Yesterday was Monday", {}),
        ("The weather is nice. Turn on the TV", {}),
        ("Il fait beau. Demain aussi.", {}),
        ("Anna lives here", {"Anna": "person"}),
        ("Bonjour, je m'appelle Zoé", {"Zoé": "person"}),
    ],
)
def test_names_in_a_sentence(text: str, names: dict[str, str]) -> None:
    assert {each.name: each.kind for each in entities_of(text)} == names


def test_a_list_of_names_has_an_end() -> None:
    assert len(entities_of("with " + ", ".join(f"Name{chr(97 + n)}" for n in range(26)))) == 12


@pytest.mark.parametrize(
    "words",
    [
        ("colour", "color", "couleur", "the colour", "la couleur"),
        ("phone number", "numéro de téléphone", "mobile number", "Phone"),
        ("spare key", "clé de secours", "the spare keys", "le double des clés"),
        ("wifi", "Wi-Fi", "le wi-fi", "internet"),
        ("cellar key", "la clé de la cave", "key to the cellar"),
        ("sister", "sœur", "soeur", "petite sœur", "little sister"),
    ],
)
def test_one_name_for_one_thing(words: tuple[str, ...]) -> None:
    assert {canonical(each) for each in words} == {words[0]}


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("blue", "le bleu", "Bleue", "blue now", "the blue"), "blue"),
        (("dark green",), "dark green"),
        (("Lyon", "lyon.", " Lyon now", "Lyon maintenant"), "lyon"),
        (("on May 3rd", "May 3rd"), "may 3rd"),
    ],
)
def test_one_form_for_one_value(words: tuple[str, ...], value: str) -> None:
    assert {value_of(each) for each in words} == {value}
