"""The sandbox on kernels and processors that are not this one's."""

import errno
import os
import platform
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hairem_core.hotplug.sandbox import Limits, SandboxSpec, agent_uid, bpf, kernel, seccomp
from hairem_core.hotplug.sandbox.landlock import abi
from hairem_core.hotplug.sandbox.syscalls import numbers

_LIMITS = Limits(memory_mb=256, open_files=64, processes=16, file_mb=8)
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_PID = 4711
_REFUSED = bpf.fail(errno.EPERM)


class Filter:
    """Runs a filter as the kernel would; a double of its interpreter, for calls of any machine."""

    def __init__(self, machine: str, **rules: bool) -> None:
        allowed = {"network": False, "processes": False, "own_user": True, "scoped_signals": True}
        steps = seccomp.program(seccomp.Rules(**allowed | rules), machine, _PID)
        self._code = [struct.unpack("=HBBI", step.pack()) for step in steps]
        self._machine = machine
        self.number = numbers(machine)

    def __call__(self, name: str | int, *arguments: int, architecture: int | None = None) -> int:
        number = self.number[name] if isinstance(name, str) else name
        padded = [argument & 0xFFFFFFFFFFFFFFFF for argument in (*arguments, *[0] * 6)][:6]
        data = struct.pack(
            "=IIQ6Q", number, architecture or _ARCHITECTURES[self._machine], 0, *padded
        )
        accumulator, at = 0, 0
        while True:
            code, yes, no, value = self._code[at]
            at += 1
            match code:
                case bpf.LOAD:
                    (accumulator,) = struct.unpack_from("=I", data, value)
                case bpf.AND:
                    accumulator &= value
                case bpf.JUMP_EQUAL:
                    at += yes if accumulator == value else no
                case bpf.JUMP_AT_LEAST:
                    at += yes if accumulator >= value else no
                case bpf.JUMP_ANY_BIT:
                    at += yes if accumulator & value else no
                case bpf.RETURN:
                    assert isinstance(value, int)
                    return value
                case _:
                    raise AssertionError(f"unknown code {code:#x}")


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    header = Path(
        "/usr/include/asm-generic/unistd.h"
        if machine == "aarch64"
        else "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
    )
    if not header.exists():
        pytest.skip(f"{header} is not installed")
    pattern = re.compile(r"#define __NR(?:3264)?_(\w+)\s+(\d+)")
    known = {name: int(number) for name, number in pattern.findall(header.read_text())}
    ours = numbers(machine)
    assert {name: known[name] for name in ours if name in known} == {
        name: number for name, number in ours.items() if name in known
    }
    assert len(ours.keys() & known.keys()) > 80
    # What these headers do not have yet has the same number everywhere.
    for name in ours.keys() - known.keys():
        assert ours[name] >= 424, name


def test_another_architecture_or_numbering_is_killed(machine: str) -> None:
    run = Filter(machine)
    assert run("prctl", 15) == bpf.ALLOW
    assert run("prctl", 15, architecture=0x40000003) == bpf.KILL_PROCESS
    assert run(0x40000000 + 39) == bpf.KILL_PROCESS


@pytest.mark.parametrize("network", [True, False])
@pytest.mark.parametrize("processes", [True, False])
def test_some_calls_are_refused_whatever_is_permitted(
    machine: str, network: bool, processes: bool
) -> None:
    run = Filter(machine, network=network, processes=processes)
    names = "ptrace process_vm_readv bpf keyctl mount unshare setns pidfd_getfd kexec_load"
    for name in f"{names} userfaultfd perf_event_open io_uring_setup setsid setpgid".split():
        assert run(name) == _REFUSED, name
    assert run("clone3") == bpf.fail(errno.ENOSYS)
    assert run("prctl", kernel.PR_SET_PDEATHSIG) == _REFUSED
    assert run("prctl", 15) == bpf.ALLOW
    for number in (0, 1, 3, 9, 13, 57 if machine == "aarch64" else 60):
        assert run(number) == bpf.ALLOW


def test_threads_are_not_processes(machine: str) -> None:
    thread, fork = 0x3D0F00, 0x01200011
    alone, several = Filter(machine), Filter(machine, processes=True)
    assert alone("clone", thread) == several("clone", thread) == bpf.ALLOW
    assert (alone("clone", fork), several("clone", fork)) == (_REFUSED, bpf.ALLOW)
    for apart in (0x10000000, 0x00020000, 0x02000000, 0x40000000, 0x00008000):
        assert several("clone", fork | apart) == _REFUSED
    assert (alone("execve"), several("execve")) == (_REFUSED, bpf.ALLOW)
    if machine == "x86_64":
        assert (alone("vfork"), several("vfork")) == (_REFUSED, bpf.ALLOW)


def test_sockets(machine: str) -> None:
    none, some = Filter(machine), Filter(machine, network=True)
    inet, inet6, unix, netlink, packet = 2, 10, 1, 16, 17
    stream, datagram, raw, flags = 1, 2, 3, 0o2004000
    for family in (inet, inet6):
        assert none("socket", family, stream, 0) == _REFUSED
        for kind, protocol in ((stream, 0), (stream, 6), (datagram, 0), (datagram, 17)):
            assert some("socket", family, kind | flags, protocol) == bpf.ALLOW
        for kind, protocol in ((stream, 262), (stream, 132), (datagram, 1), (raw, 6), (5, 132)):
            assert some("socket", family, kind | flags, protocol) == _REFUSED
    assert some("socket", unix, stream, 0) == some("socket", packet, raw, 3) == _REFUSED
    assert some("socket", netlink, raw | flags, 0) == bpf.ALLOW
    assert some("socket", netlink, raw, 9) == _REFUSED  # audit
    assert some("sendto", 3, 0, 1, 0x4000) == bpf.ALLOW
    assert some("sendto", 3, 0, 1, 0x20004000) == _REFUSED
    for run in (none, some):
        assert run("socketpair", unix, stream | flags, 0) == bpf.ALLOW
        assert run("socketpair", unix, datagram, 0) == run("socketpair", 30, stream, 0) == _REFUSED


def test_signals(machine: str) -> None:
    run = Filter(machine)
    for pid, expected in ((_PID, bpf.ALLOW), (0, bpf.ALLOW), (-_PID, bpf.ALLOW), (1, _REFUSED)):
        assert run("kill", pid, 9) == expected
    assert run("kill", -1, 9) == run("tgkill", 1, 1, 9) == _REFUSED
    assert run("tgkill", _PID, 4712, 9) == run("tkill", 4712, 9) == bpf.ALLOW
    assert Filter(machine, scoped_signals=False)("tkill", 4712, 9) == _REFUSED
    assert Filter(machine, processes=True)("kill", 4712, 9) == bpf.ALLOW


def test_modes_are_feigned_only_where_the_user_is_shared(machine: str) -> None:
    assert Filter(machine)("fchmodat", 0) == bpf.ALLOW
    assert Filter(machine, own_user=False)("fchmodat", 0) == bpf.fail(0)


def test_another_processor_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "armv7l")
    rules = seccomp.Rules(network=False, processes=False, own_user=True, scoped_signals=True)
    assert "are not known to hAIrem" in str(seccomp.apply(rules))
    assert "are not known to hAIrem" in str(abi())


_SCRIPT = """
import json, os, pathlib, sys
from hairem_core.hotplug.sandbox import Limits, SandboxSpec
from hairem_core.hotplug.sandbox.apply import Prepared, apply
fields, version, seccomp_works = json.loads(sys.argv[1])
if not seccomp_works:
    from hairem_core.hotplug.sandbox import seccomp
    seccomp.apply = lambda rules: "this system allows no seccomp filter (test)"
prepared = Prepared(version, {})
spec = SandboxSpec.from_json(fields)
prepared.prepare(spec)
said = apply(spec, prepared)
open("mine", "w").write("x")
os.mkdir("d"); os.rename("mine", "renamed"); os.rmdir("d")
try:
    open("/etc/passwd").close()
    said["read"] = "ok"
except OSError as err:
    said["read"] = err.strerror
print(json.dumps(said))
"""


def _apply(
    folder: Path, version: int | str, *, seccomp_works: bool = True, **spec: Any
) -> dict[str, str]:
    import json

    fields = SandboxSpec(working_folder=folder, limits=_LIMITS, **spec).to_json()
    arguments = json.dumps([fields, version, seccomp_works])
    found = subprocess.run(
        [sys.executable, "-c", _SCRIPT, arguments], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    said: dict[str, str] = json.loads(found.stdout)
    return said


@pytest.mark.parametrize("version", range(1, 8))
def test_each_version_of_landlock_closes_files(tmp_path: Path, version: int) -> None:
    here = abi()
    if isinstance(here, str) or here < version:
        pytest.skip(f"this kernel's Landlock is {here}")
    said = _apply(tmp_path, version, ports=[443])
    assert said["files"] == f"active: Landlock {version}"
    assert said["read"] == "Permission denied"
    if version < 4:
        assert said["network"].startswith("inactive: every port can be reached")
    else:
        assert said["network"].startswith("active: TCP to 443")


def test_without_landlock_it_says_so_and_goes_on(tmp_path: Path) -> None:
    said = _apply(tmp_path, "this system's kernel has no Landlock")
    assert said["files"] == "inactive: this system's kernel has no Landlock"
    assert said["read"] == "ok"
    assert said["network"] == "active: none at all"


def test_without_landlock_h_cores_ports_are_open_and_it_says_so(tmp_path: Path) -> None:
    said = _apply(tmp_path, "none", ports="all", denied_ports=[6379])
    assert said["network"].startswith("inactive: H-Core's own servers can be reached")


def test_without_seccomp_it_says_so_and_goes_on(tmp_path: Path) -> None:
    said = _apply(tmp_path, 4, seccomp_works=False)
    assert said["network"].startswith("active: no TCP, but UDP is open")
    assert said["processes"].startswith("inactive: ")
    assert said["files"] == "active: Landlock 4"
    (tmp_path / "renamed").unlink()
    said = _apply(tmp_path, "none", seccomp_works=False)
    assert said["network"] == "inactive: this system allows no seccomp filter (test)"


def test_a_spec_survives_json(tmp_path: Path) -> None:
    spec = SandboxSpec(
        working_folder=tmp_path,
        readable=[tmp_path / "lib"],
        uid=30_001,
        limits=_LIMITS,
        ports=frozenset({443, 80}),
        denied_ports={6379},
    )
    again = SandboxSpec.from_json(spec.to_json())
    assert again.to_json() == spec.to_json()
    assert again.ports == [80, 443]
    assert (again.readable, again.limits) == ([tmp_path / "lib"], _LIMITS)


def test_users_are_stable_and_none_of_the_systems() -> None:
    assert agent_uid("electra") == agent_uid("electra") == 40_712
    uids = {agent_uid(f"agent_{number}") for number in range(200)}
    assert len(uids) > 195
    assert min(uids) >= 30_000
    assert max(uids) < 60_000
    assert os.getuid() not in uids
