"""What `hairem` writes, and to what: terminals, pipes, full disks, nothing at all."""

import asyncio
import errno
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hairem_core.cli.client import BridgeClient
from hairem_core.cli.places import NotRunning, Places
from tests.support.command import (
    RunningCore,
    hairem,
    hairem_closed,
    hairem_on_a_full_disk,
    hairem_without_a_reader,
    hairem_without_room,
)
from tests.support.core import ROOT, write_agent

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def core(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningCore]:
    async with RunningCore(tmp_path_factory.mktemp("core") / "data") as core:
        yield core


async def test_what_agents_say_does_not_steer_the_terminal(tmp_path: Path) -> None:
    logic = """
from hairem_core.sdk import *

class Agent(BaseAgent):
    async def on_utterance(self, message):
        said = "\\x1b[31mRed\\x1b[0m\\u202e\\u00a0!\\n\\U0001f600"
        self.ctx.logger.warning("It says %s", said)
        await self.ctx.bus.answer(message, topic=Topic.NARRATIVE_TEXT, content=said)
"""
    bundle = write_agent(tmp_path / "agents", "clock", logic)
    with (bundle / "manifest.yaml").open("a") as manifest:
        manifest.write('description: {en: "\\e[31mRed"}\n')
    config = tmp_path / "system.yaml"
    config.write_text(f"agents:\n  folders: [{tmp_path / 'agents'}]\n")
    async with RunningCore(tmp_path / "data", config) as core:
        where = ("--data", core.data)
        done = await hairem("ask", "clock", "\x1b[1mhello", *where)
        assert (done.code, done.out, done.err) == (0, "?[31mRed?[0m?\u00a0!\n\U0001f600\n", "")
        plain = await hairem("ask", "clock", "hello", *where, PYTHONIOENCODING="ascii")
        assert (plain.code, plain.err) == (0, "")
        assert plain.out == "?[31mRed?[0m??!\n?\n"
        tail = ("bus", "tail", "--no-follow")
        journal = (await hairem(*tail, *where)).out
        assert "clock: ?[1mhello" in journal
        assert "?[31mRed?[0m?" in journal
        assert "?[31mRed" in (await hairem("agents", *where)).out
        assert "\\x1b[31mRed\\x1b[0m?" in (await hairem("agent", "logs", "clock", *where)).out
        raw = await hairem(*tail, "--json", *where, PYTHONIOENCODING="ascii")
        said = [json.loads(line)["payload"]["content"] for line in raw.out.splitlines()]
        assert "\x1b[31mRed\x1b[0m\u202e\u00a0!\n\U0001f600" in said
        for command in (("agents",), ("agent", "show", "clock"), ("agent", "logs", "clock"), tail):
            for form in ((), ("--json",)):
                done = await hairem(*command, *form, *where)
                assert done.code == 0, done
                assert not any(each in done.out for each in ("\x1b", "\u202e")), command


@pytest.mark.parametrize(
    "command", [("agents",), ("ask", "electra", "Hello"), ("doctor", "--json"), ("--version",)]
)
async def test_a_full_disk_takes_no_output(core: RunningCore, command: tuple[str, ...]) -> None:
    done = await hairem_on_a_full_disk(*command, HAIREM_DATA=str(core.data))
    what = "hairem: the output cannot be written: No space left on device\n"
    assert (done.code, done.err) == (1, what)


@pytest.mark.parametrize(
    "command", [("agents",), ("ask", "electra", "Hello"), ("doctor",), ("memory", "export", "-")]
)
async def test_who_reads_no_more_is_told_nothing(
    core: RunningCore, command: tuple[str, ...]
) -> None:
    done = await hairem_without_a_reader(*command, HAIREM_DATA=str(core.data))
    assert (done.code, done.err) == (1, "")


@pytest.mark.parametrize(
    "command",
    [
        ("agents",),
        ("ask", "electra", "Hello"),
        ("doctor",),
        ("bus", "dead"),
        ("memory", "search", "live"),
        ("memory", "stats"),
        ("memory", "export"),
        ("memory", "forget", "--subject", "nobody"),
    ],
)
async def test_standard_output_that_is_closed(core: RunningCore, command: tuple[str, ...]) -> None:
    done = await hairem_closed(*command, HAIREM_DATA=str(core.data))
    assert (done.code, done.err) == (
        1,
        "hairem: the output cannot be written: Bad file descriptor\n",
    )


async def test_h_core_needs_no_standard_output(tmp_path: Path) -> None:
    data = tmp_path / "data"
    up = asyncio.create_task(hairem_closed("up", "--port", "0", "--data", data))
    async with asyncio.timeout(30):
        while (await hairem("health", "--data", data, HAIREM_PORT="1")).code:
            assert not up.done(), up.result()
    os.kill(int((data / "lock").read_text().split()[0]), signal.SIGTERM)
    assert (await up).code == 0


async def test_an_interrupt_while_it_starts(tmp_path: Path) -> None:
    """From the first line of ours on, whatever is being imported."""
    for command in (("agents",), ("memory", "stats"), ("health",)):
        for place in ("typer", "hairem_core.cli.places", "hairem_core.data"):
            code = (
                "import sys, signal, importlib.abc\n"
                "class Finder(importlib.abc.MetaPathFinder):\n"
                "    def find_spec(self, name, path, target=None):\n"
                f"        if name == {place!r}: signal.raise_signal(signal.SIGINT)\n"
                "sys.meta_path.insert(0, Finder())\n"
                f"sys.argv[1:] = {[*command, '--data', str(tmp_path)]!r}\n"
                "from hairem_core.cli import main\n"
                "main()\n"
            )
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", code), cwd=ROOT, stdout=PIPE, stderr=PIPE
            )
            out, err = await process.communicate()
            if place == "hairem_core.data" or command != ("health",):
                assert (process.returncode, out, err) == (130, b"", b""), (command, place)


async def test_a_connection_that_breaks_is_not_the_output(core: RunningCore) -> None:
    places = Places(data=core.data, config_file=None)
    with pytest.raises(NotRunning, match=r"H-Core does not answer: .*Broken pipe"):
        async with BridgeClient.connect(places):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")  # as its socket does


async def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    done = await hairem_without_room("token", "new", "phone", "--data", data)
    assert (done.code, done.out) == (2, "")
    told = f"hairem: {data / 'tokens.json'}: cannot be written: File too large. "
    assert done.err.startswith(told)
    assert list(data.iterdir()) == []
    for command in (("up", "--port", "0"), ("memory", "import", "-")):
        done = await hairem_without_room(*command, "--data", data)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"hairem: {data}: cannot be used: File too large. ")
        assert done.err.count("\n") == 1
    agents = tmp_path / "agents"
    agents.mkdir()
    done = await hairem_without_room("agent", "new", "clock", "--yes", "--into", agents)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"hairem: {agents / 'clock'}: cannot be written: ")
    assert "File too large" in done.err
    assert done.err.count("\n") == 1
    assert list(agents.iterdir()) == []
