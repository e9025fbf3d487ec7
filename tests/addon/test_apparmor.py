"""`addon/apparmor.txt`: what the Supervisor does with it, and what it must and must not allow."""

import fnmatch
import re
from collections.abc import Iterator

import pytest

from tests.addon.files import ADDON, app_config

TEXT = (ADDON / "apparmor.txt").read_text(encoding="utf-8")
RULES = [
    line.strip().rstrip(",")
    for line in TEXT.splitlines()
    if line.strip().endswith(",") and not line.lstrip().startswith("#")
]
FILES = [rule.rsplit(" ", 1) for rule in RULES if rule.startswith(("/", "@{PROC}"))]
"""Pattern of a path, and the rights there."""


def spread(pattern: str) -> Iterator[str]:
    """Yield the patterns that the alternatives of one stand for, innermost first."""
    found = re.search(r"(?<!@)\{([^{}]*)\}", pattern)
    if found is None:
        yield pattern
        return
    for choice in found[1].split(","):
        yield from spread(pattern[: found.start()] + choice + pattern[found.end() :])


def rights(path: str) -> set[str]:
    """Return the letters of all rules for a path; `*` crosses no slash, `**` does."""
    letters: set[str] = set()
    for pattern, allowed in FILES:
        for each in spread(pattern):
            parts = re.split(r"(\*\*|\*)", each.replace("@{PROC}", "/proc").replace("@{pids}", "1"))
            expression = "".join(
                {"**": ".+", "*": "[^/]+"}.get(part, re.escape(part)) for part in parts
            )
            if re.fullmatch(expression, path):
                letters |= set(allowed)
    return letters


def test_the_supervisor_finds_one_profile_of_the_app() -> None:
    """It takes the one line that begins with `profile`, and puts the installed slug there."""
    found = re.findall(r"^profile ([^ ]+) (.*)$", TEXT, re.MULTILINE)
    assert found == [(app_config()["slug"], "flags=(attach_disconnected,mediate_deleted) {")]


def test_it_rests_on_what_home_assistant_os_has() -> None:
    assert re.findall(r"#?include +(<.*>)", TEXT) == ["<tunables/global>", "<abstractions/base>"]


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("/usr/bin/tini", "rix"),
        ("/usr/local/bin/python3.14", "rix"),
        ("/usr/bin/redis-server", "rix"),
        ("/app/bin/hairem", "rix"),
        ("/app/.venv/bin/uv", "rix"),
        ("/app/.venv/lib/python3.14/site-packages/surrealdb/_lib.so", "mr"),
        ("/app/agents/renarde/manifest.yaml", "r"),
        ("/etc/resolv.conf", "r"),
        ("/etc/ssl/certs/ca-certificates.crt", "r"),
        ("/data/options.json", "r"),
        ("/data/hairem/memory.lock", "rwk"),
        ("/data/hairem/redis/redis.sock", "rw"),
        ("/data/hairem/deps/0f3a/numpy/core.so", "mrwl"),
        ("/config/agents/fern/manifest.yaml", "rw"),
        ("/tmp/uv-1/x", "rw"),
        ("/dev/shm/sem.x", "rw"),
        ("/proc/1/statm", "r"),
        ("/proc/1/oom_score_adj", "rw"),
        ("/proc/meminfo", "r"),
        ("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r"),
    ],
)
def test_what_h_core_needs(path: str, needed: str) -> None:
    assert rights(path) >= set(needed)


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("/app/bin/hairem", "w"),
        ("/app/hairem_core/core.py", "w"),
        ("/usr/bin/redis-server", "w"),
        ("/etc/passwd", "w"),
        ("/data/hairem/agents/fern/tool", "xm"),
        ("/config/agents/fern/tool", "xm"),
        ("/tmp/tool", "xm"),
        ("/dev/shm/tool", "xm"),
        ("/proc/1/mem", "w"),
        ("/proc/sys/kernel/core_pattern", "w"),
        ("/proc/sysrq-trigger", "rw"),
        ("/proc/kcore", "rw"),
        ("/sys/kernel/security/apparmor/policy", "rw"),
        ("/dev/mem", "rw"),
        ("/dev/sda", "rw"),
        ("/homeassistant/secrets.yaml", "rw"),
        ("/ssl/privkey.pem", "rw"),
        ("/backup/full.tar", "rw"),
    ],
)
def test_what_nobody_gets(path: str, refused: str) -> None:
    assert not rights(path) & set(refused)


def test_no_rule_is_for_everything() -> None:
    for rule in RULES:
        assert rule not in {"file", "capability", "network", "ptrace", "signal", "mount"}, rule
        assert not re.fullmatch(r"(/\*\*|/\{,\*\*\}) .*", rule), rule
    assert not [pattern for pattern, _ in FILES if fnmatch.fnmatch(pattern, "/[*]*")]


def test_capabilities_are_those_of_the_start_alone() -> None:
    found = {rule.split()[1] for rule in RULES if rule.startswith("capability ")}
    dangerous = {"sys_admin", "sys_ptrace", "sys_module", "sys_rawio", "net_admin", "net_raw"}
    assert found >= {"chown", "setgid", "setuid", "kill"}
    assert not found & dangerous
    # All of them are in Docker's usual set: what is not there cannot be used anyhow.
    usual = ["chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap"]
    assert found <= set(usual)


def test_nobody_reads_the_memory_of_another_process() -> None:
    """H-Core and its agents are one user in the app, and the Supervisor's token is in H-Core's."""
    found = [rule for rule in RULES if rule.startswith("ptrace")]
    assert found == ["ptrace (read) peer=@{profile_name}"]


def test_no_packets_and_no_raw_sockets() -> None:
    found = {rule for rule in RULES if rule.startswith("network")}
    families = {tuple(rule.split()[1:]) for rule in found}
    assert families == {
        *((family, kind) for family in ("inet", "inet6", "unix") for kind in ("stream", "dgram")),
        ("netlink", "raw"),
    }
