"""Which files an agent's process cannot reach."""

import os
import shutil

import pytest

from hairem_core.hotplug.sandbox import agent_uid
from tests.hotplug.sandbox.client import House


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
    "path", ["/etc/shadow", "/etc/passwd", "/etc/ssl/private/key", "/root/.bashrc"]
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
