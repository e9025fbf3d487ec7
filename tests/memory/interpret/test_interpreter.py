"""The worker on the real engine: chains, history, retractions, and what a crash leaves."""

import asyncio
from itertools import pairwise

import pytest

from hairem_core.memory.fragment import Fragment
from hairem_core.memory.history import History
from hairem_core.memory.interpret.draft import Draft, Learned
from hairem_core.memory.scope import Scope
from hairem_core.memory.statement import Statement
from hairem_core.memory.writer import Change
from hairem_core.sdk.identity import agent_uuid
from tests.memory.interpret.conftest import RENARDE, Room
from tests.memory.interpret.samples import day
from tests.memory.messages import answered

CHAINS = {
    "colour": (
        "My favourite colour is blue.",
        "My favorite color is now green",
        "Actually, red is my favourite colour now",
        "I prefer purple now",
        "No, it's yellow now",
        "My favourite colour has changed to black",
    ),
    "colour in one breath": (
        "My favourite colour is blue",
        "My favourite colour isn't blue anymore, it's green",
        "My favourite colour used to be green but now it's red",
        "I changed my favourite colour to teal",
    ),
    "home in one breath": (
        "I live in Lyon",
        "I don't live in Lyon anymore, I live in Paris",
        "Je n'habite plus à Paris, j'habite à Nice",
    ),
    "couleur": (
        "Ma couleur préférée est le bleu.",
        "Ma couleur préférée, c'est le vert maintenant",
        "En fait, le rouge est ma couleur préférée",
        "Je préfère le jaune maintenant",
        "Non, c'est le noir maintenant",
    ),
    "home": (
        "I live in Lyon",
        "I moved to Paris last month",
        "We live in New York now",
        "J'habite maintenant à York",
        "I've just moved to Bern with Léo",
    ),
    "work": ("I work at Google", "I now work for Nestlé", "I got a new job at Migros"),
    "key": (
        "The spare key is under the doormat.",
        "I moved the spare key to the shed",
        "La clé de secours est dans le garage",
        "The spare key is now behind the blue flowerpot",
    ),
    "wifi": (
        "The wifi password is hunter2",
        "Our wi-fi password changed to swordfish",
        "Le mot de passe du wifi est tulipe7",
    ),
    "code": ("Le code du garage est 1234", "The garage code is now 4321", "no, it's 9999"),
    "partner": ("My girlfriend is Claire", "My wife is Zoé"),
    "called": ("Call me Al", "You can call me Max."),
    "diet": ("I'm vegetarian", "I have become vegan"),
    "cat": ("My cat is called Félix.", "No, my cat is called Minou."),
    "chat": ("Mon chat s'appelle Félix.", "Non, mon chat s'appelle Minou."),
    "dentist": ("The dentist is on Friday.", "The dentist was moved to Monday."),
    "dentiste": ("Le dentiste est vendredi", "Le dentiste a été déplacé à lundi"),
    "tea": ("I love tea", "I don't like tea any more"),
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("each_alone", [True, False], ids=["one by one", "in one batch"])
async def test_of_a_chain_only_the_newest_holds(room: Room, name: str, each_alone: bool) -> None:
    messages = []
    for number, words in enumerate(CHAINS[name]):
        messages.append(await room.say(words, at=day(number)))
        if each_alone:
            await room.interpreter.settle()
    await room.interpreter.settle()

    facts = await room.facts()
    assert [each.is_valid for each in facts] == [*[False] * (len(messages) - 1), True]
    for older, newer in pairwise(facts):
        assert (older.replaced_by, newer.replaces_id) == (newer.id, older.id)
        assert older.valid_to == newer.valid_from
    episodes = [await room.episode(each) for each in messages]
    assert [each.is_valid for each in episodes] == [each.is_valid for each in facts]
    assert [each.derived_from for each in facts] == [(m.header.msg_id,) for m in messages]
    history = await History(room.fragments, None, Scope(agent=RENARDE)).chain(facts[0].id)
    assert [each.fragment.id for each in history] == [each.id for each in facts]


async def test_a_correction_is_understood_by_itself(room: Room) -> None:
    await room.say("My favourite colour is blue.", at=day(0))
    await room.say("No, it's green now", at=day(1))
    await room.interpreter.settle()
    assert await room.valid() == ["My favourite colour is green"]


async def test_a_correction_is_understood_after_a_restart(room_url: str) -> None:
    room = await Room.open(room_url)
    await room.say("The garage code is 1234", at=day(0))
    await room.interpreter.settle()
    room = await room.again()
    await room.say("sorry, it's 4321", at=day(1))
    await room.interpreter.settle()
    assert await room.valid() == ["The garage code is 4321"]
    await room.close()


async def test_a_correction_speaks_of_the_same_persons_words(room: Room) -> None:
    await room.say("My favourite colour is blue.", at=day(0))
    await room.say("no, it's green now", at=day(1), by="user:gaspard")
    await room.say("no, it's red now", at=day(2), conversation_id="c2")
    await room.interpreter.settle()
    assert await room.valid() == ["My favourite colour is blue"]


async def test_things_of_which_one_has_several_stay_beside_each_other(room: Room) -> None:
    said = (
        "I am allergic to nuts and milk",
        "I'm allergic to wasps",
        "I love sushi",
        "I like jazz",
        "My sister is called Julie",
        "Zoé is my sister",
        "We have a dog called Rex",
        "We have a dog called Milou",
        "My car is red",
        "My car is a Renault",
    )
    for words in said:
        await room.say(words)
    await room.interpreter.settle()
    facts = await room.facts()
    assert len(facts) == 11
    assert all(each.is_valid for each in facts)


async def test_what_is_told_again_makes_the_old_one_stronger(room: Room) -> None:
    first = await room.say("My favourite colour is blue", at=day(0))
    second = await room.say("Blue is my favourite colour", at=day(3))
    third = await room.say("ma couleur préférée est le bleu", at=day(5))
    await room.interpreter.settle()
    (fact,) = await room.facts()
    assert fact.content == "My favourite colour is blue"
    assert (fact.uses, fact.last_used) == (2, day(5))
    assert fact.confidence > 0.9
    assert fact.derived_from == tuple(each.header.msg_id for each in (first, second, third))

    await room.say("My favourite colour is red", at=day(6))
    await room.interpreter.settle()
    assert not any([(await room.episode(each)).is_valid for each in (first, second, third)])


@pytest.mark.parametrize(
    ("told", "taken_back"),
    [
        ("I have a cat", "I no longer have a cat"),
        ("We have a cat called Minou", "We don't have a cat any more"),
        ("On a un chat qui s'appelle Minou", "Je n'ai plus de chat"),
        ("I live in Lyon", "I no longer live in Lyon"),
        ("J'habite à Lyon", "Je n'habite plus à Lyon"),
        ("I'm vegetarian", "I'm no longer vegetarian"),
        ("I'm a nurse", "I am no longer a nurse"),
        ("Paul is my boyfriend", "Paul is no longer my boyfriend"),
        ("I work at Google", "I no longer work at Google"),
        ("I'm allergic to nuts", "I'm no longer allergic to nuts"),
        ("Je suis allergique aux noix", "Je ne suis plus allergique aux noix"),
    ],
)
async def test_what_is_taken_back_ends_without_a_successor(
    room: Room, told: str, taken_back: str
) -> None:
    first = await room.say(told, at=day(0))
    second = await room.say(taken_back, at=day(1))
    await room.interpreter.settle()
    (fact,) = await room.facts()
    assert (fact.valid_to, fact.replaced_by) == (day(1), None)
    assert not (await room.episode(first)).is_valid
    assert (await room.episode(second)).is_valid
    assert room.interpreter.statistics()["retracted"] == 1


async def test_what_is_taken_back_ends_only_itself(room: Room) -> None:
    for words in ("We have a cat called Minou", "We have a cat called Tigrou", "I live in Lyon"):
        await room.say(words, at=day(0))
    await room.say("I no longer have a cat", at=day(1))  # which of the two?
    await room.say("I no longer live in Paris", at=day(1))
    await room.interpreter.settle()
    assert len(await room.valid()) == 3


async def test_news_that_comes_late_is_history(room: Room) -> None:
    newest = await room.say("I live in Paris", at=day(9))
    await room.interpreter.settle()
    late = await room.say("I live in Lyon", at=day(2))
    later = await room.say("I live in Bern", at=day(5))
    await room.interpreter.settle()
    facts = await room.facts()
    assert await room.valid() == ["I live in Paris"]
    assert [each.valid_to for each in facts] == [None, day(9), day(9)]
    assert all(each.replaces_id is None and each.replaced_by is None for each in facts)
    assert [(await room.episode(each)).is_valid for each in (newest, late, later)] == [
        True,
        False,
        False,
    ]


async def test_late_news_does_not_undo_what_was_taken_back(room: Room) -> None:
    await room.say("I live in Lyon", at=day(0))
    await room.say("I no longer live in Lyon", at=day(5))
    await room.say("I live in Lyon", at=day(3))
    await room.interpreter.settle()
    assert await room.valid() == []
    await room.say("I live in Lyon", at=day(8))
    await room.interpreter.settle()
    assert await room.valid() == ["I live in Lyon"]


@pytest.mark.parametrize(
    ("told", "then", "holds"),
    [
        ("I live in Lyon and I work at Airbus", "I live in Paris", "I work at Airbus"),
        ("I love pancakes and I hate spinach", "I no longer like pancakes", "I hate spinach"),
        (
            "J'adore les crêpes et je déteste les épinards.",
            "Je n'aime plus les crêpes",
            "je déteste les épinards",
        ),
    ],
)
async def test_what_is_left_of_what_was_said_its_facts_tell(
    room: Room, told: str, then: str, holds: str
) -> None:
    both = await room.say(told, at=day(0))
    await room.say(then, at=day(1))
    await room.interpreter.settle()
    assert await room.valid() == [holds, then]
    assert (await room.episode(both)).valid_to == day(1)


@pytest.mark.parametrize(
    ("told", "then"),
    [
        ("I live in Lyon, I work at Airbus and I watched the herons fly", "I live in Paris"),
        ("J'habite à Lyon, je suis infirmière et on a vu passer trois hérons", "J'habite à Nice"),
    ],
)
async def test_an_episode_that_says_more_than_its_facts_stays(
    room: Room, told: str, then: str
) -> None:
    more = await room.say(told, at=day(0))
    await room.say(then, at=day(1))
    await room.interpreter.settle()
    assert (await room.episode(more)).is_valid


async def test_who_corrects_himself_in_one_breath_means_the_last(room: Room) -> None:
    message = await room.say("My favourite colour is blue. No wait, it's green.")
    await room.interpreter.settle()
    assert await room.valid() == ["My favourite colour is green"]
    assert (await room.episode(message)).is_valid


async def test_each_agent_that_hears_it_has_its_own_and_private(room: Room) -> None:
    await room.say("My favourite colour is blue", at=day(0))
    await room.say("My favourite colour is red", at=day(1), to="agent:electra")
    await room.interpreter.settle()
    electra = agent_uuid("electra")
    assert await room.valid() == ["My favourite colour is blue"]
    assert await room.valid(electra) == ["My favourite colour is red"]
    facts = [*await room.facts(), *await room.facts(electra)]
    assert {each.visibility for each in facts} == {"private"}


async def test_only_what_people_say_yields_facts(room: Room) -> None:
    question = await room.say("What do you know?")
    await room.events.record(answered(question, "Your favourite colour is blue. I live in Lyon."))
    await room.interpreter.settle()
    assert await room.facts() == []


async def test_names_and_what_joins_them_are_noted(room: Room) -> None:
    await room.say("My sister Julie lives in Paris")
    await room.say("I trust Julie")
    await room.interpreter.settle()
    entities = await room.database.query("SELECT * FROM entity")
    found = {row["id"].id[1]: (row["name"], row["kind"], row["mentions"]) for row in entities}
    assert found["name:julie"] == ("Julie", "person", 2)
    assert found["name:paris"] == ("Paris", "place", 1)
    relations = await room.database.query("SELECT * FROM relation")
    kinds = {tuple(row["id"].id[1:]) for row in relations}
    assert kinds == {
        ("user:anna", "knows", "name:julie"),
        ("name:julie", "lives_in", "name:paris"),
        ("user:anna", "trusts", "name:julie"),
    }
    facts = {each.id for each in await room.facts()}
    assert all(set(row["derived_from"]) <= facts for row in relations)


async def test_killed_before_the_commit_everything_is_done_once(
    room_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await Room.open(room_url)
    await room.say("I live in Lyon", at=day(0))
    await room.say("I live in Paris", at=day(1))

    class Killed(BaseException):
        pass

    made: list[Change] = []
    change = Draft.change

    def die(draft: Draft) -> Change:
        made.append(change(draft))
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Draft, "change", die)
        with pytest.raises(Killed):
            await room.interpreter.settle()
    assert len(made[0].added) == 2  # it had been built
    assert await room.facts() == []

    room = await room.again()
    assert room.writer.head.interpreted == 0
    await room.interpreter.settle()
    assert await room.valid() == ["I live in Paris"]
    assert room.writer.head.interpreted == room.writer.head.number == 2
    first = await room.facts()

    # A cursor that was lost makes nothing twice either.
    async def back(head: object) -> Change:
        return Change(interpreted=0)

    await room.writer.commit(back)
    room = await room.again()
    await room.interpreter.settle()
    assert [_same(each) for each in await room.facts()] == [_same(each) for each in first]
    await room.close()


def _same(fragment: Fragment) -> tuple[object, ...]:
    return (fragment.id, fragment.content, fragment.valid_to, fragment.replaces_id, fragment.uses)


async def test_started_it_follows_what_is_recorded(room: Room) -> None:
    room.interpreter.start()
    await room.say("I live in Lyon")
    async with asyncio.timeout(20):
        while await room.valid() != ["I live in Lyon"]:
            await asyncio.sleep(0.01)
        await room.say("I live in Paris")
        while await room.valid() != ["I live in Paris"]:
            await asyncio.sleep(0.01)
    await room.interpreter.stop()
    assert room.writer.head.interpreted == 2


async def test_events_that_damage_took_hold_nothing_up(room: Room) -> None:
    await room.say("I live in Lyon")
    await room.interpreter.settle()
    lost = Statement(text="UPDATE head:current SET number = 9")
    await room.database.transact([lost])
    room = await room.again()
    assert room.interpreter.statistics()["behind"] == 8
    await asyncio.wait_for(room.interpreter.settle(), 10)
    assert room.interpreter.statistics()["behind"] == 0
    await room.say("I live in Paris")
    await asyncio.wait_for(room.interpreter.settle(), 10)
    assert await room.valid() == ["I live in Paris"]
    await room.close()


async def test_it_waits_until_a_conversation_is_quiet(room_url: str) -> None:
    room = await Room.open(room_url, quiet=3600.0)
    room.interpreter.start()
    await room.say("I live in Lyon")
    for _ in range(50):
        await asyncio.sleep(0)
    assert room.interpreter.statistics()["behind"] == 1
    await room.interpreter.settle()  # who asks need not wait
    assert await room.valid() == ["I live in Lyon"]
    await room.close()


async def test_what_was_erased_meanwhile_does_not_come_back(room: Room) -> None:
    message = await room.say("I live in Lyon")
    original = Draft.erased
    async with asyncio.timeout(20):
        row = (await room.database.query("SELECT * FROM raw_event"))[0]
        erased = {"erased_by": row["number"]}
        gone = ("sender", "speaker_name", "recipient", "conversation_id", "content", "data")
        sets = ", ".join(f"{name} = NONE" for name in (*gone, "pose_hint", "salt"))

        async def erase_first(draft: Draft, events: object) -> object:
            await room.database.query(
                f"UPDATE $id SET erased_by = $erased_by, {sets}", {"id": row["id"], **erased}
            )
            return await original(draft, events)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Draft, "erased", erase_first)
            await room.interpreter.settle()
    assert await room.facts() == []
    (left,) = await room.database.query("SELECT * FROM raw_event")
    assert (left["id"].id, left.get("content")) == (message.header.msg_id, None)
    assert room.writer.head.interpreted == 1


async def test_one_event_that_cannot_be_interpreted_holds_up_no_other(
    room_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await Room.open(room_url, pause=0.0)
    learn = Draft.learn

    async def stumble(draft: Draft, learned: Learned) -> None:
        if "Lyon" in learned.said.text:
            raise ZeroDivisionError
        await learn(draft, learned)

    monkeypatch.setattr(Draft, "learn", stumble)
    await room.say("I live in Lyon", conversation_id="c1")
    await room.say("I love sushi", conversation_id="c2")
    room.interpreter.start()
    async with asyncio.timeout(20):
        while await room.valid() != ["I love sushi"]:
            await asyncio.sleep(0.01)
    statistics = room.interpreter.statistics()
    assert (statistics["passed_over"], statistics["errors"]) == (1, 3)
    await room.close()


async def test_what_is_read_from_the_log_and_what_is_told_is_each_done_once(room: Room) -> None:
    await room.say("I live in Lyon", at=day(0))
    await room.interpreter.settle()
    again = await room.again()  # this one has to read; what comes then it is told
    await again.say("I love sushi", at=day(1))
    await asyncio.gather(again.say("I love jazz", at=day(2)), again.interpreter.settle())
    await again.say("I love tea", at=day(3))
    await again.interpreter.settle()
    assert len(await again.facts()) == 4
    assert {each.uses for each in await again.facts()} == {0}
    await again.close()


@pytest.mark.parametrize("name", ["home", "key", "tea"])
async def test_a_chain_on_each_engine(url: str, name: str) -> None:
    room = await Room.open(url)
    for number, words in enumerate(CHAINS[name]):
        await room.say(words, at=day(number))
    await room.interpreter.settle()
    facts = await room.facts()
    assert [each.is_valid for each in facts] == [*[False] * (len(facts) - 1), True]
    assert len(facts) == len(CHAINS[name])
    await room.say("I no longer live in Oslo", at=day(9))
    await room.say("We have a cat called Minou, and Julie is my sister", at=day(9))
    await room.interpreter.settle()
    entities = await room.database.query("SELECT * FROM entity")
    assert {"name:minou", "name:julie"} <= {row["id"].id[1] for row in entities}
    await room.close()


async def test_a_long_log_is_caught_up_with(room: Room) -> None:
    await asyncio.gather(*(room.say(f"The weather is fine, {n}") for n in range(600)))
    await room.say("I live in Lyon")
    await asyncio.gather(*(room.say(f"It rains again, {n}") for n in range(600)))
    await room.interpreter.settle()
    assert await room.valid() == ["I live in Lyon"]
    assert room.writer.head.interpreted == 1201
    assert room.interpreter.statistics()["behind"] == 0


async def test_what_else_was_said_with_a_replaced_fact_stays(room: Room) -> None:
    only = await room.say("I live in Lyon. Yes.", at=day(0))
    more = await room.say("I live in Paris. The party was great, Tom danced all night!", at=day(1))
    await room.say("I live in Nice", at=day(2))
    await room.interpreter.settle()

    facts = await room.facts()
    assert [each.is_valid for each in facts] == [False, False, True]
    assert not (await room.episode(only)).is_valid
    assert (await room.episode(more)).is_valid
