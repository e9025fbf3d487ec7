"""A store with a clock that stands still, and a real archive."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from hairem_core.memory.store import MemoryStore
from tests.memory.dream.scene import Archive, Clock, Embedder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(url: str, clock: Clock) -> AsyncGenerator[MemoryStore]:
    opened = await MemoryStore.open(url, clock=clock, embedder=Embedder())
    yield opened
    await opened.close()


@pytest.fixture
async def wordy_store(url: str, clock: Clock) -> AsyncGenerator[MemoryStore]:
    """One without a model of embeddings."""
    opened = await MemoryStore.open(url, clock=clock)
    yield opened
    await opened.close()


@pytest.fixture
async def archive(store: MemoryStore, tmp_path: Path) -> AsyncGenerator[Archive]:
    opened = await Archive.open(store, tmp_path / "archive.sqlite3")
    yield opened
    await opened.close()
