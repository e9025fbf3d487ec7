"""Agents that reach for what is not theirs: files, other processes, the network."""

import asyncio
import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hotplug.helpers import is_running
from tests.hotplug.hostile.puppet import PUPPET, Hostile
from tests.hotplug.hostile.street import LIMITS, Street, once_more

pytestmark = [pytest.mark.alone, pytest.mark.asyncio(loop_scope="package")]

CLOSED = ("EACCES", "EPERM", "ENOENT")
"""What may be said of a file that is not to be reached. (Not there is as good as closed.)"""


def house_files(street: Street) -> list[Path]:
    """Return what no agent may read, one of each kind."""
    core, data = street.core, street.data
    neighbour = core.control.details("neighbour")
    names = [
        data / "tokens.json",
        data / "command.token",
        data / "server_id",
        data / "address",
        data / "lock",
        data / "redis",
        data / "memory",
        data / "agents",
        data / "agents" / "neighbour",
        data / "agents" / "neighbour" / ".handled",
        data / "bundles",
        data / "bundles" / neighbour["running_hash"] / "logic.py",
        data.parent / "agents" / "neighbour" / "logic.py",
        data.parent / "secrets.yaml",
        Path("/etc/shadow"),
        Path("/root"),
        Path("/var/log"),
        Path("/dev/mem"),
        Path("/sys/kernel"),
    ]
    for pid in (os.getpid(), core.forkserver_pid, core.redis_pid, neighbour["process"]["pid"], 1):
        names += [Path(f"/proc/{pid}/{name}") for name in ("environ", "mem", "maps", "fd", "root")]
    return names


@once_more
async def test_the_houses_files_are_closed(street: Street) -> None:
    (street.data.parent / "secrets.yaml").write_text("door_code: '1234'\n")
    names = [str(path) for path in house_files(street)]
    assert not [name for name in names[:14] if not Path(name).exists()]
    for permissions in ("[]", "[processes, network]"):
        async with street.hostile(f"files, with {permissions}", PUPPET, permissions) as hostile:
            if not hostile.is_kept_from("files"):
                return
            outcome = await hostile.do(f"""
                said = {{}}
                for name in {names!r}:
                    path = Path(name)
                    def look():
                        os.listdir(path) if path.is_dir() else os.close(os.open(path, os.O_RDONLY))
                    said[name] = [
                        attempt(look),
                        attempt(lambda: os.close(os.open(path, os.O_WRONLY))),
                        attempt(os.rename, path, path.with_name("mine")),
                        attempt(os.symlink, "/etc/passwd", path.with_name("mine")),
                        attempt(os.link, path, "mine"),
                    ]
                return said
            """)
            found = {name: said for name, said in outcome.items() if "ok" in said}
            assert not found
            assert all(said[0] in CLOSED for said in outcome.values()), outcome


@once_more
async def test_its_own_snapshot_and_bundle_stay_as_they_are(street: Street) -> None:
    async with street.hostile("its own code") as hostile:
        if not hostile.is_kept_from("files"):
            return
        source = street.data.parent / "agents" / hostile.id
        outcome = await hostile.do(f"""
            code = ctx.folder / "logic.py"
            return [
                attempt(code.write_text, "x"),
                attempt(code.unlink),
                attempt((ctx.folder / "more.py").write_text, "x"),
                attempt((ctx.folder / "__pycache__").mkdir),
                attempt(os.rename, ctx.folder, "here"),
                attempt(os.truncate, code, 0),
                attempt(Path({str(source)!r}, "logic.py").write_text, "x"),
                code.read_text()[:20],
            ]
        """)
        assert all(each in CLOSED for each in outcome[:7]), outcome
        assert outcome[7] == PUPPET[:20]
        # A mode may be feigned to change; that it does not is what counts.
        snapshot = Path(street.data, "bundles", hostile.record.running_hash or "")
        before = (snapshot / "logic.py").stat().st_mode
        await hostile.do("attempt((ctx.folder / 'logic.py').chmod, 0o777)")
        assert (snapshot / "logic.py").stat().st_mode == before
        assert hostile.record.drift is False


GAMES = {
    "a link": "os.symlink({victim!r}, '.handled')",
    "a hard link": "os.link({victim!r}, '.handled')",
    "a folder": "os.mkdir('.handled')",
    "a pipe": "os.mkfifo('.handled')",
    "a link to itself": "os.symlink('.handled', '.handled')",
    "junk": "Path('.handled').write_bytes(os.urandom(1_000_001))",
    "unreadable": "Path('.handled').touch(0)",
}


@once_more
async def test_what_h_core_opens_in_its_folder_leads_nowhere_else(street: Street) -> None:
    victim = street.data / "precious"
    victim.write_bytes(b"x" * 1000)
    victim.chmod(0o600)
    before = victim.stat()
    async with street.gang("games with links", [PUPPET] * len(GAMES)) as gang:
        for hostile, game in zip(gang, GAMES.values(), strict=True):
            await hostile.do(f"""
                os.unlink(".handled")
                attempt(lambda: {game.format(victim=str(victim))})
                os.symlink({str(victim.parent)!r}, "up")
                os.symlink({str(victim)!r}, "file")
            """)
        # A new process opens what the old one left there.
        await asyncio.gather(*(street.core.control.reload(each.id) for each in gang))
        for hostile in gang:
            if hostile.record.state == "live":
                assert await hostile.do("return 'here'") == "here"
            else:
                assert ".handled" in (hostile.record.reason or ""), hostile.record
        after = victim.stat()
        for name in ("st_uid", "st_gid", "st_mode", "st_size", "st_mtime_ns", "st_ino"):
            assert getattr(after, name) == getattr(before, name), name
        assert stat.S_IMODE(after.st_mode) == 0o600
        assert victim.read_bytes() == b"x" * 1000
    victim.unlink()


@once_more
async def test_a_file_has_a_largest_size(street: Street) -> None:
    async with street.hostile("a long file, and many") as hostile:
        outcome = await hostile.do("""
            said = []
            with open("long", "wb", 0) as file:
                def fill():
                    for _ in range(100):
                        file.write(b"x" * 2**20)
                said.append(attempt(fill))
            said.append(os.stat("long").st_size)
            os.unlink("long")
            more = os.open("more", os.O_CREAT | os.O_RDWR)
            said.append(attempt(os.posix_fallocate, more, 0, 2**30))
            for number in range(2000):
                Path(f"file{number}").write_bytes(b"x")
            return said
        """)
        most = LIMITS["file_mb"] * 2**20
        assert outcome == ["EFBIG", most, "EFBIG"]
        # It can still note what it has handled, and start anew beside its many files.
        await street.core.control.reload(hostile.id)
        assert hostile.record.state == "live"
        assert (await hostile.turn())["kind"] == "done"


@dataclass
class Servers:
    """TCP, UDP and Unix servers of this machine, and what came to them."""

    tcp: int
    other: int
    udp: int
    heard: list[bytes]


@pytest.fixture
def servers(street: Street) -> Iterator[Servers]:
    heard: list[bytes] = []
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as tcp,
        closing(socket.create_server(("127.0.0.1", 0))) as other,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp,
    ):
        udp.bind(("127.0.0.1", 0))
        first, second, third = (each.getsockname()[1] for each in (tcp, other, udp))

        def listen() -> None:
            while (said := udp.recv(100)) != b"enough":
                heard.append(said)

        thread = threading.Thread(target=listen)
        thread.start()
        street.own_descriptors += 3
        yield Servers(first, second, third, heard)
        street.own_descriptors -= 3
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"enough", ("127.0.0.1", third))
        thread.join()


async def knock(street: Street, hostile: Hostile, servers: Servers) -> dict[str, str]:
    """Return what comes of every kind of connection that an agent may try."""
    bridge = int(street.core.address.rpartition(":")[2])
    redis = street.data / "redis" / "redis.sock"
    outcome = await hostile.do(f"""
        def connect(port, kind=socket.SOCK_STREAM, family=socket.AF_INET, protocol=0):
            with socket.socket(family, kind, protocol) as client:
                client.settimeout(5)
                client.connect(("127.0.0.1", port))
                if kind == socket.SOCK_DGRAM:
                    client.send(b"psst")

        def unix(path, kind=socket.SOCK_STREAM):
            with socket.socket(socket.AF_UNIX, kind) as client:
                client.connect(path)

        return {{
            "tcp": attempt(connect, {servers.tcp}),
            "other": attempt(connect, {servers.other}),
            "udp": attempt(connect, {servers.udp}, socket.SOCK_DGRAM),
            "bridge": attempt(connect, {bridge}),
            "mptcp": attempt(connect, {servers.other}, protocol=262),
            "raw": attempt(connect, {servers.other}, socket.SOCK_RAW, protocol=6),
            "redis": attempt(unix, {str(redis)!r}),
            "redis, by name": attempt(unix, "\\0redis"),
            "vsock": attempt(socket.socket, socket.AF_VSOCK),
            "packet": attempt(socket.socket, socket.AF_PACKET, socket.SOCK_RAW),
            "listen": attempt(lambda: socket.create_server(("127.0.0.1", 0)).close()),
        }}
    """)
    assert isinstance(outcome, dict), outcome
    assert (street.data / "redis" / "redis.sock").exists()
    return outcome


@once_more
async def test_without_permission_nobody_is_reached(street: Street, servers: Servers) -> None:
    async with street.hostile("network, not permitted") as hostile:
        if not hostile.is_kept_from("network"):
            return
        outcome = await knock(street, hostile, servers)
        assert set(outcome.values()) == {"EPERM"}, outcome
        assert not servers.heard


@once_more
async def test_a_list_of_ports_is_all_there_is(street: Street, servers: Servers) -> None:
    permissions = f"[{{network: [{servers.tcp}]}}]"
    async with street.hostile("network, one port permitted", PUPPET, permissions) as hostile:
        if not hostile.is_kept_from("network"):
            return
        outcome = await knock(street, hostile, servers)
        # Landlock knows TCP only, and the registry says that UDP is open.
        assert "and UDP" in hostile.details["process"]["protections"]["network"]
        assert (outcome.pop("tcp"), outcome.pop("udp")) == ("ok", "ok")
        assert all(each in ("EACCES", "EPERM") for each in outcome.values()), outcome


@once_more
async def test_with_permission_redis_is_still_out_of_reach(
    street: Street, servers: Servers
) -> None:
    async with street.hostile("network, permitted", PUPPET, "[network]") as hostile:
        if not hostile.is_kept_from("network"):
            return
        outcome = await knock(street, hostile, servers)
        for name in ("tcp", "other", "udp"):
            assert outcome.pop(name) == "ok"
        # The bridge can be reached and asks for a token; what an agent has no business with cannot.
        assert outcome.pop("bridge") == "ok"
        assert outcome.pop("listen") == "ok"
        assert set(outcome.values()) == {"EPERM"}, outcome


@once_more
async def test_nothing_of_the_house_is_in_its_process(street: Street) -> None:
    async with street.hostile("what it was given") as hostile:
        outcome = await hostile.do("""
            return [
                dict(os.environ),
                [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")[:-1]],
                os.getcwd(),
                Path("/proc/self/cmdline").read_bytes().decode().split("\\0"),
            ]
        """)
        environment, descriptors, folder, command = outcome
        assert set(environment) <= {
            *("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH"),
        }
        files = [each for each in descriptors if each.startswith("/")]
        allowed = {"/dev/null", f"/proc/{hostile.pid}", f"{folder}/.handled"}
        assert set(files) <= allowed, files
        assert "token" not in json.dumps(command)
        assert is_running(hostile.pid)
