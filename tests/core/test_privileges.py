"""From root to an ordinary user: what is left of root is nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hairem_core.cli.privileges import PrivilegeError, RunAs, hand_over

USER = RunAs(uid=10001, gid=10002)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")

_DROP = """
import os, subprocess
from hairem_core.cli.privileges import RunAs, drop_privileges

drop_privileges(RunAs(uid=10001, gid=10002))
print(os.getresuid(), os.getresgid(), os.getgroups())
for attempt in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
    try:
        attempt()
    except PermissionError:
        continue
    raise SystemExit("there is a way back")
try:
    open("/proc/self/environ", "rb")
except PermissionError:
    pass
else:
    raise SystemExit("others of this user can read its memory")
child = subprocess.run(["/bin/cat", "/proc/self/status"], capture_output=True, text=True).stdout
lines = [line.split() for line in child.splitlines()]
print(*(line[1] for line in lines if line[0].startswith(("Cap", "NoNewPrivs"))))
"""


@needs_root
def test_there_is_no_way_back_and_no_child_has_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DROP], capture_output=True, text=True, check=False
    )
    ids, rights = done.stdout.splitlines() or ("", done.stderr)
    assert ids == "(10001, 10001, 10001) (10002, 10002, 10002) []"
    assert set(rights.split()) == {"0000000000000000", "1"}, rights


@needs_root
def test_what_is_given_over(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    (data / "deep" / "er").mkdir(parents=True)
    (data / "deep" / "er" / "file").write_text("x")
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("x")
    (data / "link").symlink_to(elsewhere)
    (data / "file_link").symlink_to(elsewhere / "precious")
    (data / "dangling").symlink_to("nowhere")
    os.chown(data / "deep", USER.uid, USER.gid)
    assert hand_over([data, tmp_path / "none"], USER) == 6
    for each in (data, *data.rglob("*")):
        found = each.lstat()
        assert (found.st_uid, found.st_gid) == (USER.uid, USER.gid), each
    for each in (elsewhere, elsewhere / "precious"):
        assert each.stat().st_uid == 0, "a link led out of the folder"
    assert hand_over([data], USER) == 0, "only what is not theirs yet"


@pytest.mark.parametrize("text", ["", "root", "0", "0:0", "1:0", "-5", "1:2:3", "99999999999"])
def test_nobody_becomes_root_by_mistake(text: str) -> None:
    with pytest.raises(PrivilegeError, match="HAIREM_RUN_AS"):
        RunAs.parse(text)


def test_a_user_as_it_is_written() -> None:
    assert RunAs.parse("10001") == RunAs(uid=10001, gid=10001)
    assert RunAs.parse("10001:10002") == USER
