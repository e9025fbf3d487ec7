"""What every test of the watcher stands on: a folder of bundles, and short waits."""

from pathlib import Path

import pytest

from hairem_core.hotplug import watcher
from tests.hotplug.watcher.watching import bundle


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "_LOOK_SECONDS", 0.1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "agents"
    bundle(root, "electra")
    bundle(root, "dieu")
    return root
