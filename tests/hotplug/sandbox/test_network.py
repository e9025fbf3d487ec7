"""Whom an agent's process cannot connect to."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.hotplug.sandbox.client import House


def _answers(path: Path) -> bool:
    """Return whether a server takes connections; its socket is there a little before."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.fixture
def listener() -> Iterator[int]:
    """A TCP port of this machine, on which somebody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.fixture
def other_listener() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def redis(house: House) -> Iterator[Path]:
    """The Unix socket of a redis-server, open to all as far as its mode goes."""
    path = house.data / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "777"]
    process = subprocess.Popen([*command, "--save", ""], stdout=subprocess.DEVNULL)
    try:
        while not _answers(path):
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
