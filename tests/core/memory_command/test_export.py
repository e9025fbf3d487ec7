"""`hairem memory export` and `import`: there and back, damaged, cut off, and large."""

import asyncio
import gzip
import json
import os
import stat
import sys
import tracemalloc
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from hairem_core.api import memory as memory_api
from hairem_core.cli.memory_client import open_memory
from hairem_core.cli.memory_files import opened_to_read, opened_to_write
from hairem_core.cli.places import Places
from tests.core.memory_command.house import House
from tests.support.command import RunningCore
from tests.support.core import ROOT
from tests.support.memory_house import KEY, large_export, seeded

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_full_disk_takes_no_export(house: House) -> None:
    done = await house.memory("export", "/dev/full")
    what = "hairem: /dev/full: cannot be written: No space left on device\n"
    assert (done.code, done.err) == (2, what)


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
