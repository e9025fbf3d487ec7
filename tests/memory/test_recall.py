"""A question finds what was said, in English and in French."""

import asyncio

import pytest

from hairem_core.memory.recall import index as index_module
from hairem_core.memory.recall.text import TextIndex
from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.message import Message, MessageType, Topic
from tests.memory.learning import learn
from tests.memory.messages import answered, said
from tests.support.calls import ThreadWatch

FACTS = [
    "My keys are in the blue bowl by the door",
    "I am allergic to peanuts",
    "My sister Anna lives in Lyon",
    "The dentist's appointment is on Tuesday at nine",
    "Mes clés de voiture sont dans le tiroir de la cuisine",
    "Je suis allergique aux arachides",
    "L'anniversaire d'Élodie est le trois mai",
    "Le chat préfère dormir sur le canapé",
    "Nous avons planté des tomates au jardin",
    "I like my coffee without sugar",
]


@pytest.fixture
async def knowing(store: MemoryStore) -> MemoryStore:
    for number, fact in enumerate(FACTS):
        await store.record(said(fact, conversation_id=f"c{number}"))
    return store


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("Where did I put the keys?", 0),
        ("Which allergies do I have to peanuts?", 1),
        ("Where does Anna live?", 2),
        ("When are my dentist appointments?", 3),
        ("Où sont les clefs de la voiture ?", 4),
        ("ou sont mes cles de voiture", 4),
        ("Ai-je une allergie aux arachides ?", 5),
        ("C'est quand, l\u2019anniversaire d\u2019Elodie ?", 6),
        ("Sur quoi le chat préfère-t-il dormir ?", 7),
        ("A-t-on planté une tomate dans le jardin ?", 8),
        ("How do I like my coffee?", 9),
    ],
)
async def test_the_right_fact_comes_first(knowing: MemoryStore, question: str, fact: int) -> None:
    found = await knowing.recall("renarde", question, limit=3)
    assert found[0].content == FACTS[fact]
    scores = [each.score or 0.0 for each in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0


@pytest.mark.parametrize("question", ["", "   ", "?!", "what is the", "le la les", "zyxwv", '"(+:'])
async def test_a_question_without_words_finds_nothing(knowing: MemoryStore, question: str) -> None:
    assert await knowing.recall("renarde", question, limit=3) == []


async def test_what_was_just_said_is_found_and_can_be_excluded(store: MemoryStore) -> None:
    first = said("the umbrella is in the hall")
    second = said("where is the umbrella?")
    await store.record(first)
    await store.record(second)

    found = await store.recall("renarde", "umbrella", limit=5, exclude={second.header.msg_id})

    assert [each.event_id for each in found] == [first.header.msg_id]
    assert len(await store.recall("renarde", "umbrella", limit=1)) == 1
    assert await store.recall("renarde", "umbrella", limit=0) == []


async def test_a_turn_does_not_wait_for_its_own_words(store: MemoryStore) -> None:
    first = said("the umbrella is in the hall")
    await store.record(first)
    assert await store.recall("renarde", "umbrella", limit=5)
    question = said("where is the umbrella?")
    elsewhere = said("the umbrella drips", to="agent:electra")
    await store.record(question)
    await store.record(elsewhere)

    found = await store.recall("renarde", "umbrella", limit=5, exclude={question.header.msg_id})

    assert [each.event_id for each in found] == [first.header.msg_id]
    # They are there for whoever does not leave them out.
    assert len(await store.recall("renarde", "umbrella", limit=5)) == 2
    (hers,) = await store.recall("electra", "umbrella", limit=5)
    assert hers.event_id == elsewhere.header.msg_id


async def test_recalls_that_are_cancelled_do_no_harm(store: MemoryStore) -> None:
    for number in range(20):
        await store.record(said(f"the lantern number {number} is lit"))
        task = asyncio.create_task(store.recall("renarde", "lantern", limit=5))
        await asyncio.sleep(0.002 * (number % 4))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert len(await store.recall("renarde", "lantern", limit=50)) == 20


async def test_the_same_words_count_once(store: MemoryStore) -> None:
    fact = said("the umbrella is in the hall")
    await store.record(fact)
    for _ in range(30):
        await store.record(said("Where is the umbrella?"))

    found = await store.recall("renarde", "where is the umbrella?", limit=2)

    assert sorted(each.content for each in found) == [
        "Where is the umbrella?",
        fact.payload.content,
    ]


async def test_an_answer_is_recalled_as_the_agents_own(store: MemoryStore) -> None:
    question = said("How warm is it?")
    await store.record(question)
    await store.record(answered(question, "The thermometer in the attic shows forty degrees."))

    # The question is found with it, since it stands beside it; the words themselves count for more.
    first, second = await store.recall("renarde", "attic thermometer", limit=3)

    assert (first.role, first.speaker) == ("assistant", "agent:renarde")
    assert (second.role, second.speaker) == ("user", "user:anna")


async def test_recording_and_recalling_at_once_do_not_hold_up_the_loop(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = ThreadWatch(monkeypatch)
    threads.watch(TextIndex, "commit")
    threads.watch(index_module, "rank")

    async def talk(number: int) -> None:
        await store.record(said(f"the box number {number} holds marbles of colour {number % 7}"))
        found = await store.recall("renarde", f"box number {number}", limit=5)
        assert any(f"number {number} " in each.content for each in found)

    for start in range(0, 100, 5):
        await asyncio.gather(*(talk(number) for number in range(start, start + 5)))
    assert threads.called == {"commit", "rank"}
    assert not threads.on_the_loop


async def test_shared_recall_finds_what_others_share_and_nothing_else(store: MemoryStore) -> None:
    to_renarde = said("The cat is called Gaspard")
    to_electra = said("The cat is called Gaspard too", to="agent:electra")
    to_all = said("A cat called Gaspard came to stay", by="agent:electra", to="crew")
    for message in (to_renarde, to_electra, to_all):
        await store.record(message)

    own = await store.recall("renarde", "cat Gaspard", limit=5)
    assert [each.event_id for each in own] == [to_renarde.header.msg_id]

    shared = await store.recall("renarde", "cat Gaspard", limit=5, shared=True)
    assert {each.event_id for each in shared} == {
        each.header.msg_id for each in (to_renarde, to_all)
    }
    (other,) = (each for each in shared if each.event_id == to_all.header.msg_id)
    assert (other.speaker, other.role, other.is_shared) == ("agent:electra", "user", True)
    assert len(await store.recall("electra", "cat Gaspard", limit=5)) == 2

    assert await store.recall("alfred", "cat Gaspard", limit=5) == []
    (found,) = await store.recall("alfred", "cat Gaspard", limit=5, shared=True)
    assert found.event_id == to_all.header.msg_id
    rest = await store.recall(
        "alfred", "cat Gaspard", limit=5, exclude=[to_all.header.msg_id], shared=True
    )
    assert rest == []


async def test_who_said_it_is_remembered_by_name(store: MemoryStore) -> None:
    said = Message.create(
        sender="user:5dbc97d4",
        recipient="agent:renarde",
        type=MessageType.RAW,
        topic=Topic.USER_UTTERANCE,
        content="The parcel comes on Friday.",
        data={"speaker_name": "Anna"},
    )
    await store.record(said)
    (found,) = await store.recall("renarde", "When does the parcel come?", limit=1)
    assert found.speaker_name == "Anna"


async def test_whoever_speaks_unknown_is_not_meant_by_the_word_house(store: MemoryStore) -> None:
    await store.record(said("The plumber comes on Monday", by="user:house", conversation_id="a"))
    await store.record(said("The house needs a new roof", by="user:anna", conversation_id="b"))
    (first, *_) = await store.recall("renarde", "What does the house need?", limit=2)
    assert first.content == "The house needs a new roof"


async def test_of_several_people_the_one_asked_about_comes_first(store: MemoryStore) -> None:
    told = {"anna": "Lyon", "bruno": "Bern", "chloe": "Nice", "david": "Turin"}
    for who, town in told.items():
        await store.record(said(f"I live in {town}", by=f"user:{who}", conversation_id=who))
    await learn(store)
    for who, town in told.items():
        named = await store.recall("renarde", f"Where does {who.title()} live?", limit=4)
        own = await store.recall(
            "renarde", "Où est-ce que j'habite ?", limit=4, asker=f"user:{who}"
        )
        assert town in named[0].content
        assert town in own[0].content


async def test_each_fragment_is_in_the_index_of_words_once(store: MemoryStore) -> None:
    """However often it was indexed anew, because something was said beside it."""
    for number in range(6):
        await store.record(said(f"lantern number {number}", conversation_id="c"))
        await store.index.flush()
    kept = await store.remember("renarde", "the lantern is violet")
    assert kept.fragment_id is not None
    await store.index.flush()
    assert len(store.index._contents.text) == 7
    await store.drop("renarde", kept.fragment_id)
    await store.index.flush()
    assert len(store.index._contents.text) == 6
