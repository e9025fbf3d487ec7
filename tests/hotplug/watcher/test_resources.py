"""What a watcher holds of the system: watches, descriptors, threads, tasks."""

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from hairem_core.hotplug.watcher import WatchMode
from tests.hotplug.watcher.watching import QUIET, bundle, watching


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
