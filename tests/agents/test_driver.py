"""Electra's driver against a real Home Assistant."""

import asyncio
import logging
import os
import signal
from contextlib import suppress

import pytest

from agents.electra.drivers.home_assistant import (
    CommandRefused,
    HomeAssistant,
    HomeAssistantError,
    TokenRefused,
    Unreachable,
)
from tests.agents.homes import (
    FRONT_DOOR,
    HALL_MOTION,
    OVEN,
    change_of,
    running,
    sense,
    synchronised,
)
from tests.support.child import free_port
from tests.support.home_assistant import KITCHEN_LIGHT
from tests.support.home_assistant import HomeAssistant as House

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_it_knows_the_house_and_hears_every_change(home: House, token: str) -> None:
    async with running(HomeAssistant(home.url, token)) as driver:
        assert (await synchronised(driver)).first
        assert driver.is_connected
        assert driver.language == "en"
        assert driver.time_zone == "Europe/Paris"
        light = driver.states[KITCHEN_LIGHT]
        assert (light.domain, light.name, light.state) == ("light", "Kitchen light", "off")

        await home.call("light.turn_on", entity_id=KITCHEN_LIGHT)
        change = await change_of(driver, KITCHEN_LIGHT)
        assert change.old is not None
        assert change.new is not None
        assert (change.old.state, change.new.state) == ("off", "on")
        assert change.new.changed_at > change.old.changed_at
        assert not change.missed

        await sense(home, OVEN, "1200")
        warm = await change_of(driver, OVEN)
        assert warm.new is not None
        assert (warm.new.number, warm.new.device_class) == (1200.0, "power")

        await home.delete(f"/api/states/{OVEN}")
        gone = await change_of(driver, OVEN)
        assert gone.new is None
        assert OVEN not in driver.states


async def test_a_service_says_what_came_of_it(home: House, token: str) -> None:
    async with running(HomeAssistant(home.url, token)) as driver:
        await synchronised(driver)
        await driver.call_service("light", "turn_on", entity_id=KITCHEN_LIGHT)
        assert await home.state(KITCHEN_LIGHT) == "on"
        with pytest.raises(CommandRefused) as refused:
            await driver.call_service("light", "no_such_service")
        assert refused.value.reason == "not_found"
        with pytest.raises(CommandRefused):
            await driver.command("no/such/command")
        assert driver.is_connected


async def test_only_the_kinds_asked_for_are_followed(home: House, token: str) -> None:
    async with running(HomeAssistant(home.url, token, domains=["light"])) as driver:
        await synchronised(driver)
        assert {each.domain for each in driver.states.values()} == {"light"}


async def test_a_wrong_token_is_tried_once_and_never_again(home: House) -> None:
    driver = HomeAssistant(home.url, "not-a-token", first_pause=0.01)
    with pytest.raises(TokenRefused, match="refuses the token") as refused:
        await asyncio.wait_for(driver.run(), 10)
    assert "ELECTRA_HA_TOKEN" in str(refused.value)
    assert "not-a-token" not in str(refused.value)
    with pytest.raises(Unreachable):
        await driver.call_service("light", "turn_on")


async def test_killed_and_started_again_it_is_found_again_and_read_anew(
    home: House, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await sense(home, FRONT_DOOR, "off")
    # Home Assistant writes its tokens and states down after a while, and this is no test of that.
    await asyncio.sleep(2)
    async with running(HomeAssistant(home.url, token, first_pause=0.1)) as driver:
        await synchronised(driver)
        await home.child.kill()
        async with asyncio.timeout(5):
            while driver.is_connected:
                await asyncio.sleep(0.01)
        with pytest.raises(Unreachable):
            await driver.call_service("light", "turn_on", entity_id=KITCHEN_LIGHT)
        await home.stop()
        await home.start()
        again = await synchronised(driver)
        assert not again.first
        assert driver.statistics().connections == 2
        # What the restart took away was noticed, although nothing told of it.
        assert FRONT_DOOR not in driver.states
        assert KITCHEN_LIGHT in driver.states
        await home.call("light.turn_on", entity_id=KITCHEN_LIGHT)
        await change_of(driver, KITCHEN_LIGHT, "on")
    lost = [each for each in caplog.messages if each.startswith("No connection")]
    assert 1 <= len(lost) <= 3, "once for each reason, not for each try"


async def test_what_changed_during_a_gap_comes_marked_as_missed(home: House, token: str) -> None:
    async with running(HomeAssistant(home.url, token, first_pause=3)) as driver:
        await synchronised(driver)
        connection = driver._connection
        assert connection is not None
        # The line is cut, as a router does it: without a word.
        connection._socket.transport.abort()
        async with asyncio.timeout(5):
            while driver.is_connected:
                await asyncio.sleep(0.01)
        await sense(home, FRONT_DOOR, "on")
        missed = await change_of(driver, FRONT_DOOR)
        assert missed.missed
        assert missed.old is not None
        assert missed.new is not None
        assert (missed.old.state, missed.new.state) == ("off", "on")
        assert not (await synchronised(driver)).first


async def test_a_house_that_hangs_is_noticed_by_its_silence(home: House, token: str) -> None:
    async with running(HomeAssistant(home.url, token, liveness=0.3, first_pause=0.1)) as driver:
        await synchronised(driver)
        pid = home.child.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(5):
                while driver.is_connected:
                    await asyncio.sleep(0.01)
            assert "pings" in str(driver.statistics().last_error)
        finally:
            os.kill(pid, signal.SIGCONT)
        await synchronised(driver)
        assert driver.is_connected


async def test_it_ends_at_once_and_leaves_nothing_open(home: House, token: str) -> None:
    before = {task for task in asyncio.all_tasks() if not task.done()}
    driver = HomeAssistant(home.url, token)
    task = asyncio.create_task(driver.run())
    await synchronised(driver)
    asked = asyncio.create_task(driver.command("ping"))
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(2):
        with suppress(asyncio.CancelledError):
            await task
        with suppress(Unreachable, TypeError):
            await asked
    assert not driver.is_connected
    assert {each for each in asyncio.all_tasks() if not each.done()} <= before


async def test_it_waits_for_a_house_that_is_not_there_yet() -> None:
    driver = HomeAssistant(f"http://127.0.0.1:{free_port()}", "token", first_pause=0.01)
    task = asyncio.create_task(driver.run())
    await asyncio.sleep(0.3)
    assert not task.done()
    assert not driver.is_connected
    assert "config.ha_url" in str(driver.statistics().last_error)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("url", "socket"),
    [
        ("http://homeassistant.local:8123", "ws://homeassistant.local:8123/api/websocket"),
        ("https://house.example.com/", "wss://house.example.com/api/websocket"),
        ("ws://supervisor/core/websocket", "ws://supervisor/core/websocket"),
    ],
)
async def test_an_address_is_read_as_a_person_writes_it(url: str, socket: str) -> None:
    assert HomeAssistant(url, "token")._url == socket


@pytest.mark.parametrize("url", ["", "homeassistant.local", "ftp://house", "http://"])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(HomeAssistantError, match="ha_url"):
        HomeAssistant(url, "token")


async def test_a_motion_sensor_that_flickers_is_heard_each_time(home: House, token: str) -> None:
    async with running(HomeAssistant(home.url, token)) as driver:
        await synchronised(driver)
        for state in ("on", "off", "on", "off"):
            await sense(home, HALL_MOTION, state)
        heard = [await change_of(driver, HALL_MOTION) for _ in range(4)]
        assert [each.new.state for each in heard if each.new] == ["on", "off", "on", "off"]
