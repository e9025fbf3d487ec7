"""Which processes an agent's cannot start, signal or look into."""

import os
import signal
import time

import psutil
import pytest

from tests.hotplug.helpers import is_running
from tests.hotplug.sandbox.client import House


def test_without_permission_it_starts_no_process(house: House) -> None:
    code = """
import subprocess
result = [attempt(os.fork), attempt(subprocess.run, ["/bin/true"]), attempt(os.system, "true"),
    attempt(os.execv, "/bin/true", ["true"]), attempt(os.posix_spawn, "/bin/true", ["true"], {}),
    attempt(call, "clone3", 0, 0)]
"""
    said = house.run(code).result
    assert said[:2] + said[3:] == ["EPERM", "EPERM", "EPERM", "EPERM", "ENOSYS"]


def test_with_permission_it_starts_some_which_are_no_freer(house: House) -> None:
    other = house.data / "secret"
    other.write_text("x")
    code = f"""
import subprocess, sys
def output(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)
found = output(sys.executable, "-c", "print(6*7)")
result = [found.stdout + found.stderr, output("cat", {str(other)!r}).stderr,
    output("sh", "-c", "ulimit -n 4096 || echo kept").stdout,
    attempt(output, "true", start_new_session=True), attempt(os.setpgid, 0, 0)]
async def ask():
    process = await asyncio.create_subprocess_exec("echo", "hi", stdout=subprocess.PIPE)
    return (await process.communicate())[0].decode()
result.append(asyncio.run(ask()))
pid = os.fork()
if pid == 0:
    os._exit(7 if connect(9) == "EPERM" else 8)
result.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    said = house.run(code, processes=True).result
    assert said[0] == "42\n"
    assert "ermission denied" in said[1]
    assert said[2:] == ["kept\n", "EPERM", "EPERM", "hi\n", 7]


def test_a_fork_bomb_stops_at_the_limit_and_nothing_is_left(house: House) -> None:
    if house.mode == "closed":
        pytest.skip("the kernel does not count the processes of root")
    code = """
import time
pids = []
try:
    for _ in range(3000):
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        pids.append(pid)
except OSError as err:
    result = [len(pids), err.strerror]
"""
    answer = house.run(code, agent="bomb", processes=True)
    count, why = answer.result
    assert why == "Resource temporarily unavailable"
    assert count < (32 if house.mode == "root" else 700)
    deadline = time.monotonic() + 5
    while left := [
        pid for pid in psutil.pids() if _group_of(pid) == answer.pid and is_running(pid)
    ]:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def test_threads_start_as_many_as_are_needed(house: House) -> None:
    code = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(14) as pool:
    result = sorted(pool.map(lambda n: (time.sleep(0.01), n * n)[1], range(14)))
async def main():
    return await asyncio.to_thread(sum, range(10))
result.append(asyncio.run(main()))
"""
    assert house.run(code).result == [*(n * n for n in range(14)), 45]


def test_a_thread_bomb_ends_in_an_error(house: House) -> None:
    code = """
import threading, time
count = 0
try:
    while count < 3000:
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
        count += 1
except RuntimeError as err:
    result = [count, str(err)]
"""
    count, why = house.run(code, limits={"memory_mb": 128}).result
    assert why == "can't start new thread"
    assert count < (32 if house.mode == "root" else 128)


def test_signals_reach_nobody_else(house: House) -> None:
    code = f"""
import signal
others = ({house.pid}, {house.forkserver}, {os.getpid()}, 1, -1)
result = [attempt(os.kill, pid, 0) for pid in others]
pid = {house.pid}
result += [attempt(call, "tgkill", pid, pid, 0), attempt(call, "tkill", pid, 0)]
caught = []
signal.signal(signal.SIGUSR1, lambda *_: caught.append(1))
os.kill(os.getpid(), signal.SIGUSR1)
signal.raise_signal(signal.SIGUSR1)
result.append(len(caught))
"""
    for processes in (False, True):
        said = house.run(code, processes=processes).result
        # With processes, "everyone" is its own: signal 0 to nobody is no error.
        assert set(said[:4] + said[5:7]) <= {"EPERM", "ESRCH"}
        assert said[7] == 2
    assert house.is_alive()


def test_other_processes_cannot_be_touched(house: House) -> None:
    code = f"""
import resource
pid = {house.pid}
result = [attempt(call, "ptrace", 16, pid, 0, 0),
    attempt(call, "process_vm_readv", pid, 0, 0, 0, 0, 0),
    attempt(resource.prlimit, pid, resource.RLIMIT_NOFILE, (1, 1)),
    attempt(os.setpriority, os.PRIO_PROCESS, pid, 19), attempt(os.setpriority, os.PRIO_USER, 0, 19),
    attempt(os.sched_setaffinity, pid, {{0}}), attempt(os.setsid), attempt(os.setpgid, 0, 0),
    attempt(os.unshare, os.CLONE_NEWUSER), attempt(os.memfd_create, "x"),
    attempt(call, "io_uring_setup", 8, 0),
    attempt(call, "bpf", 0, 0, 0), attempt(call, "keyctl", 0, 0), attempt(call, "prctl", 1, 0),
    attempt(call, "prctl", 4, 1), attempt(os.chroot, ".")]
"""
    assert set(house.run(code).result) == {"EPERM"}


def test_calls_by_another_way_kill_it(house: House) -> None:
    """x86_64 has a second set of numbers, which no rule is written for."""
    if os.uname().machine != "x86_64":
        pytest.skip("no other processor family has one")
    answer = house.run("import ctypes; ctypes.CDLL(None).syscall(0x40000000 + 39)")
    assert (answer.said, answer.status) == (None, -signal.SIGSYS)
