"""`hairem memory` and `hairem dream`: on a running house, and on a stopped one."""

import asyncio
import gzip
import json
import os
import pty
import shutil
import stat
import sys
import tracemalloc
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from hairem_core.api import memory as memory_api
from hairem_core.cli.main import app
from hairem_core.cli.memory_client import open_memory
from hairem_core.cli.memory_files import opened_to_read, opened_to_write
from hairem_core.cli.places import Places
from hairem_core.data import COMMAND, DataFolder
from hairem_core.errors import HairemError
from hairem_core.memory.store import MemoryStore
from tests.memory.learning import learn
from tests.memory.messages import said
from tests.support.command import Outcome, RunningCore, hairem, hairem_on_a_full_disk
from tests.support.core import ROOT, running_core, write_agent
from tests.support.memory_house import KEY, LAST_MONTH, large_export, seeded, tamper

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUIET = "from hairem_core.sdk import *\n\n\nclass Agent(BaseAgent):\n    pass\n"


class House:
    """A data folder that remembers a few things."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.config = folder / "system.yaml"
        self.ids: dict[str, str] = {}
        write_agent(folder / "agents", "quiet", QUIET)
        self.config.write_text(f"agents:\n  folders: [{folder / 'agents'}]\n")

    @property
    def environment(self) -> dict[str, str]:
        return {"HAIREM_CONFIG": str(self.config), "HAIREM_DATA": str(self.data)}

    async def run(self, *arguments: str | Path) -> Outcome:
        """Run a command in this process, where what it imports is there already."""
        # Commands have a loop of their own.
        return await asyncio.to_thread(_invoke, [str(each) for each in arguments], self.environment)

    async def memory(self, *arguments: str | Path) -> Outcome:
        return await self.run("memory", *arguments)

    async def json(self, *arguments: str | Path) -> Any:
        done = await self.memory(*arguments, "--json")
        assert done.code == 0, done
        return json.loads(done.out)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["running", "stopped"])
async def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    house = House(tmp_path_factory.mktemp(request.param))
    house.ids = await seeded(house.data)
    if request.param == "stopped":
        yield house
        return
    async with running_core(house.data.parent, agents=house.data.parent / "agents"):
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def stopped(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.ids = await seeded(house.data)
    return house


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


async def test_a_full_disk_takes_no_output(house: House) -> None:
    for command in (("search", "spare key"), ("stats",), ("export", "-")):
        done = await hairem_on_a_full_disk("memory", *command, **house.environment)
        what = "hairem: the output cannot be written: No space left on device\n"
        assert (done.code, done.err) == (1, what)


async def test_a_full_disk_takes_no_export(house: House) -> None:
    done = await house.memory("export", "/dev/full")
    what = "hairem: /dev/full: cannot be written: No space left on device\n"
    assert (done.code, done.err) == (2, what)


async def test_a_long_path_of_temporary_files_is_no_obstacle(house: House, tmp_path: Path) -> None:
    place = tmp_path / ("x" * 110)
    place.mkdir()
    where = ("--data", house.data, "--config", house.config)
    done = await hairem("memory", "stats", *where, TMPDIR=str(place))
    assert (done.code, done.err) == (0, "")
    target = tmp_path / "memory.ndjson"
    done = await hairem("memory", "export", target, *where, TMPDIR=str(place))
    assert (done.code, target.exists()) == (0, True), done
    assert list(place.iterdir()) == []


async def test_two_commands_at_once(house: House) -> None:
    done = await asyncio.gather(
        *(
            hairem("memory", "search", "spare key", "--data", house.data, timeout=40)
            for _ in range(2)
        )
    )
    codes = sorted(each.code for each in done)
    # On a stopped house one of them has the memory to itself, and the other says so.
    assert codes in ([0, 0], [0, 2])
    for each in done:
        assert (
            KEY in each.out
            if each.code == 0
            else "is in use by another `hairem` command (process " in each.err
        )


async def test_forgetting_without_a_terminal_only_tells(house: House) -> None:
    done = await house.memory("forget", "--subject", "flowerpot")
    assert done.code == 0, done
    assert KEY in done.out
    assert "Nothing was erased" in done.out
    plan = await house.json("forget", "--subject", "flowerpot")
    assert plan["counts"]["events"] == 2
    assert (await house.json("search", "spare key"))[0]["content"] == KEY
    done = await house.memory("forget", "--subject", "Methuselah")
    assert done.out.startswith("There is nothing to erase")


async def test_export_and_import(house: House, tmp_path: Path) -> None:
    whole = tmp_path / "memory.ndjson.gz"
    done = await house.memory("export", whole)
    assert (done.code, done.out) == (0, ""), done
    assert done.err.startswith("Wrote ")
    assert stat.S_IMODE(whole.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [whole.name], "nothing is left over"
    written = gzip.decompress(whole.read_bytes())
    assert len(written.splitlines()) == int(done.err.split()[1].replace(",", ""))
    piped = await house.memory("export", "-", "--agent", "electra")
    assert KEY not in piped.out
    assert json.loads(piped.out.splitlines()[-1])["line"] == "end"
    again = await house.json("import", whole)
    assert (again["added"], again["whole"]) == (0, True)
    (tmp_path / "other").mkdir()
    other = House(tmp_path / "other")
    done = await other.memory("import", whole)
    assert done.code == 0, done
    assert [line for line in done.out.splitlines() if line.startswith("event ")]
    assert (await other.json("search", "where is the spare key?"))[0]["content"] == KEY
    assert (await other.memory("verify")).code == 0


async def test_a_file_that_is_damaged_is_told(house: House, tmp_path: Path) -> None:
    exported = (await house.memory("export")).out.splitlines()
    damaged = tmp_path / "damaged.ndjson"
    damaged.write_text("\n".join([*exported[:3], "}{", *exported[3:]]) + "\n")
    done = await house.memory("import", damaged)
    assert done.code == 1
    assert "line 4: " in done.out
    assert ["(unreadable)", "0", "0", "0", "1"] in [each.split() for each in done.out.splitlines()]
    report = json.loads((await house.memory("import", damaged, "--json")).out)
    assert report["unreadable"] == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "junk"])
async def test_a_compressed_file_that_is_damaged_gives_what_it_can(
    house: House, tmp_path: Path, damage: str
) -> None:
    exported = (await house.memory("export")).out.encode()
    packed = bytearray(gzip.compress(exported))
    told = {
        "cut": "the file: it was cut off. ",
        "flipped": "the file: what it holds is damaged (",
        "junk": "the file: something that is not compressed comes after its end. ",
    }
    match damage:
        case "cut":
            del packed[-200:]
        case "flipped":
            packed[-200] ^= 0xFF
        case _:
            packed += b"junk"
    file = tmp_path / "memory.ndjson.gz"
    file.write_bytes(packed)
    (tmp_path / "other").mkdir()
    other = House(tmp_path / "other")
    done = await other.memory("import", file)
    assert (done.code, done.err) == (1, ""), done
    assert told[damage] in done.out
    assert "was taken in; get the whole file and import it again." in done.out
    assert (await other.json("search", "spare key"))[0]["content"] == KEY
    done = await house.memory("import", file, "--json")
    assert (done.code, json.loads(done.out)["whole"]) == (1, False)
    file.write_bytes(packed[:15])
    done = await house.memory("import", file)
    assert done.code == 2
    assert f"{file}: it was cut off" in done.err


async def test_dream(house: House) -> None:
    done = await house.run("dream")
    assert done.code == 0, done
    assert done.out.startswith("The night of ")
    assert "is whole" in done.out
    assert done.err == "", "no bar where nobody looks"
    done = await house.run("dream", "--json")
    assert json.loads(done.out)["reason"] == "asked"


async def test_what_was_said_does_not_steer_the_terminal(stopped: House) -> None:
    store = await MemoryStore.open(f"surrealkv://{stopped.data / 'memory'}")
    await store.record(said("My bike code is \x1b[31m77\x1b[0m\u202e.", to="agent:renarde"))
    await learn(store)
    await store.close()
    done = await stopped.run("dream")
    assert "renarde, of user:anna: My bike code is ?[31m77?[0m?" in done.out
    found = await stopped.json("search", "bike code")
    assert "My bike code is \x1b[31m77\x1b[0m\u202e" in [each["content"] for each in found]
    fact = next(each["id"] for each in found if each["kind"] == "fact")
    for command in (
        ("dream", "--json"),
        *(("memory", *each) for each in (("search", "bike"), ("search", "bike", "--json"))),
        *(("memory", *each) for each in (("show", fact), ("show", fact, "--json"))),
        *(("memory", "forget", "--person", "user:anna", *each) for each in ((), ("--json",))),
    ):
        done = await stopped.run(*command)
        assert done.code == 0, done
        assert not any(each in done.out for each in ("\x1b", "\u202e")), command


async def test_letters_that_the_terminal_does_not_have(stopped: House) -> None:
    store = await MemoryStore.open(f"surrealkv://{stopped.data / 'memory'}")
    await store.remember("renarde", "The emoji of the house is \U0001f3e1.")
    await store.close()
    search = ("memory", "search", "emoji")
    where = ("--data", stopped.data, "--config", stopped.config)
    latin = "latin-1:strict"
    done = await hairem(*search, *where, PYTHONIOENCODING=latin)
    assert (done.code, done.err) == (0, "")
    assert "The emoji of the house is ?." in done.out
    done = await hairem(*search, "--json", *where, PYTHONIOENCODING=latin)
    assert json.loads(done.out)[0]["content"] == "The emoji of the house is \U0001f3e1."


async def test_a_file_in_the_place_of_the_index(stopped: House) -> None:
    shutil.rmtree(stopped.data / "recall")
    (stopped.data / "recall").touch()
    told = f"hairem: {stopped.data / 'recall'}: the recall index cannot be written: [Errno 20] "
    for command in (("memory", "stats"), ("up", "--port", "0")):
        done = await hairem(*command, "--data", stopped.data, "--config", stopped.config)
        assert (done.code, done.out) == (2, "")
        assert done.err.splitlines()[-1].startswith(told)
        assert "Traceback" not in done.err


async def test_forgetting(tmp_path: Path) -> None:
    house = House(tmp_path)
    await seeded(house.data)
    refused = await house.memory("forget", "--subject", "flowerpot", "--yes")
    assert refused.code == 2
    assert "no H-Core runs" in refused.err
    async with RunningCore(house.data, house.config):
        code, out = await _at_a_terminal(
            house, b"n\n", "memory", "forget", "--subject", "flowerpot"
        )
        assert code == 1
        assert "Erase it for good?" in out
        assert "nobody said yes" in out
        assert (await house.json("search", "spare key"))[0]["content"] == KEY
        code, out = await _at_a_terminal(
            house, b"y\n", "memory", "forget", "--subject", "flowerpot"
        )
        assert code == 0, out
        assert "Erased: " in out
        contents = [each["content"] for each in await house.json("search", "spare key")]
        assert KEY not in contents
        receipt = await house.json("forget", "--agent", "electra", "--yes")
        assert receipt["unfinished"] == []
        assert (await house.memory("verify")).code == 0


async def test_a_dream_at_a_terminal_in_french(stopped: House) -> None:
    stopped.config.write_text(f"house:\n  language: fr\n{stopped.config.read_text()}")
    code, out = await _at_a_terminal(stopped, b"", "dream")
    assert code == 0, out
    assert "La nuit du " in out
    assert "Dreaming: " in out


async def test_a_broken_chain_is_told(stopped: House) -> None:
    store = await MemoryStore.open(f"surrealkv://{stopped.data / 'memory'}")
    await tamper(store, 2)
    await store.close()
    done = await stopped.memory("verify")
    assert done.code == 1
    assert done.out.startswith("The chain is broken: event 2 was altered")
    found = await stopped.memory("verify", "--json")
    assert (found.code, json.loads(found.out)["number"]) == (1, 2)


async def test_a_folder_in_use_or_without_a_memory(stopped: House, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    done = await hairem("memory", "stats", "--data", empty)
    assert done.code == 2
    assert f"{empty}: no H-Core runs on this data folder, and there is no memory in it" in done.err
    assert not empty.exists(), "a look makes nothing"
    data = DataFolder(stopped.data)
    data.lock()
    try:
        done = await stopped.memory("stats")
    finally:
        data.unlock()
    assert done.code == 2
    assert f"is in use by another H-Core (process {os.getpid()})" in done.err


async def test_h_core_waits_for_a_command_to_end(stopped: House) -> None:
    data = DataFolder(stopped.data)
    data.lock(by=COMMAND)
    up = ("up", "--port", "0", "--data", stopped.data, "--config", stopped.config)
    told = (
        f"hairem: {stopped.data}: is in use by another `hairem` command (process {os.getpid()}); "
        "this goes on once that has ended\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hairem_core", *map(str, up)), cwd=ROOT, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            assert (await process.stderr.readline()).decode() == told
            data.unlock()
            assert b" listens on " in await process.stdout.readline()
            process.terminate()
            _, err = await process.communicate()
            assert told not in err.decode()
        data.lock(by=COMMAND)
        done = await hairem(*up, timeout=40)
        assert done.code == 2
        assert done.err.startswith(told)
        assert "Wait for its end, or give this one another folder" in done.err.splitlines()[-1]
    finally:
        data.unlock()
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_an_address_that_is_left_over(stopped: House) -> None:
    (stopped.data / "address").write_text("127.0.0.1:1\n")
    (stopped.data / "command.token").write_text("hairem_x\n")
    done = await stopped.memory("verify")
    assert done.code == 0, done


async def test_a_memory_on_a_server_is_not_taken_from_another_house(stopped: House) -> None:
    stopped.config.write_text("memory:\n  url: ws://127.0.0.1:1/rpc\n")
    done = await stopped.memory("stats")
    assert done.code == 2
    assert "its memory is on a server" in done.err


async def test_h_core_stops_in_the_middle_of_an_export(tmp_path: Path) -> None:
    house = House(tmp_path)
    await seeded(house.data)
    large = tmp_path / "large.ndjson"
    with large.open("wb") as file:
        async for piece in large_export(16):
            file.write(piece)
    assert (await house.memory("import", large)).code == 0
    async with RunningCore(house.data, house.config) as core:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hairem_core", "memory", "export"),
            cwd=ROOT,
            env={**os.environ, **house.environment},
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            limit=65_536,
        )
        assert process.stdout is not None
        # Nobody reads on, so it waits in the middle.
        await process.stdout.readexactly(65_536)
        core.kill()
        async with asyncio.timeout(30):
            out, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode() == (
        "hairem: H-Core went away before it had answered. Look whether `hairem up` still runs, and "
        "try again.\n"
    )
    assert b'"line":"end"' not in out


async def test_a_hundred_megabytes_take_little_memory(
    stopped: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the command's and H-Core's HTTP, there and back: both ends are in this process."""
    size = 0

    async def export(*_: Any, **__: Any) -> AsyncGenerator[bytes]:
        async for piece in large_export(100):
            yield piece

    async def import_(store: Any, chunks: Any, **_: Any) -> Any:
        nonlocal size
        async for piece in chunks:
            size += len(piece)
        raise memory_api.UnknownAgent(f"read {size}")

    monkeypatch.setattr(memory_api, "export", export)
    monkeypatch.setattr(memory_api, "import_", import_)
    target = tmp_path / "large.ndjson"
    places = Places(data=stopped.data, config_file=stopped.config)
    async with open_memory(places) as memory:
        tracemalloc.start()
        try:
            with opened_to_write(str(target)) as sink:
                async for piece in memory.pieces("/api/memory/export"):
                    sink.write(piece)
            with opened_to_read(str(target)) as source, pytest.raises(Exception, match="read 1"):
                await memory.send("/api/memory/import", source)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert size == sink.size == target.stat().st_size > 100_000_000
    assert sink.counts["state"] == 1_600
    assert peak < 16 * 2**20


def _invoke(arguments: list[str], environment: dict[str, str]) -> Outcome:
    done = CliRunner().invoke(app, arguments, env=environment)
    if isinstance(done.exception, HairemError):
        return Outcome(code=2, out=done.stdout, err=f"{done.stderr}hairem: {done.exception}\n")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return Outcome(code=done.exit_code, out=done.stdout, err=done.stderr)


async def _at_a_terminal(house: House, typed: bytes, *arguments: str) -> tuple[int, str]:
    """Run a command at a terminal of 80 columns; return its code and all that it shows."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hairem_core", *arguments),
        cwd=ROOT,
        env={**os.environ, **house.environment, "TERM": "xterm", "COLUMNS": "80"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, typed)
    shown = b""
    try:
        while piece := await asyncio.to_thread(os.read, ours, 65_536):
            shown += piece
    except OSError:
        pass  # the terminal was hung up: it has ended
    finally:
        os.close(ours)
    return await process.wait(), shown.decode()
