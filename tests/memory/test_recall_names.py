"""Whom a question names, however their names are written."""

import unicodedata

import pytest

from hairem_core.memory.recall.whom import Person, impersonal, people_asked_about
from hairem_core.memory.store import MemoryStore
from tests.memory.messages import said

ELODIE = "user:elodie"
SPEAKERS = [
    (ELODIE, "Élodie"),
    ("user:anna", "Anna"),
    ("user:maria", "Anna Maria"),
    ("user:ann", "Ann"),
    ("user:jr", "J. R."),
    ("user:house", ""),
    ("user:odd", "?"),
]
DECOMPOSED = unicodedata.normalize("NFD", "Élodie")


@pytest.mark.parametrize(
    ("question", "people"),
    [
        ("Where does Élodie live?", {ELODIE}),
        ("Where does Elodie live?", {ELODIE}),
        ("where does elodie live", {ELODIE}),
        ("Où habite ÉLODIE ?", {ELODIE}),
        (f"Where does {DECOMPOSED} live?", {ELODIE}),
        ("What is Elodie\u2019s job?", {ELODIE}),
        ("Quel est le métier d\u2019Élodie ?", {ELODIE}),
        ("Where does Anna live?", {"user:anna"}),
        ("Where does Ann live?", {"user:ann"}),
        ("Where does Annabel live?", set()),
        ("Where does Joanna live?", set()),
        ("Where does anna  maria live?", {"user:maria"}),
        ("Where do Anna and Anna Maria live?", {"user:anna", "user:maria"}),
        ("Where do J. R. and Ann live?", {"user:jr", "user:ann"}),
        ("Where do people live?", set()),
    ],
)
def test_who_is_named(question: str, people: set[str]) -> None:
    assert people_asked_about(question, SPEAKERS, None) == {Person(key=each) for each in people}


@pytest.mark.parametrize("name", ["Élodie", "Elodie", DECOMPOSED])
def test_a_name_is_found_however_it_was_given(name: str) -> None:
    for asked in ("Élodie", "Elodie", DECOMPOSED):
        question = f"Where does {asked} live?"
        assert people_asked_about(question, [(ELODIE, name)], None) == {Person(key=ELODIE)}
        assert impersonal(question, [name]) == "Where does I live?"


@pytest.mark.parametrize(
    ("question", "asker"),
    [
        ("Where do I live?", ELODIE),
        ("What\u2019s my job?", ELODIE),
        ("Où est-ce que j'habite ?", ELODIE),
        ("Où est-ce que j\u2019habite ?", ELODIE),
        ("Comment je m\u2019appelle ?", ELODIE),
        ("Où habite-t-il ?", None),
        ("Where is the jar of jam?", None),
    ],
)
def test_whoever_asks_for_theirs_is_asked_about(question: str, asker: str | None) -> None:
    people = {Person(key=asker)} if asker else set()
    assert people_asked_about(question, [], ELODIE) == people


@pytest.mark.parametrize(
    ("question", "key", "relation", "is_name_asked"),
    [
        ("Where does my little brother live?", ELODIE, "brother", False),
        ("Where do our two sons live?", ELODIE, "son", False),
        ("Où habite mon petit frère ?", ELODIE, "brother", False),
        ("Quel âge a ma fille ?", ELODIE, "daughter", False),
        ("Quel est l'anniversaire de ma mère ?", ELODIE, "mother", False),
        ("What is the name of my mother?", ELODIE, "mother", True),
        ("What is the name of my mother's school?", ELODIE, "mother", False),
        ("Quel est le nom de ma mère ?", ELODIE, "mother", True),
        ("Who is Ann's boss?", "user:ann", "boss", True),
        ("Who does Ann's boss trust?", "user:ann", "boss", False),
        ("Qui est la cheffe d\u2019Ann ?", "user:ann", "boss", True),
        ("Où travaille la propriétaire d'Ann ?", "user:ann", "proprietaire", False),
        ("Where do I live with my son?", ELODIE, None, False),
        ("What is my favourite colour?", ELODIE, None, False),
        ("Where is Lars?", "name:lars", None, False),
        ("where does lars live?", "name:lars", None, False),
        ("Do I know where Lars lives?", "name:lars", None, False),
        ("Est-ce que je sais où habite Lars ?", "name:lars", None, False),
        ("Do I know Lars?", ELODIE, None, False),
        ("Where will I live?", ELODIE, None, False),
        ("Where does Ann live without Lars?", "user:ann", None, False),
    ],
)
def test_a_relative_is_asked_about_and_not_whose_they_are(
    question: str, key: str, relation: str | None, is_name_asked: bool
) -> None:
    (person,) = people_asked_about(question, SPEAKERS, ELODIE, {"name:lars", "name:will"})
    assert (person.key, person.relation, person.is_name_asked) == (key, relation, is_name_asked)


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("What is Anna's favourite colour?", "What is my favourite colour?"),
        ("What is Anna\u2019s favourite colour?", "What is my favourite colour?"),
        ("What is Elodie's favourite café?", "What is my favourite café?"),
        ("Where does ANNA  MARIA live, Annabel?", "Where does I live, Annabel?"),
        ("Où habite Elodie à présent ?", "Où habite moi à présent ?"),
        ("ou habite elodie", "ou habite moi"),
        ("The Straße of Anna, fine?", "The Straße of I, fine?"),
        ("Where is İ, Anna\u2019?", "Where is İ, my?"),
        ("Où est-ce que j\u2019habite ?", "Où est-ce que j\u2019habite ?"),
    ],
)
def test_a_question_as_they_would_ask_it(question: str, asked: str) -> None:
    assert impersonal(question, [name for _, name in SPEAKERS]) == asked


@pytest.mark.parametrize("question", ["Où habite Elodie ?", f"Où habite {DECOMPOSED} ?"])
@pytest.mark.parametrize("about", ["Elodie", DECOMPOSED])
async def test_a_note_of_somebody_with_an_accent_answers(
    store: MemoryStore, about: str, question: str
) -> None:
    await store.record(said("Bonjour !", by=ELODIE, name="Élodie"))
    await store.record(said("Anna habite à Oslo", by="user:anna", conversation_id="other"))
    kept = await store.remember("renarde", "Élodie habite à Lyon", about=about)
    found = await store.recall("renarde", question, limit=3)
    assert found[0].fragment_id == kept.fragment_id
    assert found[0].why is not None
    assert found[0].why.is_answer
    (of_elodie,) = await store.recall("renarde", "Lyon Oslo", limit=3, about="elodie")
    assert of_elodie.fragment_id == kept.fragment_id
