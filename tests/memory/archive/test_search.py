"""What cold storage finds."""

from datetime import timedelta

import pytest

from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.scope import Scope
from tests.memory.archive.samples import (
    BEGIN,
    MARCEL,
    MODEL,
    RENARDE,
    embedding,
    fragment,
    item,
    vector,
)

_ALL = Scope(agent=None)


async def _found(archive: ColdArchive, query: str, **filters: object) -> list[int]:
    """Return the numbers of the fragments that are found, the best first."""
    hits = await archive.search(query, _ALL, limit=9, **filters)  # type: ignore[arg-type]
    return [hit.fragment.seq - 1 for hit in hits]


async def _put(archive: ColdArchive, *contents: str) -> None:
    await archive.put([(fragment(number, text), None) for number, text in enumerate(contents)])


async def test_other_forms_of_the_words_are_found_in_both_languages(archive: ColdArchive) -> None:
    await _put(
        archive,
        "She repaired the old bicycles",
        "Les clés de la cave sont derrière l'évier",
        "nothing of the kind",
        "my bicyclette",
    )
    assert await _found(archive, "repair a bicycle") == [0]
    assert await _found(archive, "où est la cle de la CAVE ?") == [1]
    assert await _found(archive, "zeppelin") == []
    assert await _found(archive, "the of a") == []
    assert await _found(archive, "") == []
    assert await _found(archive, "100% _ ' \" \\ / ;") == []


async def test_a_part_of_a_word_is_no_word(archive: ColdArchive) -> None:
    await _put(archive, "the cat sleeps", "concatenated catalogue")
    assert await _found(archive, "cat") == [0]


async def test_rare_words_count_more_than_frequent_ones(archive: ColdArchive) -> None:
    await _put(archive, "tea in the garden", *(["garden party"] * 5), "tea tea tea")
    hits = await archive.search("tea garden", _ALL, limit=9)
    order = [hit.fragment.seq - 1 for hit in hits]
    assert order[0] == 0
    assert order[1] == 6
    assert sorted(order[2:]) == [1, 2, 3, 4, 5]
    assert hits[0].score == pytest.approx(1.0)
    assert all(0 < hit.score < 1 for hit in hits[1:])
    assert await archive.search("tea garden", _ALL, limit=0) == []
    assert len(await archive.search("tea garden", _ALL, limit=2)) == 2


async def test_vectors_find_what_words_do_not(archive: ColdArchive) -> None:
    near, far, both, other, short = (
        fragment(number, text)
        for number, text in enumerate(["kettle", "roof", "tea cup", "boiler", "cupboard"])
    )
    await archive.put(
        [
            item(near, 1, 0.1, 0),
            item(far, 0, 0, 1),
            item(both, 0.9, 0.4, 0),
            (other, embedding(other, 1, 0, 0, model="another/model")),
            (short, embedding(short, 1, 0)),
        ]
    )
    hits = await archive.search("tea", _ALL, limit=2, vector=vector(1, 0, 0), model=MODEL)
    assert [hit.fragment for hit in hits] == [both, near]
    assert hits[0].cosine == pytest.approx(0.914, abs=0.01)
    assert hits[0].words == pytest.approx(1.0)
    assert hits[1].words == 0.0
    # Without a model it is only words; a word in what has no comparable vector still counts.
    assert [
        hit.cosine for hit in await archive.search("boiler", _ALL, limit=1, vector=vector(1, 0, 0))
    ] == [None]
    hits = await archive.search("boiler", _ALL, limit=9, vector=vector(0, 1, 0), model=MODEL)
    assert (hits[0].fragment, hits[0].cosine) == (other, None)
    assert {hit.fragment for hit in hits} == {other, near, far, both}


async def test_no_vector_of_anothers_is_found(archive: ColdArchive) -> None:
    secret = fragment(1, "the safe's number", agent=MARCEL)
    shared = fragment(2, "the lamp", agent=MARCEL, visibility="shared")
    await archive.put([item(secret, 1, 0), item(shared, 0, 1)])
    asked = {"limit": 9, "vector": vector(1, 0), "model": MODEL}
    assert await archive.search("safe", Scope(agent=RENARDE), **asked) == []  # type: ignore[arg-type]
    scope = Scope(agent=RENARDE, with_shared=True)
    hits = await archive.search("safe", scope, **asked)  # type: ignore[arg-type]
    assert [hit.fragment for hit in hits] == [shared]


async def test_filters(archive: ColdArchive) -> None:
    sent = [
        fragment(0, "tea", about=("ada",)),
        fragment(1, "tea", kind="fact", subject="ada"),
        fragment(2, "tea", kind="note", valid_to=BEGIN + timedelta(days=1)),
    ]
    await archive.put([item(each, 1, 0) for each in sent])
    meaning = {"vector": vector(1, 0), "model": MODEL}
    for also in ({}, meaning):
        assert set(await _found(archive, "tea", **also)) == {0, 1, 2}
        assert set(await _found(archive, "tea", about=["ada"], **also)) == {0, 1}
        assert await _found(archive, "tea", kinds=["note"], **also) == [2]
        assert set(await _found(archive, "tea", with_replaced=False, **also)) == {0, 1}
        since = BEGIN + timedelta(minutes=1)
        assert set(await _found(archive, "tea", since=since, **also)) == {1, 2}
        assert set(await _found(archive, "tea", until=since, **also)) == {0, 1}
        just_before = since - timedelta(microseconds=1)
        assert await _found(archive, "tea", until=just_before, **also) == [0]


async def test_a_question_may_be_a_whole_book(archive: ColdArchive) -> None:
    await _put(archive, "the incomprehensibilities of it")
    book = " ".join(f"word{number}" for number in range(5000))
    assert await _found(archive, f"{book} incomprehensibilities") == [0]
