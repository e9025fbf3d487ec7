"""What just answers a question comes first, whatever others say in the question's own words."""

import unicodedata
from collections.abc import Sequence

import pytest

from hairem_core.memory.interpret.slots import is_asked_for, words_of_question
from hairem_core.memory.store import MemoryStore
from tests.memory.learning import learn
from tests.memory.messages import said

OTHERS = {
    "en": ["I live in Oslo now", "I live in Bern and live well", "I work at Bosch, where I work"],
    "fr": ["J'habite à Oslo", "J'habite où j'habitais, à Berne", "Je travaille chez Bosch"],
}
OWN = {
    "en": ["I live in Porto", "I moved to Lyon last month", "My favourite colour is green"],
    "fr": ["J'habite à Porto", "J'ai déménagé à Lyon", "Ma couleur préférée est le vert"],
}


async def _tell(store: MemoryStore, by: str, sayings: Sequence[str]) -> None:
    for number, each in enumerate(sayings):
        await store.record(said(each, by=by, conversation_id=f"{by} {number}"))
    await learn(store)


@pytest.mark.parametrize(
    ("language", "question", "answer"),
    [
        ("en", "Where do I live?", "Lyon"),
        ("en", "Where does Anna live?", "Lyon"),
        ("en", "What is my favourite colour?", "green"),
        ("en", "Où est-ce que j'habite ?", "Lyon"),
        ("fr", "Où est-ce que j'habite ?", "Lyon"),
        ("fr", "Où est-ce que j\u2019habite ?", "Lyon"),
        ("fr", "Où habite Anna ?", "Lyon"),
        ("fr", "ou habite anna", "Lyon"),
        ("fr", "Quelle est la couleur préférée d'Anna ?", "vert"),
        ("fr", "Quelle est la couleur preferee d\u2019Anna ?", "vert"),
        ("fr", "Where do I live?", "Lyon"),
    ],
)
async def test_what_is_asked_for_comes_first(
    store: MemoryStore, language: str, question: str, answer: str
) -> None:
    for number in range(5):
        await _tell(store, f"user:bruno{number}", OTHERS[language])
    await _tell(store, "user:anna", OWN[language])
    found = await store.recall("renarde", question, limit=5, asker="user:anna")
    assert found[0].speaker == "user:anna"
    assert answer in found[0].content
    assert found[0].why is not None
    assert found[0].why.is_answer
    assert not any("Porto" in each.content for each in found), "it holds no more"


@pytest.mark.parametrize(
    "question",
    [
        "Where do people live?",  # nobody is asked about
        "When will Anna come home?",
        "What is Anna's favourite food?",
        "Who likes the colour green, Anna or Bruno0?",  # of two, neither is meant alone
    ],
)
async def test_what_is_not_asked_for_has_no_place_of_honour(
    store: MemoryStore, question: str
) -> None:
    await _tell(store, "user:bruno0", OTHERS["en"])
    await _tell(store, "user:anna", OWN["en"])
    found = await store.recall("renarde", question, limit=5)
    assert found
    assert not any(each.why and each.why.is_answer for each in found)


@pytest.mark.parametrize(
    ("slot", "question", "asked"),
    [
        ("lives_in", "where does she live", True),
        ("lives_in", "is she home", False),
        ("favourite colour", "what is my favourite colour", True),
        ("favourite colour", "what is my favourite food", False),
        ("favourite colour", "quelle est ma couleur préférée", True),
        ("birthday", "when is her birthday", True),
        ("birthday", "quand est son anniversaire", True),
        ("phone number", "what is the number of the house", False),
        ("mother", "comment s'appelle ma mère", True),
        ("favourite colour", "quelle est ma couleur preferee", True),
        ("favourite colour", unicodedata.normalize("NFD", "ma couleur préférée"), True),
        ("age", "quel age a Anna", True),
        ("birthplace", "où est-elle nee", True),
        ("birthplace", "où est-il né", True),
        ("birthplace", "il ne mange pas", False),
        ("location", "où l'a-t-elle rangé", True),
        ("location", "what is the range of it", False),
        ("grandmother", "qui a la même voiture", False),
    ],
)
def test_what_a_question_asks_for(slot: str, question: str, asked: bool) -> None:
    assert is_asked_for(slot, words_of_question(question)) is asked


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where do I live?", "I live in Porto"),
        ("Where does my mother live?", "My mother lives in Rome"),
        ("What is my mother called?", "My mother is called Ada"),
        ("Comment s'appelle ma mère ?", "My mother is called Ada"),
        ("Où habite ma mère ?", "My mother lives in Rome"),
        ("Where does my father live?", None),
        ("Where does my mother work?", None),
        ("Où travaille ma mère ?", None),
        ("Quand est mon anniversaire ?", "My birthday is on 3 May"),
    ],
)
async def test_what_is_of_ones_relatives_is_not_ones_own(
    store: MemoryStore, question: str, answer: str | None
) -> None:
    own = ["I live in Porto", "I work at Bosch", "My birthday is on 3 May"]
    await _tell(store, "user:anna", [*own, "My mother is called Ada", "My mother lives in Rome"])
    found = await store.recall("renarde", question, limit=9, asker="user:anna")
    marked = [each.content for each in found if each.why and each.why.is_answer]
    assert marked == ([answer] if answer else [])


@pytest.mark.parametrize(
    ("language", "question", "who"),
    [
        ("en", "What do you know about me?", "anna"),
        ("en", "What do you know about Bruno0?", "bruno0"),
        ("en", "Tell me about Bruno0.", "bruno0"),
        ("fr", "Que sais-tu de moi ?", "anna"),
        ("fr", "Qu\u2019est-ce que tu sais sur Bruno0 ?", "bruno0"),
        ("fr", "Que sais-tu d'Anna ?", "anna"),
    ],
)
async def test_all_that_is_known_of_somebody_answers(
    store: MemoryStore, language: str, question: str, who: str
) -> None:
    await _tell(store, "user:bruno0", OTHERS[language])
    await _tell(store, "user:anna", OWN[language])
    for agent, expected in (("renarde", {f"user:{who}"}), ("electra", set())):
        found = await store.recall(agent, question, limit=9, asker="user:anna")
        marked = [each for each in found if each.why and each.why.is_answer]
        assert marked == found[: len(marked)]
        assert {each.speaker for each in marked} == expected
        assert not any("Porto" in each.content for each in marked), "it holds no more"
        assert len({each.content for each in marked}) == len(marked)
    assert len(await store.recall("renarde", question, limit=1, asker="user:anna")) == 1


@pytest.mark.parametrize(
    "question", ["What do you know about the cellar?", "What do you know about Zorro?"]
)
async def test_of_things_and_strangers_nothing_is_all_that_is_known(
    store: MemoryStore, question: str
) -> None:
    await _tell(store, "user:anna", [*OWN["en"], "The cellar key is under the mat"])
    found = await store.recall("renarde", question, limit=9, asker="user:anna")
    assert not any(each.why and each.why.is_answer for each in found)


async def test_of_who_never_spoke_all_that_is_known_answers(store: MemoryStore) -> None:
    await _tell(store, "user:anna", [*OWN["en"], "Carla lives in Nice", "Carla works at Bosch"])
    found = await store.recall("renarde", "Que sais-tu de Carla ?", limit=9, asker="user:anna")
    marked = {each.content for each in found if each.why and each.why.is_answer}
    assert marked == {"Carla lives in Nice", "Carla works at Bosch"}


async def test_what_was_said_last_says_that_it_holds_no_more(store: MemoryStore) -> None:
    for each in ("I live in Porto", "My favourite colour is green", "I moved to Lyon"):
        await store.record(said(each))
        await learn(store)
    recent = await store.recent("renarde", conversation_id="c1", limit=9)
    ended = {each.content: each.valid_to is not None for each in recent}
    assert ended == {
        "I live in Porto": True,
        "My favourite colour is green": False,
        "I moved to Lyon": False,
    }
    assert recent[0].valid_to == recent[2].at


def test_a_slot_that_only_words_of_much_else_ask_for_is_never_asked_for() -> None:
    assert not is_asked_for("goes by", ["call", "name", "by"])


@pytest.mark.parametrize(
    ("content", "about", "question"),
    [
        ("Anna moved to Lyon", "Anna", "Where does Anna live?"),
        ("I moved to Lyon", "user:anna", "Where do I live?"),
        ("J'ai déménagé à Lyon", "user:anna", "Où habite Anna ?"),
        ("Anna moved to Lyon", None, "Où est-ce que j'habite ?"),
    ],
)
async def test_what_an_agent_kept_answers_too(
    store: MemoryStore, content: str, about: str | None, question: str
) -> None:
    await _tell(store, "user:bruno0", OTHERS["en"])
    await store.record(said("Hello there!", by="user:anna", conversation_id="anna"))
    kept = await store.remember("renarde", content, about=about)
    found = await store.recall("renarde", question, limit=5, asker="user:anna")
    assert found[0].fragment_id == kept.fragment_id
    assert found[0].why is not None
    assert found[0].why.is_answer


async def test_a_note_of_several_things_answers_none(store: MemoryStore) -> None:
    await store.record(said("Hello there!", by="user:anna", conversation_id="anna"))
    await store.remember("renarde", "Anna lives in Lyon. Anna works at Bosch.", about="Anna")
    await store.remember("renarde", "Anna thinks about where to live.", about="Anna")
    found = await store.recall("renarde", "Where does Anna live?", limit=5)
    assert len(found) == 2
    assert not any(each.why and each.why.is_answer for each in found)
