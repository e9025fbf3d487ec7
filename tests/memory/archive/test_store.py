"""What is put into the archive comes back as it was, to whom it may."""

import asyncio
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from hairem_core.memory.archive.anchors import Anchor
from hairem_core.memory.archive.errors import AnchorRefused, ArchiveUnavailable
from hairem_core.memory.archive.selection import Selection
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.scope import Scope
from tests.memory.archive.samples import (
    BEGIN,
    MARCEL,
    RENARDE,
    fragment,
    item,
    some_id,
    whole,
)

_ALL = Scope(agent=None)


async def test_every_field_comes_back(archive: ColdArchive) -> None:
    sent = whole()
    plain = fragment(1)
    for each in fields(Fragment):  # a field that is added must be in the sample, to be tried
        assert getattr(sent, each.name) != getattr(plain, each.name), each.name

    await archive.put([item(sent, 0.1, -0.2, 0.3), (plain, None)])

    back = await archive.fetch([sent.id, plain.id, some_id("nobody")], _ALL)
    assert back == {sent.id: item(sent, 0.1, -0.2, 0.3), plain.id: (plain, None)}
    kept = back[sent.id][0]
    assert kept.at.utcoffset() == timedelta(0)
    assert [type(each) for each in kept.sources] == [UUID, UUID]


async def test_a_moment_of_another_zone_is_the_same_moment(archive: ColdArchive) -> None:
    paris = datetime.fromisoformat("2026-07-01T12:00:00.5+02:00")
    sent = fragment(1, at=paris, last_used=paris, valid_from=paris)
    await archive.put([(sent, None)])
    assert (await archive.fetch([sent.id], _ALL))[sent.id][0] == sent


async def test_what_is_put_twice_is_there_once_as_it_was_last(archive: ColdArchive) -> None:
    first = fragment(1)
    await archive.put([item(first, 1, 0), item(fragment(2), 0, 1)])
    second = replace(first, content="something else", uses=3)
    await archive.put([(second, None)])
    await archive.put([(first, None), (second, None)])

    assert await archive.fetch([first.id], _ALL) == {first.id: (second, None)}
    statistics = await archive.statistics()
    assert (statistics["fragments"], statistics["vectors"]) == (2, 1)
    assert [each.fragment for each in await archive.search("spoon", _ALL, limit=5)] == [fragment(2)]


async def test_a_put_is_all_or_nothing(archive: ColdArchive) -> None:
    too_long = "x" * 17 if archive.where.startswith("mysql") else None
    bad = fragment(2, kind=too_long)
    with pytest.raises(ArchiveUnavailable) as caught:
        await archive.put([(fragment(1), None), (bad, None)])
    assert "drawer" not in str(caught.value)  # no error tells what is remembered
    assert await archive.ids([fragment(1).id, bad.id]) == set()


async def test_what_is_there_survives_another_opening(archive_url: str) -> None:
    for number in range(3):
        archive = await ColdArchive.open(archive_url)
        await archive.put([(fragment(number), None)])
        await archive.close()
    archive = await ColdArchive.open(archive_url)
    asked = {fragment(number).id for number in range(5)}
    assert await archive.ids(asked) == {fragment(number).id for number in range(3)}
    await archive.close()


async def test_an_agent_fetches_its_own_and_what_is_shared(archive: ColdArchive) -> None:
    mine = fragment(1)
    his = fragment(2, agent=MARCEL)
    shared = fragment(3, agent=MARCEL, visibility="shared")
    await archive.put([(each, None) for each in (mine, his, shared)])
    ids = [mine.id, his.id, shared.id]

    for scope, seen in (
        (Scope(agent=RENARDE), {mine.id}),
        (Scope(agent=RENARDE, with_shared=True), {mine.id, shared.id}),
        (Scope(agent=MARCEL), {his.id, shared.id}),
        (_ALL, set(ids)),
    ):
        assert set(await archive.fetch(ids, scope)) == seen
        hits = await archive.search("which drawer holds a spoon?", scope, limit=9)
        assert {hit.fragment.id for hit in hits} == seen


async def test_removing_tells_how_many_went(archive: ColdArchive) -> None:
    await archive.put([item(fragment(number), 1, 0) for number in range(5)])
    assert await archive.remove([fragment(1).id, fragment(3).id, some_id("nobody")]) == 2
    assert await archive.remove([fragment(1).id]) == 0
    assert await archive.remove([]) == 0
    left = {fragment(number).id for number in (0, 2, 4)}
    assert await archive.ids([fragment(number).id for number in range(5)]) == left
    assert (await archive.statistics())["vectors"] == 3


async def test_pages_hold_everything_once_and_in_order(archive: ColdArchive) -> None:
    # Many of one moment: the id decides, and no page may end between two and lose one.
    sent = [fragment(number, at=BEGIN + timedelta(hours=number // 700)) for number in range(1600)]
    await archive.put([(each, None) for each in sent])

    pages = [page async for page in archive.select(Selection())]
    assert len(pages) > 2
    ids = [each.id for page in pages for each, _ in page]
    assert ids == [each.id for each in sorted(sent, key=lambda each: (each.at, each.id.hex))]
    resumed = archive.select(Selection(), after_fragment=pages[0][-1][0])
    assert [each.id async for page in resumed for each, _ in page] == ids[len(pages[0]) :]
    assert [each async for page in archive.all_ids() for each in page] == sorted(
        ids, key=lambda each: each.hex
    )


async def test_pages_go_on_while_they_are_removed(archive: ColdArchive) -> None:
    await archive.put([(fragment(number), None) for number in range(1200)])
    seen = 0
    async for page in archive.select(Selection()):
        seen += await archive.remove([each.id for each, _ in page], scrub=False)
    assert seen == 1200
    assert (await archive.statistics())["fragments"] == 0


@pytest.mark.parametrize(
    ("selection", "meant"),
    [
        (Selection(), {1, 2, 3, 4}),
        (Selection(agents=[MARCEL]), {4}),
        (Selection(kinds=["fact", "note"]), {2}),
        (Selection(kinds=[]), set()),
        (Selection(subject="ada"), {2}),
        (Selection(about=["ada"]), {1, 2}),
        (Selection(about=["a%a", 'say "hi"']), {3}),
        (Selection(about=["%"]), set()),
        (Selection(about=["Ada"]), set()),
        (Selection(speaker="person:zoe"), {4}),
        (Selection(since=BEGIN + timedelta(minutes=2)), {2, 3, 4}),
        (Selection(until=BEGIN + timedelta(minutes=2)), {1, 2}),
        (Selection(text="CAFE\N{COMBINING ACUTE ACCENT} DE ZOÉ"), {4}),
        (Selection(text="straße"), {3}),
        (Selection(text="STRASSE", agents=[MARCEL]), set()),
        (Selection(origins=[some_id("event 1"), some_id("event 3")]), {1, 3}),
        (Selection(origins=[some_id("part")]), {2}),
        (Selection(with_replaced=False), {1, 2, 4}),
    ],
)
async def test_selections(archive: ColdArchive, selection: Selection, meant: set[int]) -> None:
    sent = [
        fragment(1, about=("ada", "tea")),
        fragment(2, kind="fact", subject="ada", sources=(some_id("part"),)),
        fragment(3, "In der Straße", about=("a%a",), valid_to=BEGIN + timedelta(days=1)),
        fragment(4, "le café de Zoé", agent=MARCEL, speaker="person:zoe"),
    ]
    await archive.put([(each, None) for each in sent])
    found = [each async for page in archive.select(selection) for each in page]
    assert found == [(sent[number - 1], None) for number in sorted(meant)]


@pytest.mark.parametrize("count", [1_100, 5_000, 40_000])
async def test_a_selection_about_thousands(archive: ColdArchive, count: int) -> None:
    sent = [
        fragment(1, about=("tea", f"key {count - 1}")),
        fragment(2, kind="fact", subject="key 7"),
        fragment(3, about=("tea", "Zoé 🍵", 'a "b" \\ \n%')),
        fragment(4, subject="cup", about=("KEY 7", "key", f"key {count}")),
    ]
    await archive.put([(each, None) for each in sent])
    keys = [*(f"key {number}" for number in range(count)), "Zoé 🍵", 'a "b" \\ \n%']

    found = [each async for page in archive.select(Selection(about=keys)) for each, _ in page]
    assert found == sent[:3]
    hits = await archive.search(sent[1].content, _ALL, limit=5, about=keys)
    assert {each.fragment.id for each in hits} == {each.id for each in sent[:3]}


async def test_the_anchor_is_a_witness(archive_url: str) -> None:
    archive = await ColdArchive.open(archive_url)
    assert await archive.last_anchor() is None
    first, second = bytes(range(32)), bytes(range(1, 33))
    await archive.anchor(100, first, BEGIN)
    await archive.anchor(250, second, BEGIN + timedelta(days=1))
    await archive.anchor(250, second, BEGIN + timedelta(days=2))
    await archive.close()

    archive = await ColdArchive.open(archive_url)
    last = Anchor(number=250, hash=second, at=BEGIN + timedelta(days=2))
    assert await archive.last_anchor() == last
    with pytest.raises(AnchorRefused, match="250 had another hash on 2026-11-03"):
        await archive.anchor(250, first, BEGIN)
    with pytest.raises(AnchorRefused, match="250 was there on 2026-11-03, and now 249 is the last"):
        await archive.anchor(249, first, BEGIN)
    assert await archive.last_anchor() == last
    await archive.anchor(249, first, BEGIN, anew=True)
    assert await archive.last_anchor() == Anchor(number=249, hash=first, at=BEGIN)
    await archive.close()


async def test_several_ask_and_write_at_once(archive: ColdArchive) -> None:
    async def work(number: int) -> None:
        await archive.put([(fragment(number), None)])
        assert await archive.ids([fragment(number).id]) == {fragment(number).id}
        await archive.search(f"drawer {number}", _ALL, limit=1)

    await asyncio.gather(*(work(number) for number in range(20)))
    assert (await archive.statistics())["fragments"] == 20


async def test_ten_thousand_in_one_call(archive: ColdArchive) -> None:
    sent = [item(fragment(number), number, 1) for number in range(10_000)]
    await archive.put(sent)
    statistics = await archive.statistics()
    assert (statistics["fragments"], statistics["vectors"]) == (10_000, 10_000)
    hits = await archive.search("drawer 7777", _ALL, limit=3)
    assert hits[0].fragment == fragment(7777)
    back = await archive.fetch([each.id for each, _ in sent], _ALL)
    assert back == {each.id: (each, vector) for each, vector in sent}


async def test_the_file_is_nobody_elses(sqlite_url: str) -> None:
    archive = await ColdArchive.open(sqlite_url)
    path = Path(archive.where)
    assert path.stat().st_mode & 0o777 == 0o600
    await archive.close()


@pytest.mark.parametrize(
    "url",
    [
        "archive.sqlite3",
        "sqlite:///archive.sqlite3",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///x?mode=ro",
        "mysql://hairem:hunter2@host/db",
        "mysql+aiomysql://hairem:hunter2@host",
        "mysql+aiomysql://host/db",
        "mysql+aiomysql://hairem:hunter2@host/db?ssl=false",
        "mysql+aiomysql://hairem:hunter2@host:port/db",
        "hunter2",
    ],
)
async def test_what_is_no_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ArchiveUnavailable, match="an archive's address is") as caught:
        await ColdArchive.open(url)
    assert "hunter2" not in str(caught.value)
    assert "<user>:<password>@" in str(caught.value)


async def test_a_file_that_is_no_archive_is_told(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    path.parent.mkdir()
    path.write_text("this is a shopping list, not a database, and longer than a header " * 9)
    before = path.read_bytes()
    with pytest.raises(ArchiveUnavailable, match="not a database") as caught:
        await ColdArchive.open(sqlite_url)
    assert caught.value.where == str(path)
    assert path.read_bytes() == before


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveUnavailable, match="cannot be written"):
        await ColdArchive.open(f"sqlite+aiosqlite:///{tmp_path / 'file' / 'archive.sqlite3'}")


async def test_a_moment_is_utc_in_what_comes_back(archive: ColdArchive) -> None:
    await archive.put([(fragment(1), None)])
    back = (await archive.fetch([fragment(1).id], _ALL))[fragment(1).id][0]
    assert back.valid_from.tzinfo is UTC
