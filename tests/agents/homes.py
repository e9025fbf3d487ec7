"""What the house of these tests senses, and how to wait for what a driver says of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from agents.electra.drivers.home_assistant import HomeAssistant, StateChanged, Synchronised
from tests.support.home_assistant import HomeAssistant as House

HALL_MOTION = "binary_sensor.hall_motion"
FRONT_DOOR = "binary_sensor.front_door"
OVEN = "sensor.oven_power"
ANNA = "person.anna"
_ATTRIBUTES: dict[str, dict[str, str]] = {
    HALL_MOTION: {"device_class": "motion", "friendly_name": "Hall motion"},
    FRONT_DOOR: {"device_class": "door", "friendly_name": "Front door"},
    OVEN: {"device_class": "power", "friendly_name": "Oven", "unit_of_measurement": "W"},
    ANNA: {"friendly_name": "Anna"},
}


async def sense(home: House, entity_id: str, state: str) -> None:
    """Have the real Home Assistant say that an entity is in this state."""
    body = {"state": state, "attributes": _ATTRIBUTES.get(entity_id, {})}
    await home.post(f"/api/states/{entity_id}", body)


@asynccontextmanager
async def running(driver: HomeAssistant) -> AsyncGenerator[HomeAssistant]:
    """Yield the driver while it stays connected."""
    task = asyncio.create_task(driver.run())
    try:
        yield driver
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def change_of(
    driver: HomeAssistant, entity_id: str, state: str | None = None
) -> StateChanged:
    """Return the next change of an entity, or the next to `state`."""
    async with asyncio.timeout(30):
        async for event in driver.events():
            if not isinstance(event, StateChanged) or event.entity_id != entity_id:
                continue
            if state is None or (event.new is not None and event.new.state == state):
                return event
    raise AssertionError("events() ended")


async def synchronised(driver: HomeAssistant) -> Synchronised:
    """Return once the driver knows the house (again)."""
    async with asyncio.timeout(45):
        async for event in driver.events():
            if isinstance(event, Synchronised):
                return event
    raise AssertionError("events() ended")
