import asyncio
import os
import signal
from pathlib import Path

import pytest

from hairem_core.hotplug.errors import ForkserverError
from hairem_core.hotplug.forkserver import Child, Forkserver
from tests.support.bus import until


def _let_go(child: Child) -> None:
    child.socket.close()
    os.close(child.output)


async def test_forks_at_the_same_time_each_get_their_own_child(
    forkserver: Forkserver, tmp_path: Path
) -> None:
    children = await asyncio.gather(*(forkserver.fork(tmp_path) for _ in range(5)))
    assert len({child.pid for child in children}) == 5
    for child in children:
        _let_go(child)
        # The agent's end of the socket saw its host go: there is nothing left to do.
        await asyncio.wait_for(child.ended, 5)


async def test_a_killed_child_is_noticed_with_its_signal(
    forkserver: Forkserver, tmp_path: Path
) -> None:
    child = await forkserver.fork(tmp_path)
    os.kill(child.pid, signal.SIGKILL)
    assert await asyncio.wait_for(child.ended, 5) == -9
    _let_go(child)


async def test_a_child_has_nothing_of_h_cores_environment_or_descriptors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HAIREM_SECRET", "hunter2")
    forkserver = Forkserver()
    await forkserver.start()
    neighbour = await forkserver.fork(tmp_path)
    child = await forkserver.fork(tmp_path)
    try:
        assert b"hunter2" not in Path(f"/proc/{child.pid}/environ").read_bytes()
        await until(lambda: _open_sockets(child.pid) == 1)
        assert Path(f"/proc/{child.pid}/cwd").resolve() == tmp_path.resolve()
    finally:
        _let_go(neighbour)
        _let_go(child)
        await forkserver.stop()


def _open_sockets(pid: int) -> int:
    """Return how many sockets a process holds but for those of its own event loop's wake-up."""
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return len([link for link in links if link.startswith("socket:")]) - 2


async def test_a_killed_forkserver_is_started_again(forkserver: Forkserver, tmp_path: Path) -> None:
    first = await forkserver.fork(tmp_path)
    pid = forkserver.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert await asyncio.wait_for(first.ended, 5) == -9, "its agents count as gone"
    _let_go(first)
    second = await forkserver.fork(tmp_path)
    assert forkserver.pid != pid
    _let_go(second)


async def test_its_children_end_with_it(tmp_path: Path) -> None:
    forkserver = Forkserver()
    await forkserver.start()
    child = await forkserver.fork(tmp_path)
    await forkserver.stop()
    await until(lambda: not Path(f"/proc/{child.pid}").exists())
    _let_go(child)


async def test_a_working_folder_that_is_not_there_ends_the_child_only(
    forkserver: Forkserver, tmp_path: Path
) -> None:
    child = await forkserver.fork(tmp_path / "missing")
    assert await asyncio.wait_for(child.ended, 5) == 1
    _let_go(child)
    good = await forkserver.fork(tmp_path)
    assert not good.ended.done()
    _let_go(good)


async def test_no_answer_is_an_error(forkserver: Forkserver, tmp_path: Path) -> None:
    pid = forkserver.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(ForkserverError, match="does not fork: no answer"):
            await forkserver.fork(tmp_path, timeout=0.2)
    finally:
        os.kill(pid, signal.SIGCONT)
