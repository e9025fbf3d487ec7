"""What fades is summed up by a model, which may fail, hang or answer rubbish."""

from datetime import timedelta

import pytest

from hairem_core.config.system import DreamConfig
from hairem_core.memory.dream.synthesis import synthesis_id
from hairem_core.memory.dream.words import in_words
from hairem_core.memory.fragment import Fragment, Kind
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from hairem_core.sdk.chat import ChatRequest
from tests.memory.dream.scene import (
    ELECTRA,
    RENARDE,
    Clock,
    ScriptedModel,
    dreamer,
    echo,
    everything,
    fragment,
    keep,
)

SYNTHESIS: tuple[Kind, ...] = ("synthesis",)
GARDEN = [f"we {each} tomatoes today" for each in ("planted", "watered", "picked", "ate")]


@pytest.fixture
def url(folder_url: str) -> str:
    """What is asked of the engine here is asked of both in `test_dream.py`."""
    return folder_url


def _garden(**more: object) -> list[Fragment]:
    return [
        fragment(text, days=40 - number / 10, importance=0.3, **more)  # type: ignore[arg-type]
        for number, text in enumerate(GARDEN)
    ]


async def _syntheses(store: MemoryStore) -> list[Fragment]:
    return [each for each in (await everything(store)).values() if each.kind == "synthesis"]


async def test_a_dense_cluster_becomes_one_paragraph(store: MemoryStore, clock: Clock) -> None:
    sources = _garden()
    fresh = fragment("we planted tomatoes again today", days=1)
    await keep(store, [*sources, fresh])
    model = ScriptedModel()

    digest = await dreamer(store, model=model).dream()

    (made,) = await _syntheses(store)
    assert made.id == synthesis_id(RENARDE, [each.id for each in sources])
    assert made.sources == tuple(each.id for each in sources)
    assert set(made.derived_from) == {one for each in sources for one in each.derived_from}
    assert made.visibility == "private"
    assert made.content == " ".join(GARDEN)
    after = await everything(store)
    assert {after[each.id].importance for each in sources} == {0.15}
    assert after[fresh.id].importance == fresh.importance
    assert all(after[each.id].is_valid for each in sources)
    assert (digest.synthesised_count, digest.model_calls) == (1, 1)
    assert GARDEN[0] in in_words(digest, "en")
    found = await store.recall("renarde", "tomatoes", limit=9, kinds=SYNTHESIS)
    assert [each.fragment_id for each in found] == [made.id]

    for _ in range(5):  # it fades itself, and is not summed up once more
        clock.at += timedelta(days=30)
        await dreamer(store, model=model).dream()
    assert [each.id for each in await _syntheses(store)] == [made.id]
    assert len(model.asked) == 1


@pytest.mark.parametrize(("language", "expected"), [("fr-FR", "français"), ("en", "English")])
async def test_it_is_asked_for_in_the_language_spoken(
    store: MemoryStore, language: str, expected: str
) -> None:
    await keep(store, _garden(language=language))
    model = ScriptedModel()
    await dreamer(store, model=model, language="en").dream()
    ((agent, request),) = model.asked
    assert agent == "renarde"
    assert expected in request.messages[0].content
    assert request.language == language[:2]
    assert (await _syntheses(store))[0].language == language[:2]


async def test_what_all_share_is_shared_and_anything_else_is_private(store: MemoryStore) -> None:
    shared = _garden(visibility="shared")
    mixed = [*_garden(agent=ELECTRA, visibility="shared")[1:], _garden(agent=ELECTRA)[0]]
    await keep(store, [*shared, *mixed])
    await dreamer(store, model=ScriptedModel()).dream()
    made = {each.agent: each.visibility for each in await _syntheses(store)}
    assert made == {RENARDE: "shared", ELECTRA: "private"}


async def test_what_tells_of_one_thing_belongs_together_over_months(store: MemoryStore) -> None:
    words = ["roof leaked", "mended chimney", "attic dry", "paid Mr Martin"]
    apart = [
        fragment(text, days=60 + 20 * number, importance=0.2, about=("roof",))
        for number, text in enumerate(words)
    ]
    lonely = [
        fragment(f"{text} elsewhere {number}", days=60 + 20 * number, importance=0.2)
        for number, text in enumerate(["xylophone", "violin", "zither", "harp"])
    ]
    await keep(store, [*apart, *lonely])
    await dreamer(store, model=ScriptedModel()).dream()
    (made,) = await _syntheses(store)
    assert set(made.sources) == {each.id for each in apart}
    assert made.about == ("roof",)


def _invents_a_number(request: ChatRequest) -> str:
    return f"{echo(request)} on 77 days"


def _invents_a_name(request: ChatRequest) -> str:
    return f"{echo(request)} with Napoleon"


def _never_ends(request: ChatRequest) -> str:
    return echo(request) * 50


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "  \n ",
        '{"summary": "we planted tomatoes today"}',
        "```\nwe planted tomatoes today\n```",
        "As an AI language model I am unable to fulfil such requests.",
        "we planted tomatoes\x00 today\x07",
        _invents_a_number,
        _invents_a_name,
        _never_ends,
    ],
)
async def test_rubbish_is_not_kept_and_asked_for_again_the_next_night(
    store: MemoryStore, clock: Clock, answer: str
) -> None:
    await keep(store, _garden())
    model = ScriptedModel(answers=[answer, echo])
    house = dreamer(store, model=model)

    digest = await house.dream()

    assert await _syntheses(store) == []
    assert {each.importance for each in (await everything(store)).values()} == {0.3}
    assert [each.step for each in digest.failures] == ["synthesis"]
    assert "no synthesis" in in_words(digest, "en")
    clock.at += timedelta(days=1)
    assert (await house.dream()).synthesised_count == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [("fail", "away"), ("hang", "did not answer"), ("crash", "KeyError")],
)
async def test_a_model_that_fails_is_told_and_keeps_nothing_else_back(
    store: MemoryStore, clock: Clock, answer: str, told: str
) -> None:
    await keep(store, _garden())
    model = ScriptedModel(answers=[answer, echo])
    house = dreamer(store, model=model, model_timeout=0.05)

    digest = await house.dream()

    assert told in digest.failures[0].what
    assert digest.chain is not None
    assert digest.finished_at is not None
    assert await _syntheses(store) == []
    clock.at += timedelta(days=1)
    assert (await house.dream()).synthesised_count == 1


async def test_the_model_is_asked_so_often_a_night_and_no_more(
    store: MemoryStore, clock: Clock
) -> None:
    for number in range(5):
        await keep(
            store,
            [
                fragment(f"{text} {number}", days=40 + 20 * number, importance=0.2)
                for text in ("red boat sails", "red boat sinks", "red boat rests", "red boat rots")
            ],
        )
    model = ScriptedModel()
    house = dreamer(store, model=model, config=DreamConfig(synthesis_calls=2))
    await house.dream()
    assert len(model.asked) == 2
    await house.dream()
    assert len(model.asked) == 2
    clock.at += timedelta(days=1)
    await house.dream()
    assert len(model.asked) == 4
    none = dreamer(store, model=model, config=DreamConfig(synthesis_calls=0))
    clock.at += timedelta(days=1)
    assert (await none.dream()).skipped["synthesis"] == "switched_off"
    assert len(model.asked) == 4


async def test_an_agent_without_a_model_is_left_alone(store: MemoryStore) -> None:
    await keep(store, [*_garden(), *_garden(agent=ELECTRA)])
    model = ScriptedModel(agents=frozenset({"electra"}))
    await dreamer(store, model=model).dream()
    assert [each.agent for each in await _syntheses(store)] == [ELECTRA]
    nobody = await dreamer(store, model=ScriptedModel(agents=frozenset())).dream()
    assert nobody.skipped["synthesis"] == "no_model"


async def test_what_is_forgotten_while_the_model_thinks_does_not_come_back(
    store: MemoryStore,
) -> None:
    sources = _garden()
    await keep(store, sources)

    class Slow(ScriptedModel):
        async def complete(self, agent_id: str, request: ChatRequest) -> str:
            async def forget(head: Head) -> Change:
                there = await everything(store)
                return Change(removed=[there[sources[1].id]])

            await store.writer.commit(forget)
            return await super().complete(agent_id, request)

    digest = await dreamer(store, model=Slow()).dream()
    assert digest.synthesised_count == 0
    assert await _syntheses(store) == []
    assert {each.importance for each in (await everything(store)).values()} == {0.3}
