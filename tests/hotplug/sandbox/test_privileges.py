"""What an agent's process is told it is, and what it brings along."""

import pytest

from hairem_core.hotplug.sandbox import agent_uid
from tests.hotplug.sandbox.client import House, Refused


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
