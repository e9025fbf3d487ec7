from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.hotplug.hostile.street import Street


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    async with Street.open(tmp_path_factory.mktemp("house")) as street:
        yield street
