"""Folders that come, go, are moved, are replaced, and are reached through links."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from hairem_core.hotplug.watcher import WatchMode
from tests.hotplug.watcher.watching import QUIET, bundle, watching
from tests.support.bus import until


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
