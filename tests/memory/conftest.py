"""Stores on the real engines: the embedded one, and a server of SurrealDB 3."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hairem_core.memory.store import MemoryStore
from tests.support.surrealdb3 import ManySurrealDB3, SurrealDB3, running_surrealdb3

ENGINES = ("embedded", "server")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[SurrealDB3]:
    async with running_surrealdb3(tmp_path / "surrealdb3") as running:
        yield running


@pytest.fixture(scope="session")
def servers() -> Iterator[ManySurrealDB3]:
    """Servers that are asked, and not killed."""
    many = ManySurrealDB3()
    yield many
    many.stop()


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty store, on each of the engines."""
    with ExitStack() as stack:
        if request.param == "embedded":
            yield f"surrealkv://{tmp_path / 'memory'}"
        else:
            servers: ManySurrealDB3 = request.getfixturevalue("servers")
            yield stack.enter_context(servers.open(tmp_path / "surrealdb3"))


@pytest.fixture
def folder_url(tmp_path: Path) -> str:
    """The address of an empty store on the embedded engine."""
    return f"surrealkv://{tmp_path / 'memory'}"


@pytest.fixture
async def store(url: str) -> AsyncGenerator[MemoryStore]:
    opened = await MemoryStore.open(url)
    yield opened
    await opened.close()
