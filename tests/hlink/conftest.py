from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hairem_core.hlink.bus import Bus
from hairem_core.hlink.server import PrivateRedis
from tests.support.bus import connect, running_redis


@pytest.fixture
async def redis_server(tmp_path: Path) -> AsyncIterator[PrivateRedis]:
    async with running_redis(tmp_path) as server:
        yield server


@pytest.fixture
async def bus(redis_server: PrivateRedis) -> AsyncIterator[Bus]:
    bus = connect(redis_server.url, max_deliveries=3)
    yield bus
    await bus.close()
