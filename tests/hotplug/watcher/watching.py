"""A watcher of real folders, and what it told."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hairem_core.hotplug.watcher import BundleWatcher, WatchMode
from tests.support.bus import until

QUIET = 0.3
"""Seconds in which whatever was going to be told has been told."""


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


def bundle(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "manifest.yaml").write_text(f"id: {name}\n")
    (folder / "logic.py").write_text("pass\n")
    return folder
