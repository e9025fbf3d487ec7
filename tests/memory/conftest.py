"""A store on the real engine, and messages to record."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from hairem_core.memory.store import MemoryStore


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"surrealkv://{tmp_path / 'memory'}"


@pytest.fixture
async def store(url: str) -> AsyncGenerator[MemoryStore]:
    opened = await MemoryStore.open(url)
    yield opened
    await opened.close()
