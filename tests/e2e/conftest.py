"""One house for all of these tests: Home Assistant takes seconds to start."""

from collections.abc import AsyncGenerator, Iterator

import pytest
import pytest_asyncio

from tests.support.house import House
from tests.support.scripted_model import ScriptedModel
from tests.support.threads import in_thread


@pytest.fixture(scope="session")
def shared_model() -> Iterator[ScriptedModel]:
    # H-Core asks in the background too, while tests run that have nothing to do with this loop: a
    # model that did not answer then would be left alone for a while.
    with in_thread(ScriptedModel()) as model:
        yield model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_house(
    shared_model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[House]:
    folder = tmp_path_factory.mktemp("house")
    async with House(folder, model_base=shared_model.openai_base) as house:
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def model(shared_model: ScriptedModel) -> ScriptedModel:
    """Return the scripted model, as if nobody had used it yet."""
    shared_model.script.rules.clear()
    shared_model.requests.clear()
    return shared_model


@pytest_asyncio.fixture(loop_scope="session")
async def house(shared_house: House, model: ScriptedModel) -> House:
    """Return the house with everybody at home, whatever the test before did to it."""
    await shared_house.home.refresh_socket()
    if shared_house.core.child.pid is None:
        await shared_house.core.start()
    await shared_house.core.wait_for_agents(shared_house.token, *shared_house.agents)
    await shared_house.wait_until_back()
    return shared_house
