"""One Home Assistant for all of these tests: it takes seconds to start."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.agents.homes import ANNA, FRONT_DOOR, HALL_MOTION, OVEN, sense
from tests.support.home_assistant import KITCHEN_LIGHT, HomeAssistant


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_home(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[HomeAssistant]:
    folder = tmp_path_factory.mktemp("home-assistant")
    async with HomeAssistant(folder) as home:
        await home.onboard(password="correct horse battery staple")
        yield home


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def token(shared_home: HomeAssistant) -> str:
    """Return a long-lived access token, as a person makes one on their profile page."""
    made: str = await shared_home.socket.command(
        "auth/long_lived_access_token", client_name="Electra", lifespan=365
    )
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def home(shared_home: HomeAssistant, token: str) -> HomeAssistant:
    """Return the house at rest: everything off and shut, nobody at home."""
    if shared_home.child.pid is None:
        await shared_home.start()
    await shared_home.call("light.turn_off", entity_id=KITCHEN_LIGHT)
    for entity_id, state in (
        (HALL_MOTION, "off"),
        (FRONT_DOOR, "off"),
        (OVEN, "0"),
        (ANNA, "not_home"),
    ):
        await sense(shared_home, entity_id, state)
    return shared_home
