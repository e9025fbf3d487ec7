import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from hairem_core.memory import service as memory_service
from tests.hotplug.hostile.street import Street


@pytest.fixture(scope="package")
def house() -> Iterator[Path]:
    """A folder that agents, where each has a user of its own, can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="hairem-hostile-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="package", autouse=True)
def no_look() -> Iterator[None]:
    """Let nobody look at the archive some time after the start, which keeps a file of it open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_service, "_LOOK_AFTER", 3600.0)
        yield


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def street(house: Path) -> AsyncIterator[Street]:
    async with Street.open(house / "one") as street:
        yield street
