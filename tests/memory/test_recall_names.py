"""Whom a question names, however their names are written."""

import unicodedata

import pytest

from hairem_core.memory.recall.ranking import impersonal, people_asked_about
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
    assert people_asked_about(question, SPEAKERS, None) == people


@pytest.mark.parametrize("name", ["Élodie", "Elodie", DECOMPOSED])
def test_a_name_is_found_however_it_was_given(name: str) -> None:
    for asked in ("Élodie", "Elodie", DECOMPOSED):
        question = f"Where does {asked} live?"
        assert people_asked_about(question, [(ELODIE, name)], None) == {ELODIE}
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
    assert people_asked_about(question, [], ELODIE) == ({asker} if asker else set())


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
