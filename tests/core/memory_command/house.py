"""A house with a memory, and the command on it: in this process, or at a terminal."""

import asyncio
import json
import os
import pty
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from hairem_core.cli.main import app
from hairem_core.errors import HairemError
from tests.support.command import Outcome
from tests.support.core import ROOT, write_agent

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


async def at_a_terminal(house: House, typed: bytes, *arguments: str) -> tuple[int, str]:
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


def _invoke(arguments: list[str], environment: dict[str, str]) -> Outcome:
    done = CliRunner().invoke(app, arguments, env=environment)
    if isinstance(done.exception, HairemError):
        return Outcome(code=2, out=done.stdout, err=f"{done.stderr}hairem: {done.exception}\n")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return Outcome(code=done.exit_code, out=done.stdout, err=done.stderr)
