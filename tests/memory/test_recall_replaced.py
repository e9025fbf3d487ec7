"""What came in the place of something is found by the words of what it replaced."""

from pathlib import Path

from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.recollection import Recollection

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
