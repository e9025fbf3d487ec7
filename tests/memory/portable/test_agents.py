"""Agents of an import: known at once, and found by their name whichever house gave it."""

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from hairem_core.memory.portable.importer import import_
from hairem_core.memory.store import MemoryStore
from tests.memory.portable.copies import exported

THEIRS = uuid4()


@pytest.fixture
def url(folder_url: str) -> str:
    return folder_url


@pytest.fixture
async def other(tmp_path: Path) -> AsyncGenerator[MemoryStore]:
    """A house in which fern has a UUID of its own."""
    opened = await MemoryStore.open(f"surrealkv://{tmp_path / 'other'}", identify=_theirs)
    await opened.remember("fern", "the ladder is in the barn")
    yield opened
    await opened.close()


def _theirs(agent_id: str) -> UUID | None:
    return THEIRS if agent_id == "fern" else None


async def test_an_agent_is_known_also_where_the_import_was_broken_off(
    store: MemoryStore, other: MemoryStore
) -> None:
    data = await exported(other)

    async def leaving() -> AsyncIterator[bytes]:
        for each in data.splitlines(keepends=True):
            yield each
            if each.startswith(b'{"line":"fragment"'):
                raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await import_(store, leaving())

    assert store.names.identify("fern") == THEIRS
