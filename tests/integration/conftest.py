"""A Home Assistant with the integration in it, and the other end of its bridge."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from homeassistant.components.conversation import ConversationResult, async_converse
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_HOST, CONF_LLM_HASS_API, CONF_PORT, CONF_TOKEN
from homeassistant.core import Context, HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hairem import crew
from custom_components.hairem.client import BridgeClient
from custom_components.hairem.const import CONF_IS_APP, DOMAIN
from custom_components.hairem.migration import MINOR_VERSION
from tests.integration.announcements import OTHER_ID
from tests.integration.bridge_server import SERVER_ID, TOKEN, BridgeServer

HERE = Path(__file__).parent
NOT_OURS = (
    # Home Assistant keys its web application by strings, for integrations of old.
    "ignore::aiohttp.web_exceptions.NotAppKeyWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let pass, of all warnings, those of Home Assistant about itself."""
    for item in items:
        if item.path.is_relative_to(HERE):
            for warning in NOT_OURS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(autouse=True)
def sockets(socket_enabled: None) -> None:
    """Let tests open sockets, to loopback only: the bridge is a real one."""


@pytest.fixture(autouse=True)
async def home(hass: HomeAssistant, enable_custom_integrations: None) -> None:
    """Set up what conversation needs of Home Assistant."""
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "conversation", {})


@pytest.fixture
async def bridge() -> AsyncGenerator[BridgeServer]:
    """Return H-Core's end of the bridge. Fails the test if its client breaks the protocol."""
    server = BridgeServer()
    await server.start()
    yield server
    await server.stop()
    assert server.offences == []


@pytest.fixture
async def session() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def client(
    session: aiohttp.ClientSession, bridge: BridgeServer
) -> AsyncGenerator[BridgeClient]:
    """Return the integration's client by itself, not connected yet."""
    client = make_client(session, bridge)
    yield client
    await client.close()


def make_client(
    session: aiohttp.ClientSession, bridge: BridgeServer, token: str = TOKEN
) -> BridgeClient:
    return BridgeClient(session, host="127.0.0.1", port=bridge.port, token=token, name="A test 1.0")


@pytest.fixture
def entry(hass: HomeAssistant, bridge: BridgeServer) -> MockConfigEntry:
    """Return a config entry for that H-Core, known to Home Assistant, not set up."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Maison",
        unique_id=SERVER_ID,
        minor_version=MINOR_VERSION,
        data={CONF_HOST: "127.0.0.1", CONF_PORT: bridge.port, CONF_TOKEN: TOKEN},
        options={CONF_LLM_HASS_API: ["assist"]},
    )
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
async def loaded(hass: HomeAssistant, entry: MockConfigEntry) -> AsyncGenerator[MockConfigEntry]:
    """Return the config entry, set up. It is unloaded after the test."""
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        assert await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture
async def unloaded(hass: HomeAssistant) -> AsyncGenerator[None]:
    """Unload, after the test, what flows set up."""
    yield
    await hass.async_block_till_done()
    for entry in hass.config_entries.async_entries(DOMAIN):
        if entry.state in {ConfigEntryState.LOADED, ConfigEntryState.SETUP_RETRY}:
            await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture
async def laptop() -> AsyncGenerator[BridgeServer]:
    """Return the end of the bridge of an H-Core that is no app's."""
    server = BridgeServer()
    server.hello |= {"server_id": OTHER_ID, "name": "Laptop"}
    server.agents = {}
    await server.start()
    yield server
    await server.stop()
    assert server.offences == []


@pytest.fixture
def app_entry(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """Return the config entry as discovery makes it, not set up."""
    hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_IS_APP: True})
    return entry


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the devices of agents that left go almost at once."""
    monkeypatch.setattr(crew, "GRACE", 0.02)


type Ask = Callable[..., Coroutine[Any, Any, ConversationResult]]


@pytest.fixture
def ask(hass: HomeAssistant, loaded: MockConfigEntry) -> Ask:
    """Return what says a sentence to an agent, as Home Assistant's own API does."""

    async def ask(text: str, agent: str = "renarde", **details: Any) -> ConversationResult:
        return await async_converse(
            hass,
            text=text,
            conversation_id=details.pop("conversation_id", None),
            context=details.pop("context", Context()),
            language=details.pop("language", "en"),
            agent_id=f"conversation.{agent}",
            **details,
        )

    return ask


async def eventually(condition: Callable[[], bool], within: float = 3.0) -> None:
    """Return as soon as `condition` holds; fail after `within` seconds."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


def spoken(result: ConversationResult) -> str:
    """Return what a person hears."""
    speech: str = result.response.speech["plain"]["speech"]
    return speech
