"""What just answers a question comes first, whatever others say in the question's own words."""

import unicodedata
from collections.abc import Sequence

import pytest

from hairem_core.memory.interpret.slots import is_asked_for, words_of_question
from hairem_core.memory.store import MemoryStore
from tests.memory.learning import learn
from tests.memory.messages import answered, said

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


RELATIVES = {
    "user:rex": [
        "My son lives in Bergen",
        "I live in Oslo",
        "My cat is called Félix",
        "My car is red",
        "My wife is Claire",
        "I work at Bosch",
    ],
    "user:tom": ["Mon fils Lars habite à Bergen", "J'habite à Oslo", "Je travaille chez Bosch"],
    "user:sue": ["I work at the school", "My brother works at the bank"],
    "user:claire": ["I work at Nestlé"],
}


@pytest.mark.parametrize(
    ("asker", "question", "answers"),
    [
        ("user:rex", "Where does my son live?", ["My son lives in Bergen"]),
        ("user:rex", "Où habite mon fils ?", ["My son lives in Bergen"]),
        ("user:rex", "Do I know where my son lives?", ["My son lives in Bergen"]),
        (None, "Where does Rex's son live?", ["My son lives in Bergen"]),
        (None, "Where does the son of Rex live?", ["My son lives in Bergen"]),
        (None, "Où habite le fils de Rex ?", ["My son lives in Bergen"]),
        ("user:pia", "Where does Sue's brother work?", ["My brother works at the bank"]),
        ("user:pia", "Où travaille le frère de Sue ?", ["My brother works at the bank"]),
        ("user:pia", "Où travaille le petit frère de Sue ?", ["My brother works at the bank"]),
        ("user:sue", "Where does my brother work?", ["My brother works at the bank"]),
        ("user:sue", "Where do I work with my brother?", ["I work at the school"]),
        ("user:tom", "Where does my son live?", ["Mon fils Lars habite à Bergen"]),
        ("user:tom", "Où habite mon fils ?", ["Mon fils Lars habite à Bergen"]),
        (None, "Where does Tom's son live?", ["Mon fils Lars habite à Bergen"]),
        (None, "Où habite le fils de Tom ?", ["Mon fils Lars habite à Bergen"]),
        (None, "Where does Lars live?", ["Mon fils Lars habite à Bergen"]),
        ("user:rex", "Où habite Lars ?", ["Mon fils Lars habite à Bergen"]),
        ("user:rex", "Where do I live?", ["I live in Oslo"]),
        (None, "Where does Rex live?", ["I live in Oslo"]),
        ("user:rex", "Where does my landlord live?", []),
        ("user:rex", "Où habite ma propriétaire ?", []),
        (None, "Where does Rex's landlord live?", []),
        ("user:rex", "What is my cat called?", ["My cat is called Félix"]),
        ("user:rex", "Comment s'appelle mon chat ?", ["My cat is called Félix"]),
        ("user:rex", "Who is my wife?", ["My wife is Claire"]),
        (None, "Qui est la femme de Rex ?", ["My wife is Claire"]),
        ("user:rex", "Where does my wife work?", ["I work at Nestlé"]),
        ("user:rex", "Où travaille ma femme ?", ["I work at Nestlé"]),
        ("user:rex", "What is my car's colour?", ["My car is red"]),
        ("user:rex", "Quelle est la couleur de ma voiture ?", ["My car is red"]),
    ],
)
async def test_a_relative_is_not_whose_relative_they_are(
    store: MemoryStore, asker: str | None, question: str, answers: list[str]
) -> None:
    for by, sayings in RELATIVES.items():
        await _tell(store, by, sayings)
    found = await store.recall("renarde", question, limit=9, asker=asker)
    assert [each.content for each in found if each.why and each.why.is_answer] == answers
    assert [each.content for each in found[: len(answers)]] == answers
    await store.index.start_anew()
    again = await store.recall("renarde", question, limit=9, asker=asker)
    assert [each.content for each in again if each.why and each.why.is_answer] == answers


async def test_who_a_relative_is_holds_wherever_they_move(store: MemoryStore) -> None:
    await _tell(store, "user:rex", ["My son Lars lives in Bergen", "I live in Oslo"])
    await _tell(store, "user:rex", ["Lars moved to Turin"])
    (first, *_) = await store.recall(
        "renarde", "Where does my son live?", limit=5, asker="user:rex"
    )
    assert first.content == "Lars moved to Turin"
    assert first.why is not None
    assert first.why.is_answer


@pytest.mark.parametrize(
    ("told", "answer", "question"),
    [
        ("Forget that I hate coriander.", "I have forgotten that you hate coriander.", "coriander"),
        ("Oublie que mon code de carte est 4711.", "J'ai oublié.", "code de carte"),
        ("Oublie mon code de carte", "C'est oublié.", "code de carte"),
    ],
)
async def test_a_toldto_forget_is_no_memory(
    store: MemoryStore, told: str, answer: str, question: str
) -> None:
    asked = said(told)
    await store.record(asked)
    await store.record(answered(asked, answer))
    await learn(store)
    found = await store.recall("renarde", question, limit=5, asker="user:anna")
    assert not any("cor" in each.content or "code" in each.content for each in found)
    # What was just said is known while it is spoken of.
    recent = await store.recent("renarde", conversation_id="c1", limit=5)
    assert [each.content for each in recent] == [told, answer]


async def test_what_is_said_beside_a_toldto_forget_is_kept(store: MemoryStore) -> None:
    await _tell(store, "user:anna", ["Oublie que mon code est 4711. J'habite à Berne."])
    found = await store.recall("renarde", "Où est-ce que j'habite ?", limit=5, asker="user:anna")
    assert found
    assert not any("4711" in each.content for each in found)


async def test_what_is_not_to_be_forgotten_is_kept(store: MemoryStore) -> None:
    await _tell(store, "user:anna", ["Don't forget that I live in Bern"])
    (first, *_) = await store.recall("renarde", "Where do I live?", limit=5, asker="user:anna")
    assert first.content == "I live in Bern"
    assert first.importance > 0.9


@pytest.mark.parametrize(
    ("both", "no_more", "question", "holds"),
    [
        (
            "J'adore les crêpes et je déteste les épinards.",
            "Je n'aime plus les crêpes",
            "Qu'est-ce que j'adore ?",
            "je déteste les épinards",
        ),
        (
            "I love pancakes and I hate spinach.",
            "I don't like pancakes any more",
            "What do I love?",
            "I hate spinach",
        ),
    ],
)
async def test_what_was_ended_of_a_sentence_is_not_told_as_what_holds(
    store: MemoryStore, both: str, no_more: str, question: str, holds: str
) -> None:
    await _tell(store, "user:anna", [both])
    await _tell(store, "user:anna", [no_more])
    found = await store.recall("renarde", question, limit=9, asker="user:anna")
    assert both not in [each.content for each in found]
    found = await store.recall("renarde", both, limit=9, asker="user:anna")
    assert both not in [each.content for each in found]
    assert holds in [each.content for each in found]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Do you remember the dentist?", "I know nothing about that."),
        ("Te souviens-tu du dentiste ?", "Je n'en sais rien du dentiste."),
    ],
)
@pytest.mark.parametrize("is_offline", [True, False])
async def test_that_nothing_is_known_is_no_memory(
    store: MemoryStore, question: str, answer: str, *, is_offline: bool
) -> None:
    asked = said(question)
    await store.record(asked)
    message = answered(asked, answer)
    data = {"offline": is_offline}
    payload = message.payload.model_copy(update={"data": data})
    await store.record(message.model_copy(update={"payload": payload}))
    found = await store.recall("renarde", answer, limit=5)
    assert [each.content for each in found if each.role == "assistant"] == [answer] * (
        not is_offline
    )
    assert answer in [
        each.content for each in await store.recent("renarde", conversation_id="c1", limit=5)
    ]
