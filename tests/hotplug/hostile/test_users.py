"""The same where each agent has a user of its own, as in a container and on Home Assistant OS."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.hotplug.hostile.street import Street

pytestmark = [pytest.mark.alone, pytest.mark.asyncio(loop_scope="package")]

_ROOT = Path(__file__).parents[3]
CHOSEN = (
    "test_appetite.py::test_a_fork_bomb_with_the_permission_is_put_out",
    "test_reach.py::test_the_houses_files_are_closed",
    "test_reach.py::test_what_h_core_opens_in_its_folder_leads_nowhere_else",
)
"""What differs. `python -m tests.hotplug.hostile.elsewhere root` runs them all."""


async def test_with_users_of_their_own(street: Street) -> None:
    if os.geteuid() != 0:
        # Only root can give a process another user, and that is what the registry says.
        async with street.hostile("one user for all") as hostile:
            words = hostile.details["process"]["protections"]["user"]
            assert words.startswith("inactive: H-Core does not run as root")
        return
    here = Path(__file__).parent
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.hotplug.hostile.elsewhere", "root"),
        *(str(here / name) for name in CHOSEN),
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert f"{len(CHOSEN)} passed" in said.decode()
