"""What was forgotten here does not come back with an export from before; what is new is kept."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid7

import pytest
from surrealdb import RecordID

from hairem_core.memory.archive.mover import ArchiveMover
from hairem_core.memory.archive.store import ColdArchive, Item
from hairem_core.memory.forget.forgetter import Forgetter
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.fragment import Entity, Fragment, Relation
from hairem_core.memory.portable.report import ImportReport
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from tests.memory.messages import said
from tests.memory.portable.copies import contents, exported, imported

AT = datetime(2026, 5, 1, tzinfo=UTC)
KEY = "name:zebulon"


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncGenerator[ColdArchive]:
    opened = await ColdArchive.open(f"sqlite+aiosqlite:///{tmp_path / 'archive.db'}")
    yield opened
    await opened.close()


async def other_store(folder: Path) -> MemoryStore:
    return await MemoryStore.open(f"surrealkv://{folder}")


def fragment(store: MemoryStore, content: str, **more: Any) -> Fragment:
    values: dict[str, Any] = {
        "id": uuid7(),
        "agent": store.names.identify("renarde"),
        "kind": "note",
        "content": content,
        "at": AT,
        "last_used": AT,
        "valid_from": AT,
    }
    return Fragment(**(values | more))


async def commit(store: MemoryStore, change: Change) -> None:
    async def build(head: Head) -> Change:
        return change

    await store.writer.commit(build)


async def live(store: MemoryStore, archive: ColdArchive) -> list[Fragment]:
    """Leave Zebulon, and Rex, everywhere but in events; return two notes that name him."""
    agent = store.names.identify("renarde")
    liar = fragment(store, "Zebulon is a liar", subject=KEY, about=(KEY,))
    thief = fragment(store, "Zebulon is a thief", about=(KEY,))
    dog = fragment(store, "Rex is a dog", about=("name:rex",))
    both = fragment(store, "A liar and a thief", kind="synthesis", sources=(liar.id, thief.id))
    names = {KEY: "Zebulon", "name:rex": "Rex", "thing:bone": "bone"}
    await commit(
        store,
        Change(
            added=[liar, thief, dog, both],
            entities=[
                Entity(agent=agent, key=key, name=name, mentions=7, last_at=AT)
                for key, name in names.items()
            ],
            relations=[
                Relation(
                    agent=agent,
                    kind="knows",
                    source=source,
                    target=target,
                    weight=5.0,
                    last_at=AT,
                    derived_from=tuple(each.id for each in said_by),
                )
                for source, target, said_by in (
                    (KEY, "name:rex", [liar]),
                    ("name:rex", "thing:bone", [liar, dog]),
                )
            ],
        ),
    )
    await archive.put(
        [
            (fragment(store, "Zebulon was here", about=(KEY,)), None),
            (fragment(store, "Rex was here", about=("name:rex",)), None),
        ]
    )
    await store.set_state("renarde", "debts", {"Zebulon": 12})
    await store.set_state("renarde", "mood", "calm")
    return [liar, thief]


async def forget(store: MemoryStore, archive: ColdArchive, selector: Selector) -> None:
    receipt = await Forgetter(store, archive=archive).forget(selector, vacuum=False)
    assert receipt.is_complete
    assert "zebulon" not in receipt.model_dump_json().lower()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What came of importing an export from before something was forgotten."""

    before: bytes
    """The export."""
    kept: dict[str, Any]
    """All that was there before the import, and is after it."""
    report: ImportReport


async def forgotten_then_imported(
    store: MemoryStore,
    archive: ColdArchive,
    selector: Selector,
    *,
    since: Callable[[], Awaitable[None]] | None = None,
) -> Attempt:
    """Export, forget, do what `since` does, and import: fail if that changes anything."""
    before = await exported(store, archive=archive)
    await forget(store, archive, selector)
    if since is not None:
        await since()
    kept = await contents(store)
    report = await imported(store, before, archive=archive)
    assert report.is_whole, report.problems
    assert report.added == 0
    assert await contents(store) == kept
    return Attempt(before=before, kept=kept, report=report)


def left_out(report: ImportReport) -> dict[str, int]:
    return {kind: tally.left_out for kind, tally in report.tallies.items() if tally.left_out}


async def test_what_no_event_tells_of(store: MemoryStore, archive: ColdArchive) -> None:
    await live(store, archive)

    done = await forgotten_then_imported(store, archive, Selector(subject="Zebulon"))

    assert left_out(done.report) == {
        "fragment": 3,
        "archived": 1,
        "entity": 1,
        "relation": 1,
        "state": 1,
    }
    # Of what stays, what it owed to him does not come back either.
    (bone,) = done.kept["relation"]
    assert bone["weight"] == 4.0
    assert len(bone["derived_from"]) == 1
    assert await store.recall("renarde", "Who is a liar?", limit=5) == []
    assert (await archive.statistics())["fragments"] == 1
    assert await store.get_state("renarde", "debts") is None
    assert await store.get_state("renarde", "mood") == "calm"
    assert b"ebulon" not in await exported(store, archive=archive)
    # Once more, line by line, it is the same.
    again = await imported(store, done.before, archive=archive, size=7)
    assert left_out(again) == left_out(done.report)


async def test_by_the_agent_whose_it_was(store: MemoryStore, archive: ColdArchive) -> None:
    # What was said to two of them stays, as it is not hers alone.
    await store.record(said("Rex barks", to="core:crew"))
    await live(store, archive)

    kept = (await forgotten_then_imported(store, archive, Selector(agent="renarde"))).kept

    assert kept["fragment"] == kept["entity"] == kept["relation"] == kept["agent_state"] == []
    assert (await archive.statistics())["fragments"] == 0


async def test_a_fragment_whose_event_stays(store: MemoryStore, archive: ColdArchive) -> None:
    message = said("Zebulon is a liar and Rex is a dog")
    await store.record(message)
    events = (message.header.msg_id,)
    liar = fragment(store, "Zebulon is a liar", kind="fact", derived_from=events, about=(KEY,))
    dog = fragment(store, "Rex is a dog", kind="fact", derived_from=events)
    await commit(store, Change(added=[liar, dog]))

    done = await forgotten_then_imported(store, archive, Selector(fragment=liar.id))

    assert left_out(done.report) == {"fragment": 1}
    assert done.kept["raw_event"][0]["content"] == message.payload.content
    left = {each["content"] for each in done.kept["fragment"]}
    assert left == {dog.content, message.payload.content}


async def test_what_its_agent_lets_go_of(store: MemoryStore) -> None:
    note = (await store.remember("renarde", "Zebulon is a liar")).fragment_id
    before = await exported(store)
    assert note is not None
    await store.drop("renarde", note)

    report = await imported(store, before)

    assert left_out(report) == {"fragment": 1}
    assert await store.recall("renarde", "Who is a liar?", limit=5) == []


async def test_what_was_made_of_it_elsewhere(
    store: MemoryStore, archive: ColdArchive, tmp_path: Path
) -> None:
    notes = await live(store, archive)
    before = await exported(store, archive=archive)
    await forget(store, archive, Selector(subject="Zebulon"))
    other = await other_store(tmp_path / "other")
    try:
        await imported(other, before)
        agent = other.names.identify("renarde")
        synthesis = fragment(other, "Two crimes", kind="synthesis", sources=(notes[0].id,))
        knows = Relation(agent=agent, kind="knows", source=KEY, target="thing:x", last_at=AT)
        told = replace(knows, source="name:rex", derived_from=(notes[1].id,))
        news = fragment(other, "Rex is old")
        await commit(other, Change(added=[synthesis, news], relations=[knows, told]))
        data = await exported(other)
    finally:
        await other.close()

    report = await imported(store, data, archive=archive)

    assert report.tallies["fragment"].added == 1
    assert left_out(report) == {"fragment": 4, "entity": 1, "relation": 3, "state": 1}


async def test_what_a_dream_said_of_it(
    store: MemoryStore, archive: ColdArchive, tmp_path: Path
) -> None:
    liar, _ = await live(store, archive)
    before = await exported(store, archive=archive)
    other = await other_store(tmp_path / "other")
    try:
        await imported(other, before)
        learned = [
            {"fragment_id": str(liar.id), "content": "Zebulon is a liar"},
            {"fragment_id": str(uuid7()), "content": "Rex is a dog"},
        ]
        progress = {"moving": [str(liar.id)], "digest": {"learned": learned}}
        row = {
            "id": RecordID("dream", uuid7()),
            "state": "done",
            "started_at": AT,
            "progress": json.dumps(progress),
            "digest": json.dumps({"learned": learned}),
        }
        put = Statement(text="UPSERT $id CONTENT $row", variables={"id": row["id"], "row": row})
        await commit(other, Change(statements=[put]))
        data = await exported(other)
    finally:
        await other.close()
    await forget(store, archive, Selector(fragment=liar.id))

    report = await imported(store, data, archive=archive)

    assert report.tallies["dream"].added == 1
    (dream,) = await store.database.query("SELECT * FROM dream")
    assert json.loads(dream["digest"]) == {"learned": learned[1:]}
    assert json.loads(dream["progress"]) == {"moving": [], "digest": {"learned": learned[1:]}}


async def test_what_is_forgotten_while_it_is_imported(
    store: MemoryStore, archive: ColdArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = said("Zebulon is a liar")
    await store.record(message)
    liar = fragment(store, "a liar", derived_from=(message.header.msg_id,))
    await archive.put([(liar, None)])
    before = await exported(store, archive=archive)
    await archive.remove([liar.id])
    mover = ArchiveMover(store.database, store.writer, store.fragments, archive)
    forgetter = Forgetter(store, archive=archive, exclusively=mover.exclusively)
    put = archive.put
    forgetting = []

    async def late(items: Sequence[Item]) -> None:
        # It was asked already whether the sentence is forgotten.
        monkeypatch.undo()
        task = asyncio.create_task(forgetter.forget(Selector(subject="Zebulon"), vacuum=False))
        forgetting.append(task)
        await asyncio.wait([task], timeout=1)
        await put(items)

    monkeypatch.setattr(archive, "put", late)
    await imported(store, before, archive=archive, exclusively=mover.exclusively)

    (task,) = forgetting
    assert (await task).counts["archived"] == 1
    assert await archive.ids([liar.id]) == set()


async def test_what_is_said_anew_is_kept(store: MemoryStore, archive: ColdArchive) -> None:
    await live(store, archive)

    async def say_anew() -> None:
        agent = store.names.identify("renarde")
        entity = Entity(agent=agent, key=KEY, name="Zebulon", last_at=AT)
        knows = Relation(agent=agent, kind="knows", source=KEY, target="name:rex", last_at=AT)
        note = fragment(store, "Zebulon is a friend", about=(KEY,))
        await commit(store, Change(added=[note], entities=[entity], relations=[knows]))
        await store.set_state("renarde", "debts", {"Zebulon": 0})

    # Nor does what is here again learn what the file knows of it.
    done = await forgotten_then_imported(
        store, archive, Selector(subject="Zebulon"), since=say_anew
    )

    assert len(done.kept["entity"]) == 3
    assert left_out(done.report)["entity"] == 1
    assert await store.get_state("renarde", "debts") == {"Zebulon": 0}
    found = await store.recall("renarde", "What of Zebulon?", limit=5, kinds=["note"])
    assert [each.content for each in found] == ["Zebulon is a friend"]
    # What came since can be exported and imported as ever; elsewhere too.
    again = await imported(store, await exported(store, archive=archive), archive=archive)
    assert again.is_whole
    assert again.added == 0
    assert await contents(store) == done.kept


async def test_the_fingerprints_tell_nothing_and_stay_here(
    store: MemoryStore, archive: ColdArchive, tmp_path: Path
) -> None:
    notes = await live(store, archive)
    await forget(store, archive, Selector(subject="Zebulon"))
    rows = await store.database.query("SELECT * FROM tombstone")
    assert len(rows) == 3 + 1 + 1 + 1 + 1
    assert all(set(row) == {"id"} and len(row["id"].id) == 32 for row in rows)
    assert not [row for row in rows if "ebulon" in str(row) or str(notes[0].id) in str(row)]
    data = await exported(store, archive=archive)
    assert not [row for row in rows if row["id"].id.encode() in data]

    # Of the same, another store has other ones, and what it did not forget it takes in.
    other = await other_store(tmp_path / "other")
    try:
        await commit(other, Change(added=[replace(each) for each in notes]))
        old = await exported(other)
        await Forgetter(other).forget(Selector(subject="Zebulon"))
        theirs = await other.database.query("SELECT VALUE id FROM tombstone")
        assert len(theirs) == 2
        assert {each.id for each in theirs}.isdisjoint(row["id"].id for row in rows)
        # They outlive the vacuum, and the process.
        await other.close()
        other = await other_store(tmp_path / "other")
        assert left_out(await imported(other, old)) == {"fragment": 2}
    finally:
        await other.close()


async def test_cut_off_before_the_event_that_says_what_was_forgotten(
    store: MemoryStore, archive: ColdArchive, tmp_path: Path
) -> None:
    for each in ("Zebulon is here", "it rains", "it pours"):
        await store.record(said(each))
    await forget(store, archive, Selector(subject="Zebulon"))
    data = await exported(store)
    last = [each for each in data.splitlines(keepends=True) if b'"line":"event"' in each][-1]
    other = await other_store(tmp_path / "other")

    report = await imported(other, data[: data.index(last)])

    assert report.chain_break is not None
    assert "does not say so (the file ended too early)" in report.chain_break.what
    assert (await imported(other, data)).is_whole
    await other.close()


@pytest.mark.parametrize("share", [0.45, 0.6, 0.75, 0.9])
async def test_it_does_not_come_back_to_what_is_left_of_a_damaged_store(
    tmp_path: Path, archive: ColdArchive, share: float
) -> None:
    store = await other_store(tmp_path / "memory")
    await live(store, archive)
    for number in range(20):
        await store.record(said(f"thing {number}"))
    await store.record(said("Zebulon is here"))
    before = await exported(store, archive=archive)
    receipt = await Forgetter(store, archive=archive).forget(Selector(subject="Zebulon"))
    assert receipt.is_complete
    await store.close()
    (log,) = (tmp_path / "memory" / "clog").iterdir()
    with log.open("r+b") as file:
        file.seek(int(log.stat().st_size * share))
        file.write(b"GARBAGE" * 5)
    (tmp_path / "memory.whole").unlink()

    store = await other_store(tmp_path / "memory")
    await imported(store, before, archive=archive)

    data = (await exported(store, archive=archive)).lower()
    assert b"thing 19" in data
    assert b"zebulon" not in data
    await store.close()
