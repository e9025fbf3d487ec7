from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hairem_core.hotplug.forkserver import Forkserver


@pytest.fixture
async def forkserver() -> AsyncIterator[Forkserver]:
    server = Forkserver()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    folder = tmp_path / "agents"
    folder.mkdir()
    return folder
