"""Archives on the real engines: SQLite's file, and a MariaDB server of the test's own."""

from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hairem_core.memory.archive.mover import ArchiveMover
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.database import Database
from hairem_core.memory.fragments import FragmentStore
from hairem_core.memory.writer import Writer
from tests.support.mariadb import MariaDb


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Generator[MariaDb]:
    """A running server, for tests that leave it running."""
    server = MariaDb(tmp_path_factory.mktemp("mariadb"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mariadb_url(mariadb: MariaDb) -> str:
    return mariadb.url(mariadb.database())


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'cold' / 'archive.sqlite3'}"


@pytest.fixture(params=["sqlite", "mariadb"])
def archive_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty archive, on each of the engines."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
async def archive(archive_url: str) -> AsyncGenerator[ColdArchive]:
    opened = await ColdArchive.open(archive_url)
    yield opened
    await opened.close()


@dataclass(frozen=True)
class Warm:
    """The store that fragments are moved out of."""

    database: Database
    writer: Writer
    fragments: FragmentStore

    @classmethod
    async def open(cls, url: str) -> Warm:
        database = await Database.open(url)
        writer = await Writer.take_over(database)
        return cls(database, writer, FragmentStore(database, writer))

    def mover(self, archive: ColdArchive) -> ArchiveMover:
        return ArchiveMover(self.database, self.writer, self.fragments, archive)


@pytest.fixture
async def warm(tmp_path: Path) -> AsyncGenerator[Warm]:
    opened = await Warm.open(f"surrealkv://{tmp_path / 'memory'}")
    yield opened
    await opened.database.close()
