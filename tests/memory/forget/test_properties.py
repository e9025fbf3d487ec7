"""Whatever is in a store and whatever is selected: that goes, all else stays, the chain holds."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid7

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hairem_core.memory.chain import ChainCheck
from hairem_core.memory.forget.forgetter import Forgetter
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.portable.exporter import export
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from tests.memory.messages import answered, said
from tests.memory.portable.copies import exported, imported

START = datetime(2026, 5, 1, tzinfo=UTC)
PEOPLE = ("user:anna", "user:bob")
AGENTS = ("renarde", "electra")
NAMES = ("Gaspard", "Mirabelle")


@dataclass(frozen=True)
class Turn:
    """A question and its answer, and a fact that was made of it."""

    by: str
    to: str
    day: int
    name: str
    is_told_in_answer: bool
    has_fact: bool


TURNS = st.builds(
    Turn,
    by=st.sampled_from(PEOPLE),
    to=st.sampled_from(AGENTS),
    day=st.integers(0, 5),
    name=st.sampled_from((*NAMES, "nobody")),
    is_told_in_answer=st.booleans(),
    has_fact=st.booleans(),
)
SELECTORS = st.fixed_dictionaries(
    {},
    optional={
        "person": st.sampled_from(PEOPLE),
        "agent": st.sampled_from(AGENTS),
        "subject": st.sampled_from(NAMES),
        "since": st.integers(0, 3).map(lambda day: START + timedelta(days=day)),
        "until": st.integers(4, 6).map(lambda day: START + timedelta(days=day)),
    },
).filter(bool)


def is_meant(turn: Turn, values: dict[str, Any], *, in_question: bool) -> bool:
    """Say in the test's own words whether a question or an answer is meant by itself."""
    at = START + timedelta(days=turn.day)
    told = turn.name if in_question != turn.is_told_in_answer else None
    return (
        values.get("person", turn.by) == turn.by
        and values.get("agent", turn.to) == turn.to
        and values.get("subject", told) == told
        and at >= values.get("since", at)
        and (values.get("until") is None or at < values["until"])
    )


@pytest.mark.timeout(240)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(turns=st.lists(TURNS, min_size=1, max_size=8), values=SELECTORS)
async def test_what_is_meant_goes_and_all_else_stays(
    turns: list[Turn], values: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = await MemoryStore.open(f"surrealkv://{folder}/memory")
        try:
            gone, kept = await _live(store, turns, values)
            assert not gone & kept
            before = await exported(store)

            await Forgetter(store).forget(Selector.model_validate(values), vacuum=False)

            assert await _contents(store) == kept
            lines = b"".join([chunk async for chunk in export(store)]).decode()
            for agent in AGENTS:
                recent = await store.recent(agent, conversation_id=None, limit=50)
                recalled = await store.recall(agent, "number sentence fact", limit=99)
                assert not {each.content for each in (*recent, *recalled)} & gone
            assert not [each for each in gone if f'"{each}"' in lines]
            assert not [each for each in kept if f'"{each}"' not in lines]
            assert isinstance(await store.events.verify(), ChainCheck)
            assert (await imported(store, before)).added == 0
            assert await _contents(store) == kept
        finally:
            await store.close()


async def _live(
    store: MemoryStore, turns: list[Turn], values: dict[str, Any]
) -> tuple[set[str], set[str]]:
    """Live through the turns; return what is to go and what is to stay."""
    gone: set[str] = set()
    kept: set[str] = set()
    for number, turn in enumerate(turns):
        at = START + timedelta(days=turn.day)
        told = f"about {turn.name}"
        in_question, in_answer = ("", told) if turn.is_told_in_answer else (told, "")
        question = said(
            f"question number {number} {in_question}".strip(),
            by=turn.by,
            to=f"agent:{turn.to}",
            at=at,
        )
        answer = answered(question, f"answer sentence {number} {in_answer}".strip())
        header = answer.header.model_copy(update={"timestamp": at})
        answer = answer.model_copy(update={"header": header})
        await store.record(question)
        await store.record(answer)
        asked = is_meant(turn, values, in_question=True)
        replied = asked or is_meant(turn, values, in_question=False)
        (gone if asked else kept).add(question.payload.content)
        (gone if replied else kept).add(answer.payload.content)
        if turn.has_fact:
            fact = await _fact(store, turn, number, question.header.msg_id, at)
            (gone if asked else kept).add(fact.content)
    for content in _echoes(turns, values):
        kept.discard(content)
        gone.add(content)
    return gone, kept


def _echoes(turns: list[Turn], values: dict[str, Any]) -> set[str]:
    """Return the answers with a name that nobody has said whose words stay."""
    asked = [is_meant(turn, values, in_question=True) for turn in turns]
    going = {
        turn.name
        for turn, goes in zip(turns, asked, strict=True)
        if goes and not turn.is_told_in_answer
    }
    staying = {
        turn.name
        for turn, goes in zip(turns, asked, strict=True)
        if not goes and not turn.is_told_in_answer
    }
    return {
        f"answer sentence {number} about {turn.name}"
        for number, turn in enumerate(turns)
        if turn.is_told_in_answer
        and turn.name in going - staying
        and values.get("agent", turn.to) == turn.to
    }


async def _fact(store: MemoryStore, turn: Turn, number: int, event: UUID, at: datetime) -> Fragment:
    fact = Fragment(
        id=uuid7(),
        agent=store.names.identify(turn.to),
        kind="fact",
        at=at,
        last_used=at,
        valid_from=at,
        content=f"fact number {number}",
        derived_from=(event,),
    )

    async def build(head: Head) -> Change:
        return Change(added=[fact])

    await store.writer.commit(build)
    return fact


async def _contents(store: MemoryStore) -> set[str]:
    rows = [row async for page in store.events.pages() for row in page]
    fragments = await store.database.query("SELECT VALUE content FROM fragment")
    return {row["content"] for row in rows if row.get("content")} | set(fragments)
