"""What no event tells of is found too: events are lost, watches run out, file systems are mute."""

import asyncio
import ctypes
from pathlib import Path

import pytest

from hairem_core.hotplug import watch_tree, watcher
from hairem_core.hotplug.watch_scan import file_system, tells_changes
from tests.hotplug.watcher.watching import watching
from tests.support.bus import until


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
