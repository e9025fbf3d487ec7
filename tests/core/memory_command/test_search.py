"""`hairem memory` tells what is remembered, and what it was asked wrongly."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from hairem_core.memory.store import MemoryStore
from tests.core.memory_command.house import House
from tests.support.core import ROOT
from tests.support.memory_house import KEY, LAST_MONTH, tamper

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_search(house: House) -> None:
    done = await house.memory("search", "where is the spare key?")
    assert done.code == 0, done
    header, first, *_ = done.out.splitlines()
    assert header.split() == ["when", "agent", "kind", "what", "id"]
    assert first.startswith(f"{LAST_MONTH.astimezone():%Y-%m-%d %H:%M}  renarde")
    assert f"user:anna: {KEY}" in first
    found = await house.json("search", "where is the spare key?", "--limit", "1")
    assert [each["content"] for each in found] == [KEY]
    assert found[0]["id"] in first


async def test_search_with_everything(house: House) -> None:
    arguments = ("--agent", "renarde", "--kind", "note", "--kind", "fact", "--about", "Anna")
    found = await house.json("search", "drinks", *arguments, "--since", "3 days ago", "--archived")
    assert [each["content"] for each in found] == ["Anna drinks coffee."]
    said_on = LAST_MONTH.astimezone()
    before, after = (f"{said_on + timedelta(days=days):%Y-%m-%d}" for days in (-1, 1))
    assert await house.json("search", "key", "--until", before) == []
    day = ("--since", f"{said_on:%Y-%m-%d}", "--until", after)
    assert (await house.json("search", "spare key", *day))[0]["content"] == KEY
    assert await house.json("search", "key", "--since", "1900-01-01", "--limit", "1")
    done = await house.memory("search", "drinks", "--about", "name:nobody")
    assert (done.code, done.out) == (0, "Nothing fits.\n")


async def test_an_agent_that_has_said_nothing_yet(house: House, tmp_path: Path) -> None:
    done = await house.memory("search", "key", "--agent", "quiet")
    assert (done.code, done.out, done.err) == (0, "Nothing fits.\n", "")
    done = await house.memory("forget", "--agent", "quiet")
    assert done.out.startswith("There is nothing to erase")
    target = tmp_path / "quiet.ndjson"
    assert (await house.memory("export", target, "--agent", "quiet")).code == 0
    counts = json.loads(target.read_text().splitlines()[-1])["counts"]
    assert not {"event", "fragment", "archived"} & counts.keys()


async def test_show_and_history(house: House) -> None:
    done = await house.memory("show", house.ids["coffee"])
    assert done.code == 0, done
    shown = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert shown["content"].strip() == "Anna drinks coffee."
    assert shown["replaces"].strip() == house.ids["tea"]
    assert (await house.json("show", house.ids["coffee"]))["id"] == house.ids["coffee"]
    done = await house.memory("history", house.ids["tea"])
    tea, coffee = done.out.splitlines()[1:]
    assert "Anna drinks tea." in tea
    assert "Anna drinks coffee." in coffee
    chain = await house.json("history", house.ids["tea"])
    assert [each["id"] for each in chain] == [house.ids["tea"], house.ids["coffee"]]


async def test_stats_and_verify(house: House) -> None:
    done = await house.memory("stats")
    assert done.code == 0, done
    assert "surrealkv" in done.out
    assert [line for line in done.out.splitlines() if line.startswith("electra ")]
    assert (await house.json("stats"))["agents"]["renarde"]["note"] == 2
    done = await house.memory("verify")
    events = (await house.json("verify"))["checked"]
    assert (done.code, done.out) == (0, f"The chain is whole: {events} events.\n")


async def test_a_broken_chain_is_told(stopped: House) -> None:
    store = await MemoryStore.open(f"surrealkv://{stopped.data / 'memory'}")
    await tamper(store, 2)
    await store.close()
    done = await stopped.memory("verify")
    assert done.code == 1
    assert done.out.startswith("The chain is broken: event 2 was altered")
    found = await stopped.memory("verify", "--json")
    assert (found.code, json.loads(found.out)["number"]) == (1, 2)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("search", ""), "there is nothing to search for"),
        (("search", "x", "--agent", "nobody"), "memory knows no agent 'nobody'"),
        (("search", "x", "--agent", ""), "--agent: is empty"),
        (("search", "x", "--about", " "), "--about: is empty"),
        (("search", "x" * 4_097), "text: is 4,097 characters long"),
        (("search", "x" * 200_000), "It may be 4,096 characters long at most"),
        (("search", "x", "--about", "x" * 100_000), "--about: is 100,000 characters long"),
        (("search", "caf\udce9"), "text: 'caf\\udce9' is no text"),
        (("search", "x", "--about", "caf\udce9"), "--about: 'caf\\udce9' is no text"),
        (("search", "x", "--since", "someday"), "--since: 'someday' is no moment"),
        (("search", "x", "--until", "2026-13-01"), "--until: '2026-13-01' is no moment"),
        (
            ("search", "x", "--since", "now", "--until", "yesterday"),
            "--since: 'now' is after --until 'yesterday'. Exchange them.",
        ),
        (
            ("forget", "--since", "2026-05-02", "--until", "2026-05-01"),
            "--since: '2026-05-02' is after --until '2026-05-01'",
        ),
        (("show", "tea"), "'tea' is no id of a fragment"),
        (("show", "00000000-0000-4000-8000-000000000000"), "there is no fragment 0000"),
        (("history", "00000000-0000-4000-8000-000000000000"), "there is no fragment 0000"),
        (("forget",), "nothing is selected"),
        (("forget", "--yes"), "nothing is selected"),
        (("forget", "--agent", "nobody"), "memory knows no agent 'nobody'"),
        (("forget", "--fragment", "tea", "--yes"), "'tea' is no id of a fragment"),
        (("forget", "--subject", "!!"), "'!!' is no name"),
        (("forget", "--subject", "caf\udce9"), "--subject: 'caf\\udce9' is no text"),
        (("forget", "--person", "x" * 257, "--yes"), "--person: is 257 characters long"),
        (("forget", "--subject", "", "--agent", "renarde"), "--subject: is empty"),
        (("forget", "--since", "someday", "--yes"), "--since: 'someday' is no moment"),
        (("export", "--agent", ""), "--agent: is empty"),
        (("export", "--agent", "nobody"), "memory knows no agent 'nobody'"),
        (("export", "/no/such/file"), "/no/such/file: cannot be written: No such file"),
        (("export", "/tmp"), "/tmp: cannot be written"),
        (("export", ""), "FILE: is empty. Name a file, or `-`."),
        (("import", ""), "FILE: is empty. Name a file, or `-`."),
        (("import", "/no/such/file"), "/no/such/file: cannot be read: No such file"),
        (("import", str(ROOT / "LICENSE")), "this is no export that this hAIrem can read"),
    ],
)
async def test_wrong_input(house: House, arguments: tuple[str, ...], complaint: str) -> None:
    done = await house.memory(*arguments)
    assert (done.code, done.out) == (2, ""), done
    assert done.err.startswith("hairem: ")
    assert complaint in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("option", [("--limit", "0"), ("--limit", "101"), ("--kind", "rumour")])
async def test_wrong_options(house: House, option: tuple[str, str]) -> None:
    done = await house.memory("search", "x", *option)
    assert done.code == 2
    assert option[0] in done.err
