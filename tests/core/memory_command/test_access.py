"""Whose turn it is: commands and H-Core on one data folder, and folders that stand in the way."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from hairem_core.data import COMMAND, DataFolder
from tests.core.memory_command.house import House
from tests.support.command import hairem
from tests.support.core import ROOT
from tests.support.memory_house import KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def test_a_file_in_the_place_of_the_index(stopped: House) -> None:
    shutil.rmtree(stopped.data / "recall")
    (stopped.data / "recall").touch()
    told = f"hairem: {stopped.data / 'recall'}: the recall index cannot be written: [Errno 20] "
    for command in (("memory", "stats"), ("up", "--port", "0")):
        done = await hairem(*command, "--data", stopped.data, "--config", stopped.config)
        assert (done.code, done.out) == (2, "")
        assert done.err.splitlines()[-1].startswith(told)
        assert "Traceback" not in done.err


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
