"""H-Core killed with SIGKILL, and what is there afterwards."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from hairem_core.hlink.bus import Bus
from tests.support.bus import connect, note, until
from tests.support.command import RunningCore, hairem
from tests.support.core import write_agent

LOGIC = """
import asyncio
from pathlib import Path
from hairem_core.sdk import *

class Agent(BaseAgent):
    async def on_message(self, message):
        await asyncio.sleep(0.02)
        with open("handled", "a") as file:
            file.write(f"{message.header.msg_id}\\n")
"""


type MakeCore = Callable[..., RunningCore]


@pytest.fixture
async def make_core() -> AsyncIterator[MakeCore]:
    """Make cores that are ended however the test ends."""
    made: list[RunningCore] = []

    def make(data: Path, config: Path | None = None) -> RunningCore:
        made.append(RunningCore(data, config))
        return made[-1]

    yield make
    for core in made:
        await core.end()


def _config(folder: Path) -> Path:
    path = folder / "system.yaml"
    path.write_text(f"agents:\n  folders: [{folder / 'agents'}]\n")
    return path


def _processes_of(data: Path) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                working = str((process / "cwd").readlink())
            except OSError:
                continue
            if str(data) in line or working.startswith(str(data)):
                found.append(line)
    return found


async def test_messages_unacknowledged_are_handled_after_a_restart_and_none_twice(
    make_core: MakeCore, tmp_path: Path
) -> None:
    write_agent(tmp_path / "agents", "worker", LOGIC)
    core = make_core(tmp_path / "data", _config(tmp_path))
    handled = tmp_path / "data" / "agents" / "worker" / "handled"
    messages = [note(recipient="agent:worker") for _ in range(400)]

    def seen() -> list[str]:
        return handled.read_text().split() if handled.exists() else []

    await core.start()
    bus: Bus = connect(core.redis_url)
    await asyncio.gather(*(bus.publish(message) for message in messages))
    for part in (1, 2, 3):
        await until(partial(lambda part: len(seen()) > part * 80, part))
        core.kill()
        await core.stop()
        await core.start()
    await bus.close()
    bus = connect(core.redis_url)
    await until(lambda: len(set(seen())) == 400, seconds=40)
    await asyncio.sleep(0.3)
    counts = Counter(seen())
    assert set(counts) == {str(message.header.msg_id) for message in messages}
    assert [msg_id for msg_id, count in counts.items() if count > 1] == []
    await bus.close()
    assert await core.stop() == 0


async def test_nothing_outlives_a_killed_h_core(make_core: MakeCore, tmp_path: Path) -> None:
    data = tmp_path / "data"
    core = make_core(data)
    await core.start()
    await until(lambda: len(_processes_of(data)) >= 4)  # H-Core, redis-server, two agents
    core.kill()
    await until(lambda: not _processes_of(data), seconds=5)
    await core.stop()


async def test_the_agent_still_knows_after_a_kill_and_a_restart(
    make_core: MakeCore, tmp_path: Path
) -> None:
    core = make_core(tmp_path / "data")
    await core.start()
    said = await hairem(
        "ask", "renarde", "Remember that the spare key is under the red pot", "--data", core.data
    )
    assert said.code == 0
    core.kill()
    await core.stop()
    async with core:
        answer = await hairem("ask", "renarde", "Where is the spare key?", "--data", core.data)
    assert "under the red pot" in answer.out
