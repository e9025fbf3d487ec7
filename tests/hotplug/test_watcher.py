"""What happens in folders of bundles is told: real files, the real inotify, real time."""

import asyncio
import ctypes
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hairem_core.hotplug import watch_tree, watcher
from hairem_core.hotplug.watch_scan import file_system, tells_changes
from hairem_core.hotplug.watcher import BundleWatcher, WatchMode, is_ignored
from tests.support.bus import until

QUIET = 0.3
"""Seconds in which whatever was going to be told has been told."""


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "_LOOK_SECONDS", 0.1)


class Heard:
    """What a watcher told, and when."""

    def __init__(self, root: Path, watcher: BundleWatcher) -> None:
        self.root = root
        self.watcher = watcher
        self.calls: list[tuple[float, set[str]]] = []

    @property
    def names(self) -> set[str]:
        return set().union(*(names for _, names in self.calls))

    async def of(self, *names: str, seconds: float = 5.0) -> None:
        """Wait until all these bundles, and no others, have been told of; then forget."""
        await until(lambda: self.names >= set(names), seconds)
        await asyncio.sleep(QUIET)
        assert self.names == set(names)
        self.calls.clear()

    async def nothing(self, seconds: float = QUIET) -> None:
        await asyncio.sleep(seconds)
        assert self.calls == []


@asynccontextmanager
async def watching(root: Path, mode: WatchMode = "events", *others: Path) -> AsyncIterator[Heard]:
    heard: Heard

    def on_change(bundles: set[Path]) -> None:
        heard.calls.append((time.monotonic(), {path.name for path in bundles}))

    watcher = BundleWatcher([root, *others], mode=mode, on_change=on_change)
    heard = Heard(root, watcher)
    await watcher.start()
    try:
        yield heard
    finally:
        await watcher.stop()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "agents"
    bundle(root, "electra")
    bundle(root, "dieu")
    return root


def bundle(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "manifest.yaml").write_text(f"id: {name}\n")
    (folder / "logic.py").write_text("pass\n")
    return folder


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


@pytest.mark.parametrize("mode", ["events", "poll"])
async def test_a_checkout_of_many_files(root: Path, tmp_path: Path, mode: WatchMode) -> None:
    def git(*words: str) -> None:
        author = ("-c", "user.name=x", "-c", "user.email=x@localhost")
        subprocess.run(["git", *author, *words], cwd=root, check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    for number in range(200):
        (root / "electra" / f"part{number}.py").write_text("x")
    bundle(root, "renarde")
    git("add", ".")
    git("commit", "-qm", "two")
    async with watching(root, mode) as heard:
        git("checkout", "-q", "HEAD~1")
        await heard.of("electra", "renarde")
        git("checkout", "-q", "-")
        await heard.of("electra", "renarde")


async def test_a_copy_in_slow_motion_is_told_of_to_its_end(root: Path) -> None:
    async with watching(root) as heard:
        (root / "renarde").mkdir()
        for number in range(5):
            (root / "renarde" / f"part{number}.py").write_text("x")
            await asyncio.sleep(0.15)
        await heard.of("renarde")
        last = root / "renarde" / "lib" / "last.py"
        last.parent.mkdir()
        await asyncio.sleep(0.2)
        heard.calls.clear()
        last.write_text("x")
        await heard.of("renarde")


async def test_folders_made_faster_than_they_can_be_watched(root: Path) -> None:
    async with watching(root) as heard:
        for number in range(50):
            deep = root / "electra" / f"lib{number}" / "a" / "b" / "c"
            deep.mkdir(parents=True)
            (deep / "x.py").write_text("x")
        await heard.of("electra")
        for number in range(50):
            (root / "electra" / f"lib{number}" / "a" / "b" / "c" / "x.py").write_text("y")
            await until(lambda: heard.calls)
            heard.calls.clear()


@pytest.mark.parametrize("mode", ["events", "poll"])
async def test_bundles_come_are_renamed_and_come_back(root: Path, mode: WatchMode) -> None:
    async with watching(root, mode) as heard:
        bundle(root.parent / "made", "renarde")
        (root.parent / "made" / "renarde").rename(root / "renarde")
        await heard.of("renarde")
        (root / "renarde").rename(root / "goupil")
        await heard.of("renarde", "goupil")
        (root / "goupil" / "logic.py").write_text("in its new place")
        await heard.of("goupil")
        shutil.rmtree(root / "goupil")
        await heard.of("goupil")
        bundle(root, "goupil")
        await heard.of("goupil")
        (root / "goupil" / "logic.py").write_text("come back")
        await heard.of("goupil")
        (root / "goupil").rename(root / "_goupil")
        await heard.of("goupil")
        (root / "_goupil" / "logic.py").write_text("put aside")
        await heard.nothing()


@pytest.mark.parametrize("mode", ["events", "poll"])
async def test_a_watched_folder_comes_goes_and_comes_back(tmp_path: Path, mode: WatchMode) -> None:
    root = tmp_path / "config" / "hairem" / "agents"
    async with watching(root, mode) as heard:
        assert heard.watcher.statistics().roots[root].mode == "missing"
        for _ in range(2):
            bundle(root, "electra")
            await heard.of("electra")
            (root / "electra" / "logic.py").write_text("changed")
            await heard.of("electra")
            shutil.rmtree(tmp_path / "config")
            await heard.of("electra")


async def test_a_watched_folder_is_replaced_by_another(root: Path, tmp_path: Path) -> None:
    bundle(tmp_path / "next", "electra")
    bundle(tmp_path / "next", "renarde")
    async with watching(root) as heard:
        root.rename(tmp_path / "before")
        (tmp_path / "next").rename(root)
        await heard.of("electra", "dieu", "renarde")
        (root / "renarde" / "logic.py").write_text("new")
        (tmp_path / "before" / "dieu" / "logic.py").write_text("not ours any more")
        await heard.of("renarde")


@pytest.mark.parametrize("mode", ["events", "poll"])
async def test_links(root: Path, tmp_path: Path, mode: WatchMode) -> None:
    elsewhere = bundle(tmp_path / "elsewhere", "one")
    other = bundle(tmp_path / "elsewhere", "two")
    link = tmp_path / "link"
    link.symlink_to(root)
    (root / "linked").symlink_to(elsewhere)
    async with watching(link, mode) as heard:
        (elsewhere / "logic.py").write_text("through a link")
        await heard.of("linked")
        (elsewhere / "lib").mkdir()
        (elsewhere / "lib" / "x.py").write_text("deeper")
        await heard.of("linked")
        (tmp_path / "swap").symlink_to(other)
        (tmp_path / "swap").rename(root / "linked")
        await heard.of("linked")
        (other / "logic.py").write_text("it leads elsewhere now")
        await heard.of("linked")
        (elsewhere / "logic.py").write_text("nobody's")
        await heard.nothing()
        shutil.rmtree(other)
        await heard.of("linked")
        bundle(tmp_path / "elsewhere", "two")
        await heard.of("linked")
        (other / "logic.py").write_text("the target came back")
        await heard.of("linked")
        (root / "linked").unlink()
        await heard.of("linked")
        (root / "linked").symlink_to(tmp_path / "nowhere")
        (root / "circle").symlink_to(root / "circle")
        await asyncio.sleep(QUIET)
        heard.calls.clear()
        bundle(tmp_path, "nowhere")
        await heard.of("linked")


async def test_one_folder_that_two_links_lead_to(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "twin").symlink_to(root / "electra")
    async with watching(root, "events", other) as heard:
        (root / "electra" / "logic.py").write_text("both")
        await heard.of("electra", "twin")
        (other / "twin").unlink()
        await heard.of("twin")
        (root / "electra" / "logic.py").write_text("one")
        await heard.of("electra")


async def test_files_swapped_behind_links_as_kubernetes_does(root: Path) -> None:
    folder = root / "mounted"
    for number in (1, 2):
        (folder / f"..{number}").mkdir(parents=True)
        (folder / f"..{number}" / "logic.py").write_text(str(number))
    (folder / "..data").symlink_to("..1")
    (folder / "logic.py").symlink_to("..data/logic.py")
    async with watching(root) as heard:
        (folder / "..data_tmp").symlink_to("..2")
        (folder / "..data_tmp").rename(folder / "..data")
        await heard.of("mounted")


async def test_what_no_event_told_of_is_found(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watcher, "_NET_SECONDS", 0.2)
    monkeypatch.setattr(watch_tree.WatchTree, "heard", lambda *_: None)  # as if no event came
    async with watching(root, "auto") as heard:
        assert heard.watcher.statistics().roots[root].mode == "events"
        (root / "electra" / "logic.py").write_text("one")
        await heard.of("electra")
        statistics = heard.watcher.statistics().roots[root]
        assert (statistics.missed, statistics.mode) == (1, "events")
        (root / "dieu" / "logic.py").write_text("two")
        await heard.of("dieu")
        await until(lambda: heard.watcher.statistics().roots[root].mode == "poll")
        assert len([each for each in caplog.records if each.name == watcher.__name__]) == 1
        (root / "dieu" / "logic.py").write_text("three")
        await heard.of("dieu")


async def test_nothing_is_missed_while_events_tell(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_NET_SECONDS", 0.0)
    monkeypatch.setattr(watcher, "_LOOK_SECONDS", 0.01)
    async with watching(root, "auto") as heard:
        for number in range(100):
            (root / "electra" / "logic.py").write_text(f"{number}")
            await asyncio.sleep(0.01)
        await heard.of("electra")
        assert heard.watcher.statistics().roots[root].missed == 0


async def test_lost_events_are_made_up_for(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with watching(root) as heard:
        inotify = heard.watcher._inotify
        assert inotify is not None
        limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        with inotify._lock:  # watchdog's thread cannot read: the kernel's queue runs over
            # Twice as many events as it holds: what is read of it before does not save it.
            for number in range(limit // 2):
                path = root / "electra" / f"x{number % 10}"
                path.write_text("x")
                path.unlink()
            (root / "dieu" / "lib").mkdir()
            (root / "dieu" / "lib" / "x.py").write_text("lost")
        await heard.of("electra", "dieu")
        assert "overflowed" in caplog.text
        (root / "dieu" / "lib" / "x.py").write_text("in a folder whose making was lost")
        await heard.of("dieu")


@pytest.mark.parametrize("left", [0, 1, 3])
async def test_watches_run_out(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, left: int
) -> None:
    from watchdog.observers import inotify_c

    real, used = inotify_c.inotify_add_watch, 0

    def scarce(descriptor: int, path: bytes, mask: int) -> int:
        nonlocal used
        used += 1
        if used > left:
            ctypes.set_errno(28)
            return -1
        return real(descriptor, path, mask)

    monkeypatch.setattr(inotify_c, "inotify_add_watch", scarce)
    async with watching(root, "auto") as heard:
        (root / "electra" / "lib").mkdir()
        (root / "electra" / "lib" / "x.py").write_text("x")
        await heard.of("electra")
        (root / "electra" / "lib" / "x.py").write_text("changed")
        await heard.of("electra")
        statistics = heard.watcher.statistics().roots[root]
        assert (statistics.mode, statistics.watches) == ("poll", 0)
    lines = [each.message for each in caplog.records if each.name == watcher.__name__]
    assert len(lines) == 1
    assert "fs.inotify.max_user_watches" in lines[0]


async def test_a_folder_that_may_not_be_read_yet(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root may read everything, the kernel's refusal is played."""
    from watchdog.observers import inotify_c

    real, closed = inotify_c.inotify_add_watch, {b"lib"}

    def guarded(descriptor: int, path: bytes, mask: int) -> int:
        if path.rpartition(b"/")[2] in closed:
            ctypes.set_errno(13)
            return -1
        return real(descriptor, path, mask)

    monkeypatch.setattr(inotify_c, "inotify_add_watch", guarded)
    async with watching(root, "auto") as heard:
        (root / "electra" / "lib").mkdir(mode=0)
        await heard.of("electra")
        assert heard.watcher.statistics().roots[root].mode == "events"
        closed.clear()
        (root / "electra" / "lib").chmod(0o755)
        await heard.of("electra")
        (root / "electra" / "lib" / "x.py").write_text("x")
        await heard.of("electra")
    closed.add(b"agents")
    async with watching(root, "auto") as heard:
        assert heard.watcher.statistics().roots[root].mode == "poll"
        (root / "electra" / "logic.py").write_text("x")
        await heard.of("electra")


async def test_no_inotify_at_all(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from watchdog.observers import inotify_c

    def none_left() -> int:
        ctypes.set_errno(24)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_init", none_left)
    async with watching(root, "auto") as heard:
        (root / "electra" / "logic.py").write_text("x")
        await heard.of("electra")
    assert "fs.inotify.max_user_instances" in caplog.text


async def test_a_file_system_that_does_not_tell_is_polled(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch_tree, "file_system", lambda _: "nfs4")
    async with watching(root, "auto") as heard:
        assert heard.watcher.statistics().roots[root].mode == "poll"
        assert "nfs4" in caplog.text
    async with watching(root, "events") as heard:
        assert heard.watcher.statistics().roots[root].mode == "events"


def test_the_type_of_a_file_system(tmp_path: Path) -> None:
    mounts = (
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "23 22 0:30 / /srv/my\\040agents rw shared:1 - nfs4 server:/x rw\n"
        "24 22 0:31 / /srv/photos rw - fuse.sshfs x rw\n"
        "25 22 0:32 / /srv/photos rw - tmpfs x rw\n"
        "26 22 0:33 / /srv/over rw - overlay overlay rw\n"
        "nonsense\n"
    )
    assert file_system(Path("/srv/my agents/electra"), mounts) == "nfs4"
    assert file_system(Path("/srv/my agents"), mounts) == "nfs4"
    assert file_system(Path("/srv/my agents too"), mounts) == "ext4"
    assert file_system(Path("/srv/photos/x"), mounts) == "tmpfs"
    assert file_system(Path("/srv/over"), mounts) == "overlay"
    assert file_system(tmp_path, "") == ""
    assert file_system(tmp_path) not in ("", "nfs4")
    assert not any(map(tells_changes, ("nfs", "cifs", "smb3", "fuse.sshfs", "fuseblk", "9p")))
    assert all(map(tells_changes, ("ext4", "btrfs", "xfs", "tmpfs", "overlay", "zfs", "")))


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


@pytest.mark.parametrize("mode", ["events", "poll"])
async def test_nothing_is_left_when_it_stops(root: Path, mode: WatchMode) -> None:
    async with watching(root, mode):
        pass  # what asyncio itself opens once, is open
    threads, descriptors = _threads(), _descriptors()
    tasks = len(asyncio.all_tasks())
    told = []
    for _ in range(20):
        async with watching(root, mode) as heard:
            told.append(heard.calls)
            (root / "electra" / "logic.py").write_text("x")
            await asyncio.sleep(0.01)
    assert (_threads(), _descriptors()) == (threads, descriptors)
    assert len(asyncio.all_tasks()) == tasks
    await asyncio.sleep(QUIET)
    assert not any(told)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _threads() -> set[str]:
    return {each.name for each in threading.enumerate() if not each.name.startswith("asyncio_")}


async def test_watches_do_not_pile_up(root: Path) -> None:
    async with watching(root) as heard:
        before = heard.watcher.statistics().roots[root].watches
        for _ in range(30):
            bundle(root, "renarde")
            (root / "renarde" / "lib").mkdir()
            (root / "renarde").rename(root / "goupil")
            shutil.rmtree(root / "goupil")
        (bundle(root, "renarde") / "lib").mkdir()
        await heard.of("renarde", "goupil")
        assert heard.watcher.statistics().roots[root].watches == before + 2
        (root / "renarde").rename(root.parent / "renarde")
        await heard.of("renarde")
        (root.parent / "renarde" / "lib" / "x.py").write_text("not ours any more")
        await heard.nothing()
        statistics = heard.watcher.statistics()
        assert statistics.roots[root].watches == before
        assert statistics.roots[root].bundles == 2
        inotify = heard.watcher._inotify
        assert inotify is not None
        info = Path(f"/proc/self/fdinfo/{inotify._inotify_fd}").read_text()
        assert info.count("inotify wd:") == before


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
