import asyncio
import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from hairem_core.hotplug.errors import ForkserverError
from hairem_core.hotplug.forkserver import Child, Forkserver
from hairem_core.hotplug.sandbox import Limits, SandboxSpec
from tests.hotplug.helpers import is_running
from tests.support.bus import until


def _let_go(child: Child) -> None:
    child.socket.close()
    os.close(child.output)


def allowed(folder: Path) -> SandboxSpec:
    limits = Limits(memory_mb=256, open_files=64, processes=16, file_mb=8)
    return SandboxSpec(working_folder=folder, limits=limits)


async def test_forks_at_the_same_time_each_get_their_own_child(
    forkserver: Forkserver, tmp_path: Path
) -> None:
    children = await asyncio.gather(*(forkserver.fork(allowed(tmp_path)) for _ in range(5)))
    assert len({child.pid for child in children}) == 5
    for child in children:
        _let_go(child)
        # The agent's end of the socket saw its host go: there is nothing left to do.
        await asyncio.wait_for(child.ended, 5)


async def test_a_killed_child_is_noticed_with_its_signal(
    forkserver: Forkserver, tmp_path: Path
) -> None:
    child = await forkserver.fork(allowed(tmp_path))
    os.kill(child.pid, signal.SIGKILL)
    assert await asyncio.wait_for(child.ended, 5) == -9
    _let_go(child)


async def test_a_child_has_nothing_of_h_cores_environment_or_descriptors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HAIREM_SECRET", "hunter2")
    forkserver = Forkserver()
    await forkserver.start()
    neighbour = await forkserver.fork(allowed(tmp_path))
    child = await forkserver.fork(allowed(tmp_path))
    try:
        assert b"hunter2" not in Path(f"/proc/{child.pid}/environ").read_bytes()
        await until(lambda: _open_sockets(child.pid) == 1)
        assert Path(f"/proc/{child.pid}/cwd").resolve() == tmp_path.resolve()
    finally:
        _let_go(neighbour)
        _let_go(child)
        await forkserver.stop()


async def test_children_live_in_the_time_zone_of_the_house(tmp_path: Path) -> None:
    forkserver = Forkserver("tests.hotplug.sandbox.probe", time_zone="Pacific/Kiritimati")
    await forkserver.start()
    child = await forkserver.fork(allowed(tmp_path))
    try:
        assert await asyncio.to_thread(
            _probe, child, "import time; result = time.strftime('%z')"
        ) == {"result": "+1400"}
    finally:
        _let_go(child)
        await forkserver.stop()


def _probe(child: Child, code: str) -> object:
    """Return what a process of the probe answers."""
    child.socket.setblocking(True)
    child.socket.settimeout(20)
    with child.socket.makefile("rw", encoding="utf-8") as stream:
        stream.write(f"{json.dumps(code)}\n")
        stream.flush()
        return json.loads(stream.readline())


def _open_sockets(pid: int) -> int:
    """Return how many sockets a process holds but for those of its own event loop's wake-up."""
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return len([link for link in links if link.startswith("socket:")]) - 2


async def test_a_killed_forkserver_is_started_again(forkserver: Forkserver, tmp_path: Path) -> None:
    first = await forkserver.fork(allowed(tmp_path))
    pid = forkserver.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert await asyncio.wait_for(first.ended, 5) == -9, "its agents count as gone"
    _let_go(first)
    second = await forkserver.fork(allowed(tmp_path))
    assert forkserver.pid != pid
    _let_go(second)


async def test_its_children_end_with_it(tmp_path: Path) -> None:
    forkserver = Forkserver()
    await forkserver.start()
    child = await forkserver.fork(allowed(tmp_path))
    await forkserver.stop()
    await until(lambda: not Path(f"/proc/{child.pid}").exists())
    _let_go(child)


async def test_it_ends_quietly_with_an_h_core_that_did_not_hear_it_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    forkserver = Forkserver()
    await forkserver.start()
    killed, left = [await forkserver.fork(allowed(tmp_path)) for _ in range(2)]
    os.kill(killed.pid, signal.SIGKILL)
    time.sleep(0.2)  # noqa: ASYNC251  # nothing is read meanwhile
    await forkserver.stop()
    await until(lambda: not is_running(left.pid))
    assert capfd.readouterr().err == ""
    for child in (killed, left):
        _let_go(child)


async def test_a_sandbox_that_cannot_be_made_is_an_error_and_ends_the_child_only(
    forkserver: Forkserver, tmp_path: Path
) -> None:
    with pytest.raises(ForkserverError, match="No such file or directory") as caught:
        await forkserver.fork(allowed(tmp_path / "missing"))
    assert caught.value.where == str(tmp_path / "missing")
    good = await forkserver.fork(allowed(tmp_path))
    assert not good.ended.done()
    _let_go(good)


async def test_no_answer_is_an_error(forkserver: Forkserver, tmp_path: Path) -> None:
    pid = forkserver.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(ForkserverError, match="does not fork: no answer"):
            await forkserver.fork(allowed(tmp_path), timeout=0.2)
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_child_that_nobody_waits_for_any_more_is_ended(
    forkserver: Forkserver, tmp_path: Path
) -> None:
    pid = forkserver.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ForkserverError):
        await forkserver.fork(allowed(tmp_path), timeout=0.1)
    os.kill(pid, signal.SIGCONT)
    child = await forkserver.fork(allowed(tmp_path))
    await until(lambda: _children(pid) == {child.pid})
    _let_go(child)


def _children(pid: int) -> set[int]:
    return {child.pid for child in psutil.Process(pid).children()}


async def test_many_at_once_start_one_server(tmp_path: Path) -> None:
    forkserver = Forkserver()
    children = await asyncio.gather(*(forkserver.fork(allowed(tmp_path)) for _ in range(3)))
    assert len({psutil.Process(child.pid).ppid() for child in children}) == 1
    for child in children:
        _let_go(child)
    await forkserver.stop()
