"""What came in the place of something is found by the words of what it replaced."""

import asyncio
from pathlib import Path

import pytest

from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.recollection import Recollection
from tests.memory.messages import answered, said

CHAIN = ("Bruno lives in Lyon", "He moved to Turin", "Now it is Oslo")


async def keep_chain(store: MemoryStore, *, shared: tuple[bool, ...] = (False,) * 3) -> list[str]:
    """Remember each in the place of the one before; return their contents."""
    last: Recollection | None = None
    for content, is_shared in zip(CHAIN, shared, strict=True):
        last = await store.remember(
            "renarde", content, shared=is_shared, replaces=last.fragment_id if last else None
        )
    return list(CHAIN)


async def found(
    store: MemoryStore, query: str, agent: str = "renarde", *, shared: bool = False
) -> list[str]:
    return [each.content for each in await store.recall(agent, query, limit=5, shared=shared)]


async def test_the_last_of_a_chain_is_found_by_the_words_of_the_first(store: MemoryStore) -> None:
    await keep_chain(store)
    await store.remember("renarde", "Lyon has two rivers")
    assert await found(store, "Where does Bruno live?") == ["Now it is Oslo"]
    assert await found(store, "Turin") == ["Now it is Oslo"]


async def test_what_is_shared_is_not_found_by_what_is_not(store: MemoryStore) -> None:
    await keep_chain(store, shared=(False, True, True))
    assert await found(store, "Where does Bruno live?", "electra", shared=True) == []
    assert await found(store, "Turin", "electra", shared=True) == ["Now it is Oslo"]
    assert await found(store, "Where does Bruno live?") == []  # its own agent asks the same index


async def test_without_what_it_replaced_it_is_found_by_its_own_words_alone(
    store: MemoryStore,
) -> None:
    await keep_chain(store)
    assert await found(store, "Bruno") == ["Now it is Oslo"]
    (last,) = await store.recall("renarde", "Bruno", limit=1)
    assert last.fragment_id is not None
    first = (await store.history("renarde", last.fragment_id))[0]
    assert first.fragment_id is not None
    await store.drop("renarde", first.fragment_id)
    assert await found(store, "Bruno") == []
    assert await found(store, "Turin") == ["Now it is Oslo"]
    await store.index.start_anew()
    assert await found(store, "Bruno") == []
    assert await found(store, "Turin") == ["Now it is Oslo"]


async def test_an_index_that_is_made_anew_knows_it_too(url: str, tmp_path: Path) -> None:
    for _ in range(2):  # the second time from what the first has saved
        store = await MemoryStore.open(url, index_folder=tmp_path / "index")
        if not await found(store, "Oslo"):
            await keep_chain(store)
        await store.index.start_anew()
        assert await found(store, "Where does Bruno live?") == ["Now it is Oslo"]
        await store.close()


async def test_it_tells_of_what_the_other_told_of(store: MemoryStore) -> None:
    first = await store.remember("renarde", "Tea, black", about="Anna")
    await store.remember("renarde", "Coffee, rather", replaces=first.fragment_id)
    kept = await store.recall("renarde", "coffee tea", limit=5, about="Anna")
    assert [each.content for each in kept] == ["Coffee, rather"]
    another = await store.remember(
        "renarde", "Bruno drinks cider", about="Bruno", replaces=kept[0].fragment_id
    )
    assert another.content in [
        each.content for each in await store.recall("renarde", "cider", limit=5, about="Bruno")
    ]
    assert await store.recall("renarde", "cider coffee", limit=5, about="Anna") == []


async def test_what_a_private_one_told_of_is_not_told_by_a_shared_one(store: MemoryStore) -> None:
    private = await store.remember("renarde", "Balloons are ordered", about="surprise for Bob")
    await store.remember(
        "renarde", "All is arranged now", shared=True, replaces=private.fragment_id
    )
    (seen,) = await store.recall("electra", "what is arranged?", limit=5, shared=True)
    assert (seen.content, seen.subject) == ("All is arranged now", None)
    about = {"about": "surprise for Bob", "shared": True}
    assert await store.recall("electra", "arranged", limit=5, **about) == []  # type: ignore[arg-type]


async def test_an_episode_that_is_replaced_keeps_its_link(store: MemoryStore) -> None:
    await store.record(said("the key is in the drawer"))
    (episode,) = await store.recall("renarde", "key", limit=1)
    note = await store.remember("renarde", "It hangs by the door", replaces=episode.fragment_id)
    assert episode.fragment_id is not None
    chain = await store.history("renarde", episode.fragment_id)
    assert [each.fragment_id for each in chain] == [episode.fragment_id, note.fragment_id]


async def test_what_is_committed_while_the_index_is_made_anew_counts(store: MemoryStore) -> None:
    kept = [await store.remember("renarde", f"the key is in drawer {n}") for n in range(30)]
    making = asyncio.create_task(store.index.start_anew())
    for each in kept[:10]:
        await asyncio.sleep(0)
        await store.remember("renarde", f"gone from {each.content[-2:]}", replaces=each.fragment_id)
    await making
    contents = [each.content for each in await store.recall("renarde", "key drawer", limit=50)]
    held = {each.content for each in kept[10:]}
    assert {each for each in contents if each.startswith("the key")} == held
    assert len(store.index._contents.text) == store.index.statistics()["fragments"] == 40


async def test_a_conversation_goes_on_where_its_last_words_were_let_go(store: MemoryStore) -> None:
    for number in range(4):
        await store.record(said(f"violin number {number}", conversation_id="c"))
    last = await store.recall("renarde", "violin", limit=9)
    for each in sorted(last, key=lambda one: one.content)[2:]:
        assert each.fragment_id is not None
        await store.drop("renarde", each.fragment_id)
    await store.record(said("where is the lantern?", conversation_id="c"))
    # What was said around it finds it, too.
    assert "where is the lantern?" in await found(store, "violin")


@pytest.mark.parametrize(
    ("told", "answer", "is_kept"),
    [
        ("Remember that the bike lock code is 1111", "Noted: the bike lock code is 1111.", False),
        (
            "Souviens-toi que le code du vélo est 1111",
            "Noté : « le code du vélo est 1111 ».",
            False,
        ),
        ("Remember that the bike lock code is 1111", "Noted: the bike lock code is 1112.", True),
        ("Where is the bike lock?", "The bike lock hangs on the shelf.", True),
        (
            "The bike is red",
            "The bike is red? I saw a lovely blue one at the harbour last summer.",
            True,
        ),
    ],
)
async def test_what_only_confirms_is_no_memory_of_its_own(
    store: MemoryStore, told: str, answer: str, is_kept: bool
) -> None:
    message = said(told)
    await store.record(message)
    await store.record(answered(message, answer))
    found = await store.recall("renarde", "bike vélo", limit=5)
    assert [each.content for each in found if each.role == "assistant"] == [answer] * is_kept
