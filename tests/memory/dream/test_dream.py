"""What a night does to a memory, on the real engine and a real archive."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from hairem_core.config.system import DreamConfig
from hairem_core.memory.dream.digest import Digest
from hairem_core.memory.dream.dreamer import Dreamer
from hairem_core.memory.dream.words import in_words
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from tests.memory.dream.scene import (
    ELECTRA,
    NOW,
    RENARDE,
    Archive,
    Clock,
    ScriptedModel,
    dreamer,
    dreams,
    everything,
    fragment,
    furnish,
    keep,
)
from tests.memory.messages import said


async def _valid(store: MemoryStore) -> list[str]:
    found = await everything(store)
    return sorted(each.content for each in found.values() if each.is_valid)


async def test_what_says_the_same_is_merged_into_the_oldest(store: MemoryStore) -> None:
    first = fragment("Felix sleeps on the sofa", days=9, kind="note", uses=1, importance=0.4)
    second = fragment("felix  sleeps on the sofa", days=5, kind="note", uses=2, importance=0.8)
    third = fragment("Felix sleeps on the sofa!", days=2, kind="note", about=("felix",))
    await keep(store, [third, first, second])

    digest = await dreamer(store).dream()

    kept = (await everything(store))[first.id]
    assert digest.merged_count == 2
    assert kept.is_valid
    assert (kept.uses, kept.importance, kept.about) == (3, 0.8, ("felix",))
    assert set(kept.derived_from) == {
        *first.derived_from,
        *second.derived_from,
        *third.derived_from,
    }
    assert kept.last_used == third.last_used
    for gone in (second, third):
        closed = (await everything(store))[gone.id]
        assert (closed.valid_to, closed.replaced_by) == (NOW, first.id)
        assert closed.content == gone.content
    found = await store.recall("renarde", "Felix sofa", limit=5)
    assert [each.fragment_id for each in found] == [first.id]


OTHER_THINGS = [
    ("Anna likes jazz in the evening", "Anna does not like jazz in the evening"),
    ("Anna likes opera at noon", "Anna doesn't like opera at noon"),
    ("Anna aime le jazz le soir", "Anna n'aime pas le jazz le soir"),
    ("the alarm rings at 7 each morning", "the alarm rings at 8 each morning"),
    ("la réunion commence à 9 heures lundi", "la réunion commence à 10 heures lundi"),
    ("Anna loves Paul very much indeed", "Paul loves Anna very much indeed"),
    ("the garage door is open", "is the garage door open?"),
    ("the cellar door is open", "the cellar door is open?"),
    ("his birthday is on Monday", "her birthday is on Monday"),
    ("il aime le chocolat noir", "elle aime le chocolat noir"),
    ("we drive to Paris tomorrow", "we drive from Paris tomorrow"),
    ("Anna eats everything except nuts", "Anna eats everything nuts"),
    ("...", "!!!"),
]


async def test_what_says_another_thing_is_not_merged(store: MemoryStore) -> None:
    pairs = [*OTHER_THINGS, *((other, one) for one, other in OTHER_THINGS)]
    for number, (one, other) in enumerate(pairs):
        who = f"user:{number}"
        both = [fragment(one, days=3, speaker=who), fragment(other, days=2, speaker=who)]
        await keep(store, both)
    assert (await dreamer(store).dream()).merged_count == 0
    assert len(await _valid(store)) == 2 * len(pairs)


async def test_what_was_said_on_two_days_is_found_by_both(store: MemoryStore) -> None:
    lunch, greeting = "I had lunch with Paul at the harbour.", "Hello there"
    said = [
        fragment(lunch, days=days, speaker="user:anna", importance=0.5) for days in (16, 9, 8.99, 2)
    ]
    hellos = [
        fragment(greeting, days=days, speaker="user:anna", importance=0.2) for days in (16, 9, 2)
    ]
    await keep(store, [*said, *hellos])
    assert (await dreamer(store).dream()).merged_count == 3
    assert await _valid(store) == sorted([greeting, lunch, lunch, lunch])
    found = await store.recall("renarde", "lunch", limit=5, since=NOW - timedelta(days=3))
    assert [each.fragment_id for each in found] == [said[-1].id]


async def test_a_shorter_one_goes_and_a_longer_one_stays(store: MemoryStore) -> None:
    long = "the spare key of the red bicycle hangs behind the kitchen door beside the dusty mirror"
    short = long.replace(" dusty", "")
    await keep(store, [fragment(long, days=5), fragment(short, days=4.9)])
    # The other way round the newer says more: it would be lost.
    both = [fragment(short, days=5, agent=ELECTRA), fragment(long, days=4.9, agent=ELECTRA)]
    await keep(store, both)

    assert (await dreamer(store).dream()).merged_count == 1

    assert await _valid(store) == sorted([long, long, short])


async def test_without_vectors_more_of_the_words_must_be_common(
    wordy_store: MemoryStore,
) -> None:
    long = "the spare key of the red bicycle hangs behind the kitchen door beside the dusty mirror"
    short = long.replace(" dusty", "")
    again = long.replace("the dusty", "a dusty")
    await keep(
        wordy_store, [fragment(each, days=3 + len(each) / 1_000) for each in (long, short, again)]
    )
    await dreamer(wordy_store).dream()
    assert await _valid(wordy_store) == sorted([long, short])


async def test_what_is_not_of_a_kind_is_not_merged(store: MemoryStore) -> None:
    one = fragment("good night everybody", days=3, speaker="user:anna")
    others: list[dict[str, Any]] = [
        {"agent": ELECTRA},
        {"visibility": "shared"},
        {"kind": "note"},
        {"speaker": "user:paul"},
        {"valid_to": NOW - timedelta(days=1)},
    ]
    different = [
        fragment(one.content, days=2 + number / 10, **({"speaker": "user:anna"} | each))
        for number, each in enumerate(others)
    ]
    await keep(store, [one, *different])
    assert (await dreamer(store).dream()).merged_count == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Anna's favourite colour is blue", "Anna's favourite colour is green"),
        ("La couleur préférée d'Anna est le bleu", "La couleur préférée d'Anna est le vert"),
    ],
)
async def test_of_two_facts_that_contradict_each_other_the_newer_holds(
    store: MemoryStore, old: str, new: str
) -> None:
    about: dict[str, Any] = {"kind": "fact", "subject": "anna", "slot": "favourite colour"}
    first, second = fragment(old, days=5, **about), fragment(new, days=2, **about)
    third = fragment(f"{new}, no: red", days=1, **about)
    other = fragment("Anna is tall", days=4, kind="fact", subject="anna")
    await keep(store, [third, first, other, second])

    digest = await dreamer(store).dream()

    found = await everything(store)
    assert digest.contradicted_count == 2
    assert [(each.old, each.new) for each in digest.contradicted] == [
        (old, new),
        (new, third.content),
    ]
    assert not found[first.id].is_valid
    assert found[first.id].replaced_by == second.id
    assert found[second.id].replaces_id == first.id
    assert found[second.id].replaced_by == third.id
    assert found[third.id].is_valid
    assert found[other.id].is_valid
    chain = await store.history("renarde", second.id)
    assert [each.fragment_id for each in chain] == [first.id, second.id, third.id]
    words = in_words(digest, "fr")
    assert f"« {old} » → « {new} »" in words
    assert "“" in in_words(digest, "en")


async def test_what_is_told_again_after_something_else_holds(store: MemoryStore) -> None:
    about: dict[str, Any] = {"kind": "fact", "subject": "anna", "slot": "drink"}
    told = [
        fragment(f"Anna drinks {each}", days=9 - days, **about)
        for days, each in enumerate(("tea", "coffee", "tea"))
    ]
    told[2] = replace(told[2], id=uuid5(told[2].id, "again"))
    await keep(store, told)
    await dreamer(store).dream()
    found = await everything(store)
    assert [found[each.id].is_valid for each in told] == [False, False, True]


async def test_what_has_faded_goes_to_the_archive_and_facts_stay(
    store: MemoryStore, archive: Archive
) -> None:
    faded = fragment("small talk", days=400, importance=0.1)
    pinned = fragment("the will is in the safe", days=400, importance=0.1, pinned=True)
    used = fragment("the plumber is Mr Martin", days=400, importance=0.9, uses=30)
    fact = fragment("Anna was born in Lyon", days=900, kind="fact", subject="anna", importance=0.1)
    closed = fragment(
        "Anna lives in Nice",
        days=900,
        kind="fact",
        subject="anna",
        importance=0.1,
        valid_to=NOW - timedelta(days=400),
    )
    just_closed = fragment(
        "Anna works at sea", days=900, kind="fact", importance=0.1, valid_to=NOW - timedelta(days=3)
    )
    await keep(store, [faded, pinned, used, fact, closed, just_closed])

    digest = await dreamer(store, archive).dream()

    assert digest.archived_count == 2
    assert digest.strengths.faded == 4
    assert set(await archive.all()) == {faded.id, closed.id}
    assert set(await everything(store)) == {pinned.id, used.id, fact.id, just_closed.id}


async def test_an_archive_that_is_away_keeps_nothing_else_back(
    store: MemoryStore, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.record(said("good evening"))
    await keep(store, [fragment("small talk", days=400)])
    await keep(store, [fragment(f"the shed {n} is green", days=2, kind="note") for n in (1, 2)])
    house = dreamer(store, archive)

    async def away(*args: object, **kwargs: object) -> None:
        from hairem_core.memory.archive.errors import ArchiveUnavailable

        err = ArchiveUnavailable("does not answer", where="nas", hint="Start it.")
        raise archive.cold._reach.away(err)

    with monkeypatch.context() as patch:
        for name in ("put", "anchor", "last_anchor"):
            patch.setattr(archive.cold, name, away)
        digest = await house.dream()

    assert digest.skipped["archive"] == "archive_away"
    assert digest.archived_count == 0
    assert digest.chain is not None
    assert digest.chain.is_whole
    assert digest.chain.anchor == "away"
    assert "does not answer" in "".join(each.what for each in digest.failures)
    for language, told, alone in (
        ("en", "The archive cannot be reached", "as far as it can be told without the archive"),
        ("fr", "L'archive est injoignable", "autant qu'on puisse le dire sans le témoignage"),
    ):
        text = in_words(digest, language)  # type: ignore[arg-type]
        assert text.count("nas: does not answer. Start it.") == text.count(told) == 1
        assert alone in text
        assert not any(each in text for each in ("failed", "échec", "Verifying", "Vérification"))
    assert "Archived nothing." in in_words(digest, "en")
    assert f"{digest.chain.checked} events is whole, as far as" in in_words(digest, "en")
    again = await house.dream()
    assert again.archived_count == 1
    assert again.failures == []


async def test_the_archive_bears_witness_to_the_chain(store: MemoryStore, archive: Archive) -> None:
    for number in range(5):
        await store.record(said(f"sentence {number}"))
    house = dreamer(store, archive)
    first = await house.dream()
    assert first.chain is not None
    assert (first.chain.is_whole, first.chain.checked, first.chain.anchor) == (True, 5, "kept")
    last = await archive.cold.last_anchor()
    assert last is not None
    assert (last.number, last.hash) == (5, store.writer.head.hash)

    # Somebody cuts the chain behind event 5 and writes another one that is whole in itself.
    await archive.cold.anchor(5, b"another hash" * 2, NOW, anew=True)
    second = await house.dream()
    assert second.chain is not None
    assert (second.chain.is_whole, second.chain.broken_at) == (False, 5)
    assert "BROKEN" in in_words(second, "en")
    assert "ROMPU" in in_words(second, "fr")
    assert house.status()["chain"] == "broken"

    await archive.cold.anchor(9, b"a later one!" * 2, NOW, anew=True)
    third = await house.dream()
    assert third.chain is not None
    assert third.chain.broken_at == 9
    kept = await archive.cold.last_anchor()
    assert kept is not None
    assert kept.number == 9  # a chain that is broken is not witnessed


async def test_what_was_learned_since_the_dream_before_is_told(
    store: MemoryStore, clock: Clock
) -> None:
    fact: dict[str, Any] = {"kind": "fact", "subject": "anna"}
    await keep(store, [fragment("Anna is allergic to nuts", days=2, **fact)])
    house = dreamer(store)
    first = await house.dream()
    assert [each.content for each in first.learned] == ["Anna is allergic to nuts"]
    assert (first.learned[0].agent, first.learned[0].subject) == ("renarde", "anna")

    clock.at += timedelta(days=1)
    await keep(store, [fragment("Anna plays the cello", days=0, **fact)])
    second = await house.dream()
    assert [each.content for each in second.learned] == ["Anna plays the cello"]
    third = await house.dream()
    assert (third.learned, third.learned_count) == ([], 0)
    assert "Anna plays the cello" in in_words(second, "en")
    assert "Rien appris" in in_words(third, "fr")


async def test_a_second_dream_changes_nothing(store: MemoryStore, archive: Archive) -> None:
    await furnish(store)
    model = ScriptedModel()
    house = dreamer(store, archive, model=model)
    first = await house.dream()
    before, archived = await everything(store), await archive.all()
    asked = len(model.asked)

    second = await house.dream()

    assert first.merged_count == 48
    assert first.contradicted_count == 48
    assert first.synthesised_count > 4
    assert first.archived_count > 250
    assert await everything(store) == before
    assert await archive.all() == archived
    assert len(model.asked) == asked
    counts = (second.merged_count, second.contradicted_count, second.synthesised_count)
    assert (*counts, second.archived_count) == (0, 0, 0, 0)
    assert first.failures == second.failures == []


async def test_nothing_is_lost_by_a_dream(store: MemoryStore, archive: Archive) -> None:
    await furnish(store)
    before = await everything(store)
    await dreamer(store, archive, model=ScriptedModel()).dream()
    after, archived = await everything(store), await archive.all()

    assert not set(after) & set(archived)
    made = (set(after) | set(archived)) - set(before)
    both = after | archived
    assert {both[each].kind for each in made} == {"synthesis"}
    assert set(before) <= set(both)
    events = {one for each in before.values() for one in each.derived_from}
    assert events == {one for each in both.values() for one in each.derived_from}
    for each, one in before.items():
        assert both[each].content == one.content
    check = {one.id: one for one in both.values() if not one.is_valid}
    for one in check.values():
        assert one.replaced_by in both
        assert _end(one, both).is_valid


def _end(one: Fragment, both: dict[UUID, Fragment]) -> Fragment:
    while one.replaced_by is not None:
        one = both[one.replaced_by]
    return one


async def test_old_dreams_are_trimmed(store: MemoryStore) -> None:
    house = dreamer(store)
    for _ in range(63):
        await house.dream()
    assert await dreams(store) == 60
    assert (await dreamer(store).dream()).dream_id is not None
    assert await dreams(store) == 60


async def test_the_digest_outlives_the_process(url: str, clock: Clock) -> None:
    store = await MemoryStore.open(url, clock=clock)
    await keep(store, [fragment("Anna is tall", kind="fact", subject="anna")])
    told = await dreamer(store).dream()
    await store.close()

    again = await MemoryStore.open(url, clock=clock)
    house = dreamer(again)
    assert house.latest() is None
    await house.start()
    try:
        assert house.latest() == told
        assert Digest.model_validate_json(told.model_dump_json()) == told
    finally:
        await house.stop()
        await again.close()


async def test_forgotten_words_leave_the_digests(store: MemoryStore) -> None:
    anna = fragment("Anna is ill", kind="fact", subject="anna")
    others = [fragment(f"{who} is well", kind="fact", subject=who) for who in ("Paul", "Bruno")]
    await keep(store, [anna, *others])
    house = dreamer(store)
    await house.dream()

    async def build(head: Head) -> Change:
        statements = await house.forgotten({anna.id}, lambda text: "Bruno" in text)
        return Change(removed=[anna], statements=statements)

    await store.writer.commit(build)
    rows = str(await store.database.query("SELECT * FROM dream"))
    assert "Anna" not in rows
    assert "Bruno" not in rows
    assert "Paul is well" in rows
    latest = house.latest()
    assert latest is not None
    assert [each.content for each in latest.learned] == ["Paul is well"]


async def test_what_is_forgotten_during_a_dream_is_not_told_by_it(store: MemoryStore) -> None:
    facts = [
        fragment(f"Anna's colour is {colour}", days=days, kind="fact", subject="a", slot="colour")
        for days, colour in ((9, "blue"), (5, "green"))
    ]
    await keep(store, facts)

    async def forget(head: Head) -> Change:
        return Change(statements=await house.forgotten({facts[0].id}))

    class Witness:
        async def last_anchor(self) -> None:
            await store.writer.commit(forget)

        async def anchor(self, number: int, digest: bytes, at: datetime) -> None:
            pass

    await store.record(said("good evening"))
    house = Dreamer(store=store, config=DreamConfig(), archive=Witness())
    digest = await house.dream()
    assert digest.contradicted_count == 1
    assert digest.contradicted == []
    assert "blue" not in str(await store.database.query("SELECT * FROM dream"))


async def test_a_dream_that_cannot_be_read_holds_up_nothing(store: MemoryStore) -> None:
    await dreamer(store).dream()

    async def damage(head: Head) -> Change:
        text = 'UPDATE dream SET progress = "{}", state = "running" RETURN NONE'
        return Change(statements=[Statement(text=text)])

    await store.writer.commit(damage)
    house = dreamer(store)
    await house.start()
    assert house.latest() is None
    digest = await house.dream()
    await house.stop()
    assert house.latest() == digest
    assert await dreams(store) == 1


async def test_without_model_and_archive_it_says_so(store: MemoryStore) -> None:
    await furnish(store)
    digest = await dreamer(store, config=DreamConfig()).dream()
    assert digest.skipped == {"synthesis": "no_model", "archive": "no_archive"}
    assert "nothing is made up" in in_words(digest, "en")
    assert "rien n'est inventé" in in_words(digest, "fr")
    assert not any(each.kind == "synthesis" for each in (await everything(store)).values())


async def test_shared_and_private_of_two_agents_stay_apart(store: MemoryStore) -> None:
    await keep(
        store,
        [
            fragment("the code is 1234", days=5, kind="note", agent=RENARDE),
            fragment("the code is 1234", days=4, kind="note", agent=ELECTRA, visibility="shared"),
        ],
    )
    await dreamer(store).dream()
    assert len(await _valid(store)) == 2
