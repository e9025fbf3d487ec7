"""Stores on the real engines: the embedded one, and a server of SurrealDB 3."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from hairem_core.memory.store import MemoryStore
from tests.support.surrealdb3 import SurrealDB3, running_surrealdb3

ENGINES = ("embedded", "server")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[SurrealDB3]:
    async with running_surrealdb3(tmp_path / "surrealdb3") as running:
        yield running


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store, on each of the engines."""
    if request.param == "embedded":
        return f"surrealkv://{tmp_path / 'memory'}"
    server: SurrealDB3 = request.getfixturevalue("server")
    return server.url


@pytest.fixture
def folder_url(tmp_path: Path) -> str:
    """The address of an empty store on the embedded engine."""
    return f"surrealkv://{tmp_path / 'memory'}"


@pytest.fixture
async def store(url: str) -> AsyncGenerator[MemoryStore]:
    opened = await MemoryStore.open(url)
    yield opened
    await opened.close()
