"""What an open database is set to."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

_OPEN = """
import asyncio, os, sys
from hairem_core.memory.database import Database

async def main():
    await (await Database.open(sys.argv[1])).close()
    print(os.environ["SURREAL_SYNC_DATA"])

asyncio.run(main())
"""


@pytest.mark.parametrize(("chosen", "used"), [(None, "true"), ("false", "false")])
async def test_a_commit_reaches_the_disk_unless_chosen_otherwise(
    tmp_path: Path, chosen: str | None, used: str
) -> None:
    environ = {key: each for key, each in os.environ.items() if key != "SURREAL_SYNC_DATA"}
    if chosen is not None:
        environ["SURREAL_SYNC_DATA"] = chosen
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _OPEN,
        f"surrealkv://{tmp_path / 'memory'}",
        cwd=Path(__file__).parents[2],
        env=environ,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await program.communicate()
    assert program.returncode == 0
    assert told.decode().strip() == used
