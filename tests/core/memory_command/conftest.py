"""The house that `hairem memory` and `hairem dream` are tried on, once it runs and once not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.core.memory_command.house import House
from tests.support.core import running_core
from tests.support.memory_house import seeded


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["running", "stopped"])
async def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    house = House(tmp_path_factory.mktemp(request.param))
    house.ids = await seeded(house.data)
    if request.param == "stopped":
        yield house
        return
    async with running_core(house.data.parent, agents=house.data.parent / "agents"):
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def stopped(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.ids = await seeded(house.data)
    return house
