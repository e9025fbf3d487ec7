"""What an agent's process cannot do, tried by real processes in the sandbox.

Each test runs three times: where agents have users of their own, where root must remain root, and
where H-Core is an ordinary user.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from hairem_core.hotplug.sandbox import agent_uid
from tests.hotplug.helpers import is_running
from tests.hotplug.sandbox_client import MODES, House, Refused, open_house


@pytest.fixture(scope="module", params=MODES)
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    if request.param != "user" and os.geteuid() != 0:
        pytest.skip("only root can give a process another user")
    with open_house(request.param) as found:
        yield found


@pytest.fixture
def listener() -> Iterator[int]:
    """A TCP port of this machine, on which somebody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.fixture
def other_listener() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


# What is said


def test_it_says_what_is_active(house: House) -> None:
    protections = house.run("").protections
    user = protections.pop("user")
    if house.mode == "root":
        assert user == f"active: user {agent_uid('a')}"
    elif house.mode == "closed":
        assert user.startswith("inactive: /")
        assert user.endswith(" is closed to other users")
    else:
        assert user.startswith("inactive: H-Core does not run as root")
    assert protections == {
        "files": "active: Landlock 7",
        "network": "active: none at all",
        "processes": "active: it can start none",
        "memory": "active: 256 MiB",
        "descriptors": "active: 64",
    }


def test_an_agent_keeps_its_user_and_no_other_has_it(house: House) -> None:
    uids = [house.run("result = os.getresuid()", agent=each).result for each in ("a", "b", "a")]
    assert uids[0] == uids[2]
    if house.mode == "root":
        assert uids[0] == [agent_uid("a")] * 3
        assert uids[0] != uids[1]
        assert house.run("result = os.getgroups()").result in ([], [agent_uid("a")])


def test_a_folder_that_is_not_there_is_an_error_that_names_it(house: House) -> None:
    with pytest.raises(Refused, match=r"/gone: no process could be made .*FileNotFoundError"):
        house.run("", agent="gone", missing=True)


def test_a_list_of_ports_that_is_too_long_is_an_error(house: House) -> None:
    with pytest.raises(Refused, match="fewer ports"):
        house.run("", ports=list(range(1, 20_000)))


# Privileges


def test_it_has_no_privilege_and_gets_none(house: House) -> None:
    code = """
lines = open("/proc/self/status").read().splitlines()
result = dict(line.split(":\\t") for line in lines)
"""
    status = house.run(code).result
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    if house.mode != "user":
        assert int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def test_it_inherits_no_descriptor_and_no_environment(house: House) -> None:
    answer = house.run(
        """
links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
result = [[os.readlink(link) for link in links if os.path.lexists(link)],
    dict(os.environ)]
try:
    result.append(open("/proc/self/environ").read())
except PermissionError:
    result.append("closed even to itself")
"""
    )
    descriptors, environment, first = answer.result
    kinds = sorted(target.partition(":")[0] for target in descriptors)
    # Its input, its output twice, its socket, and the folder of /proc that keeps its rule alive.
    assert kinds == ["/dev/null", f"/proc/{answer.pid}", "pipe", "pipe", "socket"]
    assert environment["HOME"] == environment["TMPDIR"] == str(house.data / "a")
    assert environment.keys() <= {
        "HOME",
        "TMPDIR",
        "PATH",
        "LANG",
        "LC_ALL",
        "TZ",
        "LD_LIBRARY_PATH",
    }
    assert "hunter2" not in first


# Files


def test_it_has_its_folder_to_itself(house: House) -> None:
    house.run("open('diary', 'w').write('secret')", agent="b")
    theirs = house.data / "b"
    assert theirs.stat().st_mode & 0o777 == 0o700
    code = f"""
result = [attempt(open, {str(theirs / "diary")!r}), attempt(os.listdir, {str(theirs)!r}),
    attempt(open, {str(theirs / "new")!r}, "w"), attempt(os.listdir, {str(house.data)!r}),
    attempt(os.rename, "mine", {str(theirs / "mine")!r}) if open("mine", "w") else ""]
"""
    assert set(house.run(code).result) <= {"EACCES", "EXDEV"}


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "/etc/passwd", "/root/.bashrc", "/var/log/dpkg.log"]
)
def test_the_houses_files_are_closed(house: House, path: str) -> None:
    assert house.run(f"result = attempt(open, {path!r})").result in ("EACCES", "ENOENT")
    assert house.run(f"result = attempt(open, {path!r}, 'a')").result in ("EACCES", "ENOENT")


def test_h_cores_data_is_closed_even_if_its_mode_is_open(house: House) -> None:
    token = house.data / "token"
    token.write_text("hunter2")
    token.chmod(0o666)
    if house.mode == "user" and os.geteuid() == 0:
        shutil.chown(token, 65534)
    code = f"""
import pathlib
path = {str(token)!r}
result = [attempt(open, path), attempt(open, path, "w"), attempt(os.unlink, path),
    attempt(os.truncate, path, 0), attempt(os.link, path, "mine"), attempt(os.rename, path, "mine")]
os.symlink(path, "way")
result += [attempt(open, "way"), attempt(open, f"/proc/self/cwd/way")]
"""
    assert set(house.run(code, agent="thief").result) <= {"EACCES", "EPERM", "EXDEV"}
    assert token.read_text() == "hunter2"


def test_modes_of_h_cores_files_stay(house: House) -> None:
    token = house.data / "private"
    token.write_text("hunter2")
    token.chmod(0o600)
    if house.mode == "user" and os.geteuid() == 0:
        shutil.chown(token, 65534)
    answer = house.run(f"""
import shutil
path = {str(token)!r}
result = [attempt(os.chmod, path, 0o666), attempt(os.chown, path, os.getuid(), -1)]
open("one", "w").write("text")
shutil.copy2("one", "two")
result.append(open("two").read())
""")
    assert answer.result[2] == "text"
    assert token.stat().st_mode & 0o777 == 0o600


def test_other_processes_are_closed(house: House) -> None:
    code = f"""
result = [attempt(open, f"/proc/{{pid}}/{{name}}")
    for pid in (1, {os.getpid()}, {house.pid}, {house.forkserver})
    for name in ("environ", "maps", "mem", "cmdline", "fd/0", "root/etc/hostname")]
result += [attempt(os.listdir, "/proc")]
"""
    assert set(house.run(code).result) <= {"EACCES", "EPERM"}


def test_what_it_may_read_it_reads_and_cannot_change(house: House) -> None:
    bundle = house.data / "bundle"
    (bundle / "lib").mkdir(parents=True, exist_ok=True)
    (bundle / "lib" / "words.txt").write_text("hello")
    code = f"""
path = {str(bundle / "lib" / "words.txt")!r}
result = [open(path).read(), attempt(open, path, "w"), attempt(os.unlink, path),
    attempt(open, {str(bundle / "new")!r}, "w")]
"""
    said = house.run(code, readable=[str(bundle)]).result
    assert said[0] == "hello"
    assert set(said[1:]) == {"EACCES"}
    assert (
        house.run(f"result = attempt(open, {str(bundle / 'lib' / 'words.txt')!r})").result
        == "EACCES"
    )


def test_files_of_its_own_become_its_users_and_no_other_file_does(house: House) -> None:
    if house.mode != "root":
        pytest.skip("nothing changes its owner where agents have no user of their own")
    folder, outside = house.data / "c", house.data / "outside"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "old").write_text("kept")
    outside.write_text("not theirs")
    (folder / "link").symlink_to(outside)
    (folder / "deep" / "second_name").hardlink_to(outside)
    house.run("result = open('deep/old', 'a').write('!')", agent="c")
    assert (folder / "deep" / "old").read_text() == "kept!"
    assert folder.stat().st_uid == (folder / "deep").stat().st_uid == agent_uid("c")
    assert (folder / "link").lstat().st_uid == agent_uid("c")
    assert outside.stat().st_uid == 0


# Network


@pytest.fixture(scope="module")
def redis(house: House) -> Iterator[Path]:
    """The Unix socket of a redis-server, open to all as far as its mode goes."""
    path = house.data / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "777"]
    process = subprocess.Popen([*command, "--save", ""], stdout=subprocess.DEVNULL)
    try:
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.01)
        yield path
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("ports", [None, "all", [443]])
def test_redis_on_a_unix_socket_is_out_of_reach(house: House, redis: Path, ports: object) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(redis))  # It is there.
    code = f"""
def send(pair):
    pair[0].sendto(b"x", {str(redis)!r})
def reconnect(pair):
    pair[0].connect({str(redis)!r})
result = [attempt(socket.socket, socket.AF_UNIX),
    attempt(socket.socket, socket.AF_UNIX, socket.SOCK_DGRAM),
    attempt(socket.socketpair, socket.AF_UNIX, socket.SOCK_DGRAM),
    attempt(send, socket.socketpair()), attempt(reconnect, socket.socketpair()),
    attempt(socket.socketpair)]
"""
    said = house.run(code, ports=ports).result
    assert said == ["EPERM", "EPERM", "EPERM", "EISCONN", "EISCONN", "ok"]


def test_without_permission_there_is_no_network(house: House, listener: int) -> None:
    code = f"""
result = [connect({listener}), connect(53, socket.SOCK_DGRAM),
    *(attempt(socket.socket, family) for family in (socket.AF_INET6, socket.AF_NETLINK, 40, 38))]
try:
    socket.getaddrinfo("localhost", 80)
except socket.gaierror:
    result.append("no names")
except OSError as err:
    result.append(err.strerror)
"""
    said = house.run(code).result
    assert set(said[:6]) == {"EPERM"}


def test_with_permission_there_is_tcp_and_udp_and_nothing_else(house: House, listener: int) -> None:
    code = f"""
def create(*arguments):
    return attempt(lambda: socket.socket(*arguments).close())
result = [
    connect({listener}), connect(53, socket.SOCK_DGRAM), create(socket.AF_INET6),
    create(socket.AF_NETLINK, socket.SOCK_RAW), attempt(socket.getaddrinfo, "localhost", 80),
    create(socket.AF_INET, socket.SOCK_RAW, 1), create(socket.AF_PACKET, socket.SOCK_RAW, 3),
    create(socket.AF_INET, socket.SOCK_STREAM, 262), create(socket.AF_INET, socket.SOCK_DGRAM, 1),
    create(40, socket.SOCK_STREAM), create(socket.AF_ALG, socket.SOCK_SEQPACKET),
]
"""
    answer = house.run(code, ports="all")
    assert answer.protections["network"] == "active: TCP and UDP, as permitted; no other sockets"
    assert answer.result[:5] == ["ok"] * 5
    assert set(answer.result[5:]) == {"EPERM"}


def test_a_list_of_ports_is_all_there_is(house: House, listener: int, other_listener: int) -> None:
    code = f"""
def serve(port):
    socket.create_server(("127.0.0.1", port)).close()
def fast_open():
    with socket.socket() as client:
        client.sendto(b"x", 0x20000000, ("127.0.0.1", {other_listener}))
result = [connect({listener}), connect(53, socket.SOCK_DGRAM), connect({other_listener}),
    attempt(fast_open), attempt(serve, 0), attempt(serve, {other_listener})]
"""
    answer = house.run(code, ports=[listener])
    assert answer.protections["network"] == f"active: TCP to {listener} and UDP; no other sockets"
    assert answer.result == ["ok", "ok", "EACCES", "EPERM", "EACCES", "EACCES"]


def test_h_cores_servers_are_out_of_reach(house: House, listener: int, other_listener: int) -> None:
    code = f"result = [connect({listener}), connect({other_listener})]"
    answer = house.run(code, ports="all", denied_ports=[other_listener])
    assert answer.result == ["ok", "EACCES"]


# Processes


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
    left = [each for each in psutil.process_iter() if _group_of(each.pid) == answer.pid]
    assert not [each for each in left if is_running(each.pid)]


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
result += [attempt(call, "tgkill", {house.pid}, {house.pid}, 0), attempt(call, "tkill", {house.pid}, 0)]
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
result = [attempt(call, "ptrace", 16, pid, 0, 0), attempt(call, "process_vm_readv", pid, 0, 0, 0, 0, 0),
    attempt(resource.prlimit, pid, resource.RLIMIT_NOFILE, (1, 1)),
    attempt(os.setpriority, os.PRIO_PROCESS, pid, 19), attempt(os.setpriority, os.PRIO_USER, 0, 19),
    attempt(os.sched_setaffinity, pid, {{0}}), attempt(os.setsid), attempt(os.setpgid, 0, 0),
    attempt(os.unshare, os.CLONE_NEWUSER), attempt(os.memfd_create, "x"), attempt(call, "io_uring_setup", 8, 0),
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


# Limits


def test_a_memory_bomb_is_a_memory_error(house: House) -> None:
    code = """
import mmap
kept = []
def grow():
    try:
        for _ in range(10_000):
            kept.append(bytearray(b"x" * 2**20))
    except MemoryError:
        return len(kept)
count = grow()
kept.clear()
result = [count, attempt(mmap.mmap, -1, 2**33), open("/proc/self/oom_score_adj").read()]
"""
    count, shared, score = house.run(code).result
    assert 200 < count <= 256
    assert shared == "ENOMEM"
    assert int(score) >= 700


def test_a_descriptor_leak_is_an_error(house: House) -> None:
    code = """
kept = []
try:
    while len(kept) < 10_000:
        kept.append(open("/dev/null"))
except OSError as err:
    result = [len(kept), err.strerror]
    kept.clear()
"""
    count, why = house.run(code).result
    assert why == "Too many open files"
    assert count < 64


def test_a_file_that_is_too_long_is_an_error(house: House) -> None:
    code = """
with open("long", "wb", buffering=0) as file:
    result = attempt(lambda: [file.write(b"x" * 2**20) for _ in range(9)])
"""
    assert house.run(code).result == "EFBIG"
    assert (house.data / "a" / "long").stat().st_size == 8 * 2**20


def test_a_crash_leaves_no_core(house: House) -> None:
    answer = house.run("os.abort()")
    assert answer.status == -signal.SIGABRT
    assert not list((house.data / "a").glob("*core*"))
    answer = house.run("import ctypes; ctypes.string_at(0)")
    assert answer.status == -signal.SIGSEGV


def test_limits_cannot_be_raised(house: House) -> None:
    code = """
import resource
def raise_it(which):
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (hard + 1, hard + 1))
names = ("DATA", "AS", "NOFILE", "FSIZE", "CORE", "MEMLOCK", "RTPRIO", "NICE")
result = []
for name in names:
    try:
        raise_it(getattr(resource, f"RLIMIT_{name}"))
        result.append(name)
    except ValueError:
        pass
result += [attempt(os.setpriority, os.PRIO_PROCESS, 0, 0), os.getpriority(os.PRIO_PROCESS, 0)]
"""
    said = house.run(code).result
    assert said[0] == "EACCES"
    assert said[1] - os.getpriority(os.PRIO_PROCESS, 0) == 5


def test_h_core_can_measure_it(house: House) -> None:
    assert 5_000_000 < house.run("").memory < 100_000_000


# What still works


def test_python_is_whole(house: House) -> None:
    code = """
import colorsys, csv, ctypes, decimal, email.message, hashlib, http.client, lzma, sqlite3, ssl
import subprocess, tempfile, tomllib, urllib.request, uuid, xml.etree.ElementTree, zoneinfo
import html.parser, multiprocessing, pydantic.networks
from datetime import datetime
with sqlite3.connect("notes.db") as database:
    database.execute("pragma journal_mode=wal")
    database.execute("create table if not exists notes (text)")
    database.execute("insert into notes values ('a')")
    result = [database.execute("select text from notes").fetchone()[0]]
database.close()
with tempfile.NamedTemporaryFile("w+") as file:
    file.write("text")
    result.append(os.path.dirname(file.name) == os.getcwd())
result.append(len(ssl.create_default_context().get_ca_certs()) >= 0)
result.append(str(datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")).utcoffset()))
os.makedirs("x/y"); os.rename("x/y", "z"); os.rmdir("z"); os.rmdir("x")
os.symlink("notes.db", "alias"); os.unlink("alias")
print("words", file=open("/dev/null", "w"))
result.append(os.path.expanduser("~") == os.getcwd())
result.append(len(os.urandom(8)) + os.cpu_count() > 8)
"""
    assert house.run(code).result == ["a", True, True, "2:00:00", True, True]


def test_names_are_looked_up_in_a_thread(house: House) -> None:
    code = """
async def main():
    return await asyncio.get_running_loop().getaddrinfo("localhost", 80)
result = asyncio.run(main())[0][4][1]
"""
    assert house.run(code, ports=[443]).result == 80


def test_the_next_generation_has_the_same_folder(house: House) -> None:
    house.run("open('kept', 'w').write('text')", agent="again")
    assert house.run("result = open('kept').read()", agent="again").result == "text"
