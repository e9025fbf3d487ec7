"""The process dies without warning: what it had acknowledged is there."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from uuid import UUID

import pytest

from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.store import MemoryStore

_WRITER = """
import asyncio, sys
from hairem_core.memory.store import MemoryStore
from tests.memory.messages import said

async def main():
    store = await MemoryStore.open(sys.argv[1])
    for number in range(1_000_000):
        message = said(f"the drawer number {number} holds a secret")
        await store.record(message)
        print(message.header.msg_id, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("survivors", [1, 150])
async def test_kill_9_loses_nothing_that_was_acknowledged(
    url: str, tmp_path: Path, survivors: int
) -> None:
    writer = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _WRITER,
        url,
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert writer.stdout is not None
    acknowledged = [UUID((await writer.stdout.readline()).decode().strip())]
    with pytest.raises(MemoryUnavailable, match="in use"):
        await MemoryStore.open(url)
    while len(acknowledged) < survivors:
        acknowledged.append(UUID((await writer.stdout.readline()).decode().strip()))
    os.kill(writer.pid, signal.SIGKILL)
    rest = await writer.stdout.read()
    # The last line may be cut in the middle by the death.
    acknowledged += [UUID(line) for line in rest.decode().splitlines() if len(line) == 36]
    await writer.wait()

    store = await MemoryStore.open(url)
    try:
        found = await store.recall("renarde", "drawer secret", limit=len(acknowledged) + 10)
        assert set(acknowledged) <= {each.event_id for each in found}
        assert (await store.statistics())["events"] >= len(acknowledged)
        number = len(acknowledged) - 1
        best = (await store.recall("renarde", f"drawer {number}", limit=1))[0]
        assert f"number {number} " in best.content
    finally:
        await store.close()
