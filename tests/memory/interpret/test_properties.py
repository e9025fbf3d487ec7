"""Whatever is told, in whatever order: one value holds, chains do not fork, agents keep apart."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hairem_core.memory.fragment import Fragment
from hairem_core.memory.interpret.text import plain, sentences
from hairem_core.sdk.identity import agent_uuid
from tests.memory.interpret.conftest import RENARDE, Room
from tests.memory.interpret.samples import day, facts

ELECTRA = agent_uuid("electra")
_PLACES = ("Lyon", "Paris", "Bern", "New York", "York", "Genève")
_COLOURS = ("blue", "green", "red")
_HOME = (
    "I live in {}",
    "I moved to {}",
    "J'habite à {}",
    "On a déménagé à {}",
    "We live in {} now",
)
_COLOUR = (
    "My favourite colour is {}",
    "{} is my favorite color now",
    "Actually, my favourite colour is {}",
    "I prefer {} now",
)
_words = st.one_of(
    st.builds(str.format, st.sampled_from(_HOME), st.sampled_from(_PLACES)),
    st.builds(str.format, st.sampled_from(_COLOUR), st.sampled_from(_COLOURS)),
    st.sampled_from(("I no longer live in Lyon", "Hello", "no, it's red now", "I like tea")),
)
_told = st.tuples(_words, st.integers(0, 9), st.sampled_from(("renarde", "electra")), st.booleans())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_told, max_size=9))
def test_chains_neither_fork_nor_turn_back(told: list[tuple[str, int, str, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_tell(f"surrealkv://{Path(folder) / 'memory'}", told))


async def _tell(url: str, told: list[tuple[str, int, str, bool]]) -> None:
    room = await Room.open(url)
    heard = {RENARDE: 0, ELECTRA: 0}
    try:
        for words, on, agent_id, settle in told:
            await room.say(words, at=day(on), to=f"agent:{agent_id}")
            heard[agent_uuid(agent_id)] += 1
            if settle:
                before = await room.facts(ELECTRA if agent_id == "renarde" else RENARDE)
                await room.interpreter.settle()
                del before
        await room.interpreter.settle()
        for agent, count in heard.items():
            held = await room.facts(agent)
            assert len(held) <= count
            _check(held)
        first = {each.id: each for agent in heard for each in await room.facts(agent)}
        await room.say("I live in Oslo", at=day(20), to="agent:electra")
        await room.interpreter.settle()
        mine = await room.facts(RENARDE)
        assert all(first[each.id] == each for each in mine)  # another agent's are not touched
    finally:
        await room.close()


def _check(held: list[Fragment]) -> None:
    by_id = {each.id: each for each in held}
    valid = Counter((each.subject, each.slot) for each in held if each.is_valid and each.slot)
    assert all(count == 1 for count in valid.values())
    newest: dict[tuple[str | None, str | None], Fragment] = {}
    for each in held:
        if each.valid_to is not None:
            assert each.valid_to >= each.valid_from
        if each.replaced_by is not None:
            successor = by_id[each.replaced_by]
            assert successor.replaces_id == each.id
            assert successor.valid_from >= each.valid_from
        if each.replaces_id is not None:
            assert by_id[each.replaces_id].replaced_by == each.id
        seen = {each.id}
        walked = each
        while walked.replaced_by is not None:
            walked = by_id[walked.replaced_by]
            assert walked.id not in seen
            seen.add(walked.id)
        key = (each.subject, each.slot)
        if key not in newest or newest[key].valid_from < each.valid_from:
            newest[key] = each
    replaced = Counter(each.replaces_id for each in held if each.replaces_id)
    assert all(count == 1 for count in replaced.values())
    for each in held:
        if each.is_valid and each.slot:
            # What was told of the latest moment is what holds.
            assert each.valid_from == newest[each.subject, each.slot].valid_from


@given(st.text(max_size=300))
def test_anything_may_be_said(text: str) -> None:
    assert len(plain(text)) == len(text)
    for fact in facts(text, None):
        assert fact.content
    for sentence in sentences(text):
        assert sentence in text


_LOOSE = "I my is the live in Paris Anna 's not like , . and mon est la clé que je said if ?"


@given(st.lists(st.sampled_from(_LOOSE.split()), max_size=20))
def test_words_in_any_order_harm_nobody(words: list[str]) -> None:
    text = " ".join(words)
    for fact in facts(text, None):
        assert fact.content in text
        assert "?" not in fact.content
