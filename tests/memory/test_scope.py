"""No agent ever gets what is another's alone, however it asks; and nothing forks."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hairem_core.memory.errors import MemoryRefused, UnknownFragment
from hairem_core.memory.fragment import KINDS, Fragment
from hairem_core.memory.history import History
from hairem_core.memory.scope import Scope
from hairem_core.memory.store import MemoryStore
from tests.memory.messages import said

AGENTS = ("renarde", "electra", "alfred")
WORDS = ("violet", "lantern", "harbour", "walnut")
START = datetime(2026, 3, 1, tzinfo=UTC)
ANYWHERE = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Vectors:
    """A model whose vectors are of the words that a text has."""

    model = "words"

    async def embed(self, texts: Sequence[str], *, timeout: float) -> list[bytes]:
        return [self._vector(text) for text in texts]

    @staticmethod
    def _vector(text: str) -> bytes:
        values = np.asarray([float(word in text) for word in WORDS] + [0.1])
        return bytes((values / np.linalg.norm(values)).astype("<f2").tobytes())


@pytest.fixture(params=["words", "meaning"])
async def asked(request: pytest.FixtureRequest, folder_url: str) -> Any:
    embedder = Vectors() if request.param == "meaning" else None
    store = await MemoryStore.open(folder_url, embedder=embedder)
    yield store
    await store.close()


FRAGMENTS: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        agent=st.sampled_from(AGENTS),
        words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
        visibility=st.sampled_from(["private", "shared"]),
        kind=st.sampled_from(KINDS),
        about=st.sampled_from([(), ("person:anna",)]),
        since=st.integers(0, 20),
        until=st.none() | st.integers(0, 20),
    ),
    min_size=1,
    max_size=12,
)


@given(
    made=FRAGMENTS,
    asker=st.sampled_from(AGENTS),
    query=st.sampled_from(WORDS),
    shared=st.booleans(),
    as_of=st.none() | st.integers(0, 20),
    kinds=st.sampled_from([(), ("fact",), ("note", "episode")]),
    about=st.sampled_from([None, "person:anna"]),
)
@ANYWHERE
async def test_nobody_finds_what_is_anothers_alone(
    asked: MemoryStore,
    made: list[dict[str, Any]],
    asker: str,
    query: str,
    shared: bool,
    as_of: int | None,
    kinds: Any,
    about: str | None,
) -> None:
    mark = uuid4().hex
    stored = []
    for number, each in enumerate(made):
        at = START + timedelta(days=each["since"])
        until = None if each["until"] is None else START + timedelta(days=each["until"])
        fragment = Fragment(
            id=uuid4(),
            agent=asked.names.identify(each["agent"]),
            kind=each["kind"],
            content=f"{' '.join(each['words'])} {mark} {number}",
            at=at,
            visibility=each["visibility"],
            conversation_id="c",
            about=each["about"],
            last_used=at,
            valid_from=at,
        )
        if until is not None:
            fragment = replace(fragment, valid_to=max(until, at))
        stored.append(await asked.fragments.add(fragment))
    await asked.embeddings.settle()
    then = None if as_of is None else START + timedelta(days=as_of)
    mine = asked.names.identify(asker)

    found = await asked.recall(
        asker, f"{query} {mark}", limit=100, shared=shared, as_of=then, kinds=kinds, about=about
    )

    allowed = {
        each.id
        for each in stored
        if (each.agent == mine or (shared and each.visibility == "shared"))
        and (each.is_valid if then is None else _held(each, then))
        and (not kinds or each.kind in kinds)
        and (about is None or about in each.about)
    }
    ids = {each.fragment_id for each in found if mark in each.content}
    assert ids <= allowed
    # The mark is in all of them: each that may be found is.
    assert ids == allowed
    scope = Scope(agent=mine, with_shared=shared)
    fetched = await asked.fragments.fetch([each.id for each in stored], scope)
    assert set(fetched) == {each.id for each in stored if scope.admits(each)}
    for other in stored:
        if other.agent != mine:
            with pytest.raises(UnknownFragment):
                await asked.history(asker, other.id)


def _held(fragment: Fragment, then: datetime) -> bool:
    return fragment.valid_from <= then and (fragment.valid_to is None or then < fragment.valid_to)


async def test_what_is_shared_is_not_found_by_what_is_private_beside_it(
    asked: MemoryStore,
) -> None:
    await asked.record(said("the code is violet", by="agent:electra", to="agent:renarde"))
    await asked.record(said("walnut", by="agent:electra", to="crew"))
    await asked.record(said("the lantern too", by="agent:electra", to="agent:renarde"))
    await asked.embeddings.settle()

    (found,) = await asked.recall("alfred", "walnut", limit=5, shared=True)
    assert found.content == "walnut"
    for private in ("violet", "lantern"):
        assert await asked.recall("alfred", private, limit=5, shared=True) == []
        assert await asked.recall("electra", private, limit=5) != []


@pytest.mark.parametrize("shared", [False, True])
async def test_of_namesakes_everything_is_found_of_others_what_is_shared(
    asked: MemoryStore, shared: bool
) -> None:
    for agent_id in AGENTS:
        for is_shared in (False, True):
            await asked.remember(agent_id, f"violet {agent_id} {is_shared}", shared=is_shared)
    await asked.embeddings.settle()
    renarde, electra, alfred = map(asked.names.identify, AGENTS)
    scope = Scope(agent=renarde, namesakes=frozenset({electra}), with_shared=shared)

    found = await asked.find(scope, await asked.question("violet", scope, limit=9))

    seen = {(each.agent, each.visibility) for _, each in found.hits}
    of_both = {(agent, each) for agent in (renarde, electra) for each in ("private", "shared")}
    assert seen == of_both | ({(alfred, "shared")} if shared else set())


async def test_recent_is_of_the_agent_alone(store: MemoryStore) -> None:
    await store.record(said("for renarde", to="agent:renarde"))
    await store.record(said("for electra", to="agent:electra"))
    for conversation in ("c1", None):
        (found,) = await store.recent("electra", conversation_id=conversation, limit=9)
        assert found.content == "for electra"


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(AGENTS), st.integers(0, 9), st.integers(-5, 30)),
        min_size=1,
        max_size=12,
    )
)
@ANYWHERE
async def test_replacing_makes_no_fork_and_no_circle_and_keeps_to_its_own(
    asked: MemoryStore, steps: list[tuple[str, int, int]]
) -> None:
    made: list[Fragment] = []
    for agent_id, target, day in steps:
        agent, at = asked.names.identify(agent_id), START + timedelta(days=day)
        new = Fragment(
            id=uuid4(),
            agent=agent,
            kind="note",
            content=f"note of day {day}",
            at=at,
            last_used=at,
            valid_from=at,
        )
        old = made[target] if target < len(made) else None
        if old is not None:
            (old,) = (await asked.fragments.fetch([old.id], Scope(agent=None))).values()
        forbidden = old is not None and (
            old.agent != agent or not old.is_valid or at < old.valid_from
        )
        if forbidden:
            assert old is not None
            with pytest.raises((MemoryRefused, UnknownFragment)):
                await asked.fragments.add(new, replaces=old.id)
        else:
            made.append(await asked.fragments.add(new, replaces=old.id if old else None))
    await _check_chains(asked, [each.id for each in made])


async def _check_chains(store: MemoryStore, ids: list[UUID]) -> None:
    found = await store.fragments.fetch(ids, Scope(agent=None))
    replaced = [each.replaces_id for each in found.values() if each.replaces_id]
    assert len(replaced) == len(set(replaced))
    for each in found.values():
        history = History(store.fragments, None, Scope(agent=each.agent))
        chain = [one.fragment for one in await history.chain(each.id)]
        assert each.id in [one.id for one in chain]
        assert len({one.id for one in chain}) == len(chain)
        assert [one.is_valid for one in chain] == [False] * (len(chain) - 1) + [True]
        for older, newer in pairwise(chain):
            assert (older.replaced_by, newer.replaces_id) == (newer.id, older.id)
            assert older.valid_to == newer.valid_from


async def test_of_two_that_replace_one_at_once_one_is_refused(store: MemoryStore) -> None:
    old = await store.remember("renarde", "the lantern is green")
    outcomes = await asyncio.gather(
        *(
            store.remember("renarde", f"the lantern is {each}", replaces=old.fragment_id)
            for each in WORDS
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(each, MemoryRefused) for each in outcomes) == len(WORDS) - 1
    assert len(await store.history("renarde", old.fragment_id)) == 2
    with pytest.raises(UnknownFragment):
        await store.remember("electra", "mine now", replaces=old.fragment_id)
