"""What each selector reaches, what it leaves, and that it goes on after a crash."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid7

import pytest
from pydantic import ValidationError

from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.chain import ChainCheck
from hairem_core.memory.forget.forgetter import Forgetter
from hairem_core.memory.forget.selector import Matcher, Selector
from hairem_core.memory.fragment import Fragment, fragment_id
from hairem_core.memory.scope import Scope
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from tests.memory.forget.house import AwayBus, files_with, open_house, plant, rows_with
from tests.memory.messages import answered, said
from tests.memory.portable.copies import exported, imported
from tests.support.mariadb import MariaDb

ROOT = Path(__file__).parents[3]
AT = datetime(2026, 5, 1, tzinfo=UTC)


async def add(store: MemoryStore, *fragments: Fragment) -> None:
    async def build(head: Head) -> Change:
        return Change(added=list(fragments))

    await store.writer.commit(build)


def fact_of(store: MemoryStore, content: str, *events: UUID, agent: str = "renarde") -> Fragment:
    return Fragment(
        id=uuid7(),
        agent=store.names.identify(agent),
        kind="fact",
        content=content,
        at=AT,
        last_used=AT,
        valid_from=AT,
        derived_from=events,
    )


async def held(store: MemoryStore) -> set[str]:
    return set(await store.database.query("SELECT VALUE content FROM fragment"))


async def spoken(store: MemoryStore) -> list[str]:
    rows = [row async for page in store.events.pages() for row in page]
    return [row["content"] for row in rows if row.get("content")]


async def test_a_name_is_a_whole_word_in_any_writing(store: MemoryStore) -> None:
    for text in ("\u00c9LODIE called", "elodie's cat", "e\u0301lodie, again", "Elodies are many"):
        await store.record(said(text))

    await Forgetter(store).forget(Selector(subject="\u00c9lodie"))

    assert await spoken(store) == ["Elodies are many"]


async def test_what_is_chained_stays_closed_when_its_successor_goes(store: MemoryStore) -> None:
    first, second = (said(f"the code is {code}") for code in ("1111", "Zorblex"))
    for each in (first, second):
        await store.record(each)
    old = fact_of(store, "code 1111", first.header.msg_id)
    new = replace(fact_of(store, "code Zorblex", second.header.msg_id), replaces_id=old.id)
    newest = replace(fact_of(store, "no code"), replaces_id=new.id)
    new = new.closed(AT, newest.id)
    await add(store, old.closed(AT, new.id), new, newest)

    await Forgetter(store).forget(Selector(subject="zorblex"))

    kept = await store.fragments.fetch([old.id, newest.id], Scope(agent=None))
    assert kept[old.id].valid_to == AT
    assert kept[old.id].replaced_by is None
    assert kept[newest.id].replaces_id is None
    found = await store.recall("renarde", "code 1111", limit=5, kinds=["fact"])
    assert [each.content for each in found] == ["no code"]


async def test_what_others_said_of_a_person_stays_and_is_told(store: MemoryStore) -> None:
    await store.record(said("Zebulon owes me twelve ducats"))
    await store.record(said("I like figs", by="user:zebulon", conversation_id="c2"))
    receipt = await Forgetter(store).forget(Selector(person="user:zebulon"))
    assert receipt.not_reached[0] == "others_words"
    assert "--subject" in receipt.words()
    assert [each.content for each in await store.recall("renarde", "Zebulon figs", limit=5)] == [
        "Zebulon owes me twelve ducats"
    ]
    receipt = await Forgetter(store).forget(Selector(subject="Zebulon"))
    assert "others_words" not in receipt.not_reached
    assert await store.recall("renarde", "Zebulon figs", limit=5) == []


async def test_an_answer_goes_with_its_question_and_nobody_elses(store: MemoryStore) -> None:
    question, other = said("Where is Zorblex?"), said("Where is Rex?", by="user:bob")
    for each in (question, answered(question, "In Lyon."), other, answered(other, "At home.")):
        await store.record(each)

    await Forgetter(store).forget(Selector(person="user:anna"))

    assert await spoken(store) == ["Where is Rex?", "At home."]


async def test_of_a_sentence_with_two_facts_the_other_one_keeps_its_words(
    store: MemoryStore,
) -> None:
    message = said("My cat is Tom and my code is 1234")
    await store.record(message)
    event = message.header.msg_id
    cat, code = fact_of(store, "the cat is Tom", event), fact_of(store, "code 1234", event)
    await add(store, cat, code)
    forgetter = Forgetter(store)

    plan = await forgetter.plan(Selector(fragment=code.id))
    await forgetter.forget(Selector(fragment=code.id))
    assert plan.kept_events == 1
    assert await held(store) == {"the cat is Tom", message.payload.content}
    # Once nothing rests on it any more, the sentence goes too.
    await forgetter.forget(Selector(fragment=cat.id))
    assert await held(store) == set()
    assert await spoken(store) == []


async def test_all_that_is_given_must_hold(store: MemoryStore) -> None:
    early, late = AT, AT + timedelta(days=9)
    for by in ("user:anna", "user:bob"):
        for to in ("agent:renarde", "agent:electra"):
            for at in (early, late):
                name = f"{by} {to} {at:%d}"
                await store.record(said(f"{name} of Zorblex", by=by, to=to, at=at))
    selector = Selector(person="user:anna", agent="electra", since=late, subject="zorblex")
    await Forgetter(store).forget(selector)
    left = await spoken(store)
    assert len(left) == 7
    assert "user:anna agent:electra 10 of Zorblex" not in left


async def test_what_is_thought_of_it_meanwhile_is_not_remembered(store: MemoryStore) -> None:
    message = said("Zorblex sings")
    await store.record(message)
    await Forgetter(store).forget(Selector(subject="zorblex"))

    # An interpreter that had read the sentence before comes late with what it made of it.
    late = fact_of(store, "Zorblex is a singer", message.header.msg_id)
    await add(store, late)

    assert await held(store) == set()


async def test_nothing_selected_and_nonsense_are_refused() -> None:
    for values in ({}, {"subject": " .!"}, {"since": AT, "until": AT}, {"until": "yesterday"}):
        with pytest.raises(ValidationError):
            Selector.model_validate(values)


@pytest.mark.parametrize("text", ["Zorb.lex", "a+b", "(x", "[z]", "\\d"])
def test_a_name_is_no_pattern(text: str) -> None:
    matcher = Matcher(Selector(subject=text), agents=None, speakers=[], entities=[])
    assert matcher.words(f"it is {text} again")
    assert not matcher.words("it is zorbXlex aab 7 x z")


async def test_what_is_away_is_told_and_done_later(store: MemoryStore) -> None:
    await store.record(said("Zorblex sings"))
    bus = AwayBus()
    forgetter = Forgetter(store, traces=bus)

    receipt = await forgetter.forget(Selector(subject="zorblex"))

    assert not receipt.is_complete
    assert "Redis cannot be reached" in receipt.words()
    assert await held(store) == set()
    bus.is_away = False
    (again,) = await forgetter.resume()
    assert again.is_complete
    assert again.counts["messages"] == 3
    assert again.counts["events"] == 1
    assert await forgetter.resume() == []


@pytest.fixture
async def mariadb(tmp_path: Path) -> AsyncGenerator[MariaDb]:
    server = MariaDb(tmp_path / "mariadb")
    server.start()
    yield server
    server.stop()


async def test_with_a_mariadb_and_a_server_of_surrealdb(
    tmp_path: Path, mariadb: MariaDb, url: str
) -> None:
    secret, name = "Zorblexian", mariadb.database()
    async with open_house(tmp_path / "house", url, mariadb.url(name)) as house:
        await plant(house, secret)
        receipt = await house.forgetter.forget(Selector(subject=secret))
        assert await rows_with(house, secret) == []
        assert "mariadb_logs" in receipt.not_reached
        assert ("server_files" in receipt.not_reached) == url.startswith("ws")
        assert receipt.counts["archived"] == 1
    assert not [each for each in mariadb.files_of(name) if secret.encode() in each.read_bytes()]


async def test_a_big_one_while_others_speak(store: MemoryStore) -> None:
    await asyncio.gather(
        *(store.record(said(f"{'Zorblex' if n % 2 else 'Rex'} {n}")) for n in range(1_300))
    )
    forgetter = Forgetter(store)

    async def speak() -> None:
        for number in range(40):
            await store.record(said(f"Rex meanwhile {number}"))
            await store.record(said(f"Zorblex meanwhile {number}"))

    speaking = asyncio.create_task(speak())
    await forgetter.forget(Selector(subject="zorblex"), vacuum=False)
    await speaking
    await forgetter.forget(Selector(subject="zorblex"), vacuum=False)

    left = await spoken(store)
    assert len(left) == 650 + 40
    assert not [each for each in left if "Zorblex" in each]
    assert isinstance(await store.events.verify(), ChainCheck)


_FORGETTER = """
import asyncio, os, signal, sys
from pathlib import Path
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.database import Database
from hairem_core.memory.forget.forgetter import Forgetter
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.portable.importer import import_
from hairem_core.memory.store import MemoryStore

async def lines(path):
    yield Path(path).read_bytes()

async def main():
    folder, left = Path(sys.argv[1]), int(sys.argv[2])
    url = f"surrealkv://{folder / 'memory'}"
    store = await MemoryStore.open(url, index_folder=folder / "recall")
    archive = await ColdArchive.open(f"sqlite+aiosqlite:///{folder / 'archive.db'}")
    forgetter = Forgetter(store, archive=archive)
    # What was erased before it was killed does not come back meanwhile.
    await import_(store, lines(sys.argv[4]), archive=archive)
    transact = Database.transact
    async def counting(self, statements):
        nonlocal left
        await transact(self, statements)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    Database.transact = counting
    await forgetter.resume()
    await forgetter.forget(Selector(subject=sys.argv[3]))

asyncio.run(main())
"""


@pytest.mark.timeout(240)
async def test_killed_after_any_commit_it_is_finished_at_the_next_start(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = "Zorblexian"
    file = tmp_path_factory.mktemp("export") / "house.ndjson"
    async with open_house(tmp_path) as house:
        await house.store.record(said("Rex barks"))
        await plant(house, secret)
        file.write_bytes(await exported(house.store, archive=house.archive))
    commits, code = 0, -9
    while code == -signal.SIGKILL:
        # Each time it gets a little further than the last: resumed, and killed again.
        commits += commits // 2 + 1
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _FORGETTER,
            str(tmp_path),
            str(commits),
            secret,
            str(file),
            cwd=ROOT,
            env={**os.environ},
        )
        code = await process.wait()
    assert code == 0
    assert commits > 7
    async with open_house(tmp_path) as house:
        assert await house.forgetter.resume() == []
        report = await imported(house.store, file.read_bytes(), archive=house.archive)
        assert report.added == 0, report.tallies
        found = await rows_with(house, secret)
        assert not [each for each in found if not each.startswith("redis")]
        assert await spoken(house.store) == ["Rex barks"]
        assert isinstance(await house.store.events.verify(), ChainCheck)
        turns = await house.store.recent("renarde", conversation_id=None, limit=5)
        assert [each.content for each in turns] == ["Rex barks"]
    for part in ("memory", "recall"):
        assert files_with(tmp_path / part, secret) == []
    assert secret.encode() not in (tmp_path / "archive.db").read_bytes()


async def test_an_archived_one_by_its_id(store: MemoryStore, tmp_path: Path) -> None:
    archive = await ColdArchive.open(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    message = said("Zorblex sings")
    await store.record(message)
    agent = store.names.identify("renarde")
    episode = fragment_id(agent, message.header.msg_id)
    (fragment,) = (await store.fragments.fetch([episode], Scope(agent=None))).values()
    await archive.put([(fragment, None)])

    async def build(head: Head) -> Change:
        return Change(removed=[fragment])

    await store.writer.commit(build)
    try:
        await Forgetter(store, archive=archive).forget(Selector(fragment=episode))
        assert (await archive.statistics())["fragments"] == 0
        assert await spoken(store) == []
    finally:
        await archive.close()
