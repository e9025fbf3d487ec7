"""What happens in folders of bundles is told: real files, the real inotify, real time."""

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hairem_core.hotplug.watcher import WatchMode, is_ignored
from tests.hotplug.watcher.watching import QUIET, watching
from tests.support.bus import until

type Act = Callable[[Path], Awaitable[object] | object]


def _save_atomically(root: Path) -> None:
    (root / "electra" / "logic.py.tmp").write_text("new")
    (root / "electra" / "logic.py.tmp").rename(root / "electra" / "logic.py")


def _save_like_vim(root: Path) -> None:
    folder = root / "electra"
    (folder / ".logic.py.swp").write_text("")
    (folder / "4913").write_text("")
    (folder / "4913").unlink()
    (folder / "logic.py").rename(folder / "logic.py~")
    (folder / "logic.py").write_text("new")
    (folder / "logic.py~").unlink()
    (folder / ".logic.py.swp").unlink()


def _save_like_emacs(root: Path) -> None:
    folder = root / "electra"
    (folder / ".#logic.py").symlink_to("user@host.1234:1")
    (folder / "#logic.py#").write_text("new")
    (folder / "logic.py").rename(folder / "logic.py~")
    (folder / "logic.py").write_text("new")
    (folder / "#logic.py#").unlink()
    (folder / ".#logic.py").unlink()


def _save_like_jetbrains(root: Path) -> None:
    folder = root / "electra"
    (folder / "logic.py___jb_tmp___").write_text("new")
    (folder / "logic.py").rename(folder / "logic.py___jb_old___")
    (folder / "logic.py___jb_tmp___").rename(folder / "logic.py")
    (folder / "logic.py___jb_old___").unlink()


def _sync_like_rsync(root: Path) -> None:
    folder = root / "electra"
    (folder / ".logic.py.Ab3dEf").write_text("new")
    (folder / ".logic.py.Ab3dEf").rename(folder / "logic.py")


def _append(root: Path) -> None:
    with (root / "electra" / "logic.py").open("a") as file:
        file.write("more\n")


def _move_a_file_out(root: Path) -> None:
    (root / "electra" / "logic.py").rename(root.parent / "logic.py")


def _write_deep_inside(root: Path) -> None:
    deep = root / "electra" / "lib" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "c.py").write_text("pass")


def _replace_a_file_by_a_folder(root: Path) -> None:
    path = root / "electra" / "logic.py"
    path.unlink()
    path.mkdir()
    (path / "x").touch()


CHANGES: dict[str, Act] = {
    "save": lambda root: (root / "electra" / "logic.py").write_text("new"),
    "append": _append,
    "save atomically": _save_atomically,
    "save like vim": _save_like_vim,
    "save like emacs": _save_like_emacs,
    "save like jetbrains": _save_like_jetbrains,
    "sync like rsync": _sync_like_rsync,
    "delete a file": lambda root: (root / "electra" / "logic.py").unlink(),
    "move a file out": _move_a_file_out,
    "write deep inside": _write_deep_inside,
    "make readable": lambda root: (root / "electra" / "logic.py").chmod(0o600),
    "delete the bundle": lambda root: shutil.rmtree(root / "electra"),
    "move the bundle out": lambda root: (root / "electra").rename(root.parent / "electra"),
    "replace a file by a folder": _replace_a_file_by_a_folder,
}


@pytest.mark.parametrize("mode", ["events", "poll"])
@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_is_told_of_once(root: Path, mode: WatchMode, name: str) -> None:
    async with watching(root, mode) as heard:
        CHANGES[name](root)
        await until(lambda: heard.calls)
        await asyncio.sleep(QUIET)
        assert [names for _, names in heard.calls] == [{"electra"}]


def _read_everything(root: Path) -> None:
    for path in root.rglob("*"):
        if path.is_file():
            path.read_bytes()


def _compile(root: Path) -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(root / "electra")], check=True)


def _ignored_files(root: Path) -> None:
    for name in (".DS_Store", "x.swp", "x~", "4913", "#x#", ".#x", "x.part", "x.py___jb_tmp___"):
        (root / "electra" / name).write_text("x")
    (root / "electra" / ".git").mkdir()
    (root / "electra" / ".git" / "index").write_text("x")
    (root / ".trash").mkdir()
    (root / ".trash" / "manifest.yaml").write_text("x")
    (root / "_template").mkdir()
    (root / "_template" / "manifest.yaml").write_text("x")


def _files_beside(root: Path) -> None:
    (root / "README.md").write_text("x")
    (root / "README.md").chmod(0o600)
    (root / "README.md").rename(root / "README.txt")
    (root / "README.txt").unlink()


NO_CHANGES: dict[str, Act] = {
    "read everything": _read_everything,
    "compile": _compile,
    "ignored files": _ignored_files,
    "files beside the bundles": _files_beside,
}


@pytest.mark.parametrize("mode", ["events", "poll"])
@pytest.mark.parametrize("name", NO_CHANGES)
async def test_what_is_no_change_is_not_told_of(root: Path, mode: WatchMode, name: str) -> None:
    async with watching(root, mode) as heard:
        NO_CHANGES[name](root)
        await heard.nothing()
        (root / "dieu" / "logic.py").write_text("new")
        await heard.of("dieu")


@pytest.mark.alone
async def test_it_is_told_of_soon_and_in_the_event_loop(root: Path) -> None:
    async with watching(root) as heard:
        threads: list[int] = []
        heard.watcher._on_change = lambda _: threads.append(threading.get_ident())
        begun = time.monotonic()
        (root / "electra" / "logic.py").write_text("new")
        await until(lambda: threads)
        assert 0.06 <= time.monotonic() - begun < 0.4
        assert threads == [threading.get_ident()]


@pytest.mark.alone
async def test_a_file_written_to_without_end_does_not_starve(root: Path) -> None:
    async with watching(root) as heard:
        begun = time.monotonic()
        with (root / "electra" / "logic.py").open("w") as file:
            while time.monotonic() < begun + 1.3:
                file.write("x\n")
                file.flush()
                await asyncio.sleep(0.01)
        times = [at - begun for at, _ in heard.calls]
        assert 0.45 < times[0] < 0.9
        assert 2 <= len(times) <= 3
        (root / "dieu" / "logic.py").write_text("x")
        await heard.of("electra", "dieu")


async def test_a_busy_bundle_does_not_delay_a_quiet_one(root: Path) -> None:
    async with watching(root) as heard:
        begun = time.monotonic()
        (root / "dieu" / "logic.py").write_text("x")
        while time.monotonic() < begun + 0.45:
            (root / "electra" / "logic.py").write_text("x")
            await asyncio.sleep(0.01)
        assert heard.calls
        assert heard.calls[0][1] == {"dieu"}
        assert heard.calls[0][0] - begun < 0.4


async def test_a_flood_is_told_of_in_few_words(root: Path) -> None:
    async with watching(root) as heard:
        for number in range(1000):
            (root / "electra" / f"part{number}.py").write_text("x")
        await until(lambda: heard.calls)
        await asyncio.sleep(QUIET)
        assert heard.names == {"electra"}
        assert len(heard.calls) <= 3
        assert heard.watcher.statistics().events >= 1000


async def test_two_saves_in_one_tick_of_a_coarse_clock(root: Path) -> None:
    file = root / "electra" / "logic.py"
    now = time.time_ns() // 10**9 * 10**9
    async with watching(root, "poll") as heard:
        file.write_text("one")
        os.utime(file, ns=(now, now))
        await heard.of("electra")
        file.write_text("two")
        os.utime(file, ns=(now, now))
        await heard.of("electra")


async def test_a_listener_that_fails_is_called_again(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with watching(root) as heard:
        calls: list[set[Path]] = []

        def fail(bundles: set[Path]) -> None:
            calls.append(bundles)
            raise RuntimeError("listener")

        heard.watcher._on_change = fail
        for number in range(2):
            (root / "electra" / "logic.py").write_text(str(number))
            await until(lambda: len(calls) == number + 1)  # noqa: B023
    assert "listener" in caplog.text


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        *((name, True) for name in (".git", ".DS_Store", "__pycache__", "x.pyc", "x.py~", "x.swp")),
        *((name, True) for name in ("x.swx", "x.tmp", "x.py.tmp.12.34", "4913", "#x#", ".#x")),
        *((name, True) for name in ("x.py___jb_tmp___", "x.part", "x.crdownload", "~$x.docx")),
        *((name, False) for name in ("logic.py", "__init__.py", "_private.py", "tmp", "49130")),
        *((name, False) for name in ("x.tmpl", "part", "a#b", "lib", "manifest.yaml", "é.png")),
    ],
)
def test_names(name: str, ignored: bool) -> None:
    assert is_ignored(name) is ignored
