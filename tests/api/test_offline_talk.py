"""What several people hear who talk with a house without a language model."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hairem_core.core import Core
from hairem_core.memory.scope import Scope
from tests.support.core import Client, running_core, write_agent

KNOWS_NOTHING = {"en": "I remember nothing about that.", "fr": "Je ne me souviens de rien"}


class House:
    """A house with one agent, to which people talk."""

    def __init__(self, core: Core, client: Client) -> None:
        self._core = core
        self._client = client

    async def say(self, who: str, text: str, *, talk: str = "shared", language: str = "en") -> str:
        """Return what is answered; memory has drawn its conclusions then."""
        events = await self._client.turn(
            "renarde",
            text,
            conversation_id=talk,
            language=language,
            user={"id": who.lower(), "name": who},
        )
        assert events[-1]["kind"] == "done", events
        await self._core._remembering.interpreter.settle()
        return str(events[-1]["text"])

    async def archive(self) -> None:
        """Have all that is remembered archived."""
        memory, everything = self._core.memory, Scope(agent=None)
        assert memory.cold is not None
        ids = await memory.database.query("SELECT VALUE record::id(id) FROM fragment")
        found = await memory.fragments.fetch(ids, everything)
        assert await memory.cold._mover.archive(list(found.values())) == len(found)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    write_agent(tmp_path / "agents", "renarde", permissions="[llm]")
    async with running_core(tmp_path, agents=tmp_path / "agents") as core:
        assert core.new_token is not None
        async with Client.connect(core.address, core.new_token) as client:
            await client.receive()
            yield House(core, client)


@pytest.mark.parametrize(
    ("language", "told", "question", "secret"),
    [
        ("en", "My doctor is called Watson.", "What is my doctor called?", "Watson"),
        ("en", "My password is unicorn9.", "What is my password?", "unicorn9"),
        ("fr", "Mon mot de passe est licorne9.", "Quel est mon mot de passe ?", "licorne9"),
        ("fr", "Mon médecin s'appelle Watson.", "Comment s'appelle mon médecin ?", "Watson"),
    ],
)
async def test_what_another_said_of_theirs_is_not_the_askers(
    house: House, language: str, told: str, question: str, secret: str
) -> None:
    await house.say("Max", told, language=language)
    answer = await house.say("Lea", question, language=language)
    assert secret not in answer
    assert KNOWS_NOTHING[language] in answer
    own = await house.say("Max", question, language=language)
    assert own.count(secret) == 1


@pytest.mark.parametrize(
    ("language", "told", "question", "by"),
    [
        ("en", "The bins are collected on Friday.", "When are the bins collected?", "said by Max"),
        ("fr", "Le plombier vient lundi.", "Quand vient le plombier ?", "dit par Max"),
    ],
)
async def test_what_another_said_in_the_same_talk_is_told_as_theirs(
    house: House, language: str, told: str, question: str, by: str
) -> None:
    await house.say("Max", told, language=language)
    assert by in await house.say("Lea", question, language=language)


@pytest.mark.parametrize(
    ("language", "before", "after", "question", "expected", "gone"),
    [
        (
            "fr",
            "J'habite à Lille.",
            "Je n'habite plus à Lille.",
            "Où est-ce que j'habite ?",
            "n'habite plus",
            "« J'habite",
        ),
        (
            "en",
            "I like tea.",
            "I don't like tea anymore.",
            "Do I like tea?",
            "don't like tea",
            "“I like",
        ),
        ("en", "I live in Porto.", "I moved to Lyon.", "Where do I live?", "Lyon", "Porto"),
        (
            "fr",
            "Ma couleur préférée est le vert.",
            "Ma couleur préférée est le bleu.",
            "Quelle est ma couleur préférée ?",
            "bleu",
            "vert",
        ),
    ],
)
@pytest.mark.parametrize("talk", ["shared", "another"])
async def test_what_holds_no_more_is_not_stated(
    house: House,
    language: str,
    before: str,
    after: str,
    question: str,
    expected: str,
    gone: str,
    talk: str,
) -> None:
    await house.say("Zoe", before, language=language)
    await house.say("Zoe", after, language=language)
    answer = await house.say("Zoe", question, language=language, talk=talk)
    assert expected in answer
    assert gone not in answer


EVE = {
    "en": [
        "I live in Porto.",
        "My favourite colour is green.",
        "I'm allergic to nuts.",
        "I work at Bosch.",
        "My sister is called Rita.",
        "My birthday is on 3 May.",
        "I like tea.",
        "I have two cats.",
    ],
    "fr": [
        "J'habite à Porto.",
        "Ma couleur préférée est le vert.",
        "Je suis allergique aux noix.",
        "Je travaille chez Bosch.",
        "Ma sœur s'appelle Rita.",
        "Mon anniversaire est le 3 mai.",
        "J'aime le thé.",
    ],
}


@pytest.mark.parametrize(
    ("language", "who", "question"),
    [
        ("en", "Pia", "What do you know about Eve?"),
        ("en", "Eve", "What do you know about me?"),
        ("fr", "Pia", "Que sais-tu d'Eve ?"),
        ("fr", "Eve", "Que sais-tu de moi ?"),
        ("fr", "Eve", "Qu'est-ce que tu sais sur moi ?"),
    ],
)
async def test_what_is_known_of_somebody(
    house: House, language: str, who: str, question: str
) -> None:
    await house.say("Max", "I live in Berlin.", talk="max")
    for each in EVE[language]:
        await house.say("Eve", each, talk="eve", language=language)
    answer = await house.say(who, question, talk=who, language=language)
    told = [each for each in EVE[language] if each.rstrip(".") in answer]
    assert 3 <= len(told) <= 5
    assert "Eve" in answer
    assert "Berlin" not in answer


@pytest.mark.parametrize(
    ("language", "told", "question"),
    [
        ("fr", "Carla habite à Nice.", "Que sais-tu de Carla ?"),
        ("en", "Carla lives in Nice.", "What do you know about Carla?"),
    ],
)
async def test_what_is_known_of_who_never_spoke(
    house: House, language: str, told: str, question: str
) -> None:
    await house.say("Max", told, language=language)
    await house.say("Max", "I live in Berlin.", language=language)
    answer = await house.say("Pia", question, talk="pia", language=language)
    assert told.rstrip(".") in answer
    assert "Max" in answer
    assert "Berlin" not in answer


@pytest.mark.parametrize(
    ("language", "question"),
    [("en", "What do you know about Zorro?"), ("fr", "Que sais-tu de Zorro ?")],
)
async def test_of_whom_nothing_is_held_nothing_is_claimed(
    house: House, language: str, question: str
) -> None:
    await house.say("Max", "I live in Berlin.", language=language)
    assert KNOWS_NOTHING[language] in await house.say("Max", question, language=language)


@pytest.mark.parametrize(
    ("language", "told", "question"),
    [
        (
            "en",
            [("Sue", "My import code is IMP7."), ("Yan", "My vault code is SAFE5150.")],
            "What is my vault code?",
        ),
        (
            "fr",
            [("Sue", "Mon code d'import est IMP7."), ("Yan", "Mon code de coffre est SAFE5150.")],
            "Quel est mon code de coffre ?",
        ),
        (
            "en",
            [
                ("Sue", "My dog is called Rex."),
                ("Sue", "My mother is called Ada."),
                ("Bob", "My sister is called Lou."),
                ("Sue", "Bob's father is called Jim."),
            ],
            "What is my father called?",
        ),
        (
            "fr",
            [
                ("Sue", "Mon chien s'appelle Rex."),
                ("Sue", "Ma mère s'appelle Ada."),
                ("Bob", "Mon père s'appelle Jim."),
            ],
            "Comment s'appelle mon père ?",
        ),
        (
            "en",
            [("Sue", "My mother lives in Rome."), ("Bob", "I live in Oslo.")],
            "Where do I live?",
        ),
        (
            "fr",
            [("Sue", "Ma mère habite à Rome."), ("Bob", "J'habite à Oslo.")],
            "Où est-ce que j'habite ?",
        ),
        ("en", [("Sue", "I work at Bosch.")], "Where does my mother work?"),
        ("en", [("Sue", "My mother is called Ada.")], "Where does my mother live?"),
        ("fr", [("Sue", "Ma mère s'appelle Ada.")], "Où habite ma mère ?"),
        ("fr", [("Sue", "Je travaille chez Bosch.")], "Où travaille ma mère ?"),
    ],
)
async def test_half_an_answer_is_none(
    house: House, language: str, told: list[tuple[str, str]], question: str
) -> None:
    for who, text in told:
        await house.say(who, text, talk=who, language=language)
    answer = await house.say("Sue", question, talk="new", language=language)
    assert KNOWS_NOTHING[language] in answer
    assert not [text for _, text in told if text.rstrip(".") in answer]


@pytest.mark.parametrize(
    ("language", "other", "own", "question"),
    [
        ("fr", "J'habite à Lille.", "J'habite à Nice.", "Où est-ce que j'habite ?"),
        ("en", "I live in Oslo.", "I live in Porto.", "Where do I live?"),
        ("en", "My bike is in the shed.", "My bike is outside.", "Where is my bike?"),
        ("fr", "Mon vélo est au garage.", "Mon vélo est dehors.", "Où est mon vélo ?"),
    ],
)
async def test_only_the_askers_own_answers(
    house: House, language: str, other: str, own: str, question: str
) -> None:
    await house.say("Carla", own, talk="carla", language=language)
    for who in ("Yan", "Zoe"):
        await house.say(who, other, talk=who, language=language)
    answer = await house.say("Carla", question, talk="new", language=language)
    assert own.rstrip(".") in answer
    assert other.rstrip(".") not in answer


@pytest.mark.parametrize(
    ("language", "told", "wish", "question", "secret"),
    [
        (
            "en",
            "I like soup.",
            "Forget that I hate coriander.",
            "Do I hate coriander?",
            "coriander",
        ),
        (
            "fr",
            "J'aime la soupe.",
            "Oublie que mon code de carte est 4711.",
            "Quel est mon code de carte ?",
            "4711",
        ),
    ],
)
async def test_it_says_how_forgetting_is_done(
    house: House, language: str, told: str, wish: str, question: str, secret: str
) -> None:
    await house.say("Max", told, language=language)
    answer = await house.say("Max", wish, language=language)
    assert "hairem memory forget" in answer
    assert secret not in answer
    for talk in ("shared", "new"):
        assert wish.rstrip(".") not in await house.say(
            "Max", question, language=language, talk=talk
        )


@pytest.mark.parametrize(
    ("language", "question", "plain"),
    [
        ("en", "Do you remember the dragon of oldword9?", "Where does the dragon sleep?"),
        ("fr", "Te souviens-tu du dragon d'oldword9 ?", "Où dort le dragon ?"),
    ],
)
async def test_what_has_faded_is_told_to_who_asks_just_for_that(
    house: House, language: str, question: str, plain: str
) -> None:
    told = "The dragon of oldword9 sleeps in the attic"
    await house.say("Max", told, talk="max")
    await house.archive()
    assert "attic" not in await house.say("Lea", plain, talk="lea", language=language)
    answer = await house.say("Lea", question, talk="lea", language=language)
    assert told in answer
    assert "Max" in answer
