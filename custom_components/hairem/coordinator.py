"""What the integration knows of one H-Core: its crew, kept true by push."""

import asyncio
from dataclasses import dataclass
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN, __version__
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .client import BridgeClient
from .const import LOGGER
from .crew import Crew
from .errors import BridgeError, CannotConnect, CommandFailed
from .models import Agent, AgentsEvent, Changed, Removed, ServerInfo, Snapshot
from .reconnect import ReconnectLogic, ReconnectStatistics

SNAPSHOT_TIMEOUT: Final = 10.0
"""Seconds from subscribing until the crew must be known."""

type HairemConfigEntry = ConfigEntry[HairemRuntimeData]


@dataclass(kw_only=True)
class HairemRuntimeData:
    """What lives as long as a config entry is loaded."""

    coordinator: HairemCoordinator


def bridge_client(
    hass: HomeAssistant, *, host: str, port: int, token: str, server_id: str | None = None
) -> BridgeClient:
    """Return a client, not yet connected, that introduces itself as this Home Assistant.

    With a `server_id`, it does so to no other H-Core.
    """
    return BridgeClient(
        async_get_clientsession(hass),
        host=host,
        port=port,
        token=token,
        name=f"Home Assistant {__version__}",
        server_id=server_id,
    )


class HairemCoordinator:
    """Keeps the connection to one H-Core and the agents that live there."""

    def __init__(self, hass: HomeAssistant, entry: HairemConfigEntry, server_id: str) -> None:
        """Prepare; `async_connect` makes the first connection.

        `server_id` is that of the H-Core that was set up: agents of another one are other agents.
        """
        self.hass = hass
        self.entry = entry
        self.server_id = server_id
        self.server: ServerInfo | None = None
        self.client: BridgeClient | None = None
        self.agents: dict[str, Agent] = {}
        """All that H-Core tells of, by id."""
        self.available = False
        self._listeners: list[CALLBACK_TYPE] = []
        self._snapshot = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self.crew = Crew(hass, entry, server_id, on_gone=self._update_listeners)
        self._reconnect = ReconnectLogic(self._open, on_down=self._on_down, on_up=self._on_up)

    def statistics(self) -> ReconnectStatistics:
        """Return how the connection fared."""
        return self._reconnect.statistics()

    async def async_connect(self) -> None:
        """Connect and learn the crew.

        Raises CannotConnect, InvalidAuth, UnsupportedSchema or WrongServer.
        """
        await self._open()
        self.available = True

    @callback
    def async_watch(self) -> None:
        """Start to watch the connection; ends with the config entry."""
        self._watching = self.entry.async_create_background_task(
            self.hass, self._watch(), name=f"hairem connection to {self.entry.title}"
        )

    async def async_close(self) -> None:
        """End the connection, for good."""
        self.crew.async_close()
        if self._watching is not None:
            # First, or it would take the end for an outage.
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if self.client is not None:
            await self.client.close()

    async def async_reload_agent(self, agent_id: str) -> None:
        """Have H-Core start an agent anew. Raises CannotConnect or CommandFailed."""
        assert self.client is not None
        await self.client.reload_agent(agent_id)

    @callback
    def async_add_listener(self, listener: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Call `listener` after each change of the crew or the connection.

        Returns what ends that.
        """
        self._listeners.append(listener)

        @callback
        def remove() -> None:
            self._listeners.remove(listener)

        return remove

    async def _watch(self) -> None:
        assert self.client is not None
        try:
            await self._reconnect.run(self.client)
        except BridgeError as err:
            # The setup knows what to do about a refused token, a new version or another core.
            LOGGER.debug("Setting up %s anew: %s", self.entry.title, err)
            self.hass.config_entries.async_schedule_reload(self.entry.entry_id)

    async def _open(self) -> BridgeClient:
        """Return a client that is connected, its crew known."""
        client = bridge_client(
            self.hass,
            host=self.entry.data[CONF_HOST],
            port=self.entry.data[CONF_PORT],
            token=self.entry.data[CONF_TOKEN],
            server_id=self.server_id,
        )
        server = await client.connect()
        try:
            self._snapshot.clear()
            async with asyncio.timeout(SNAPSHOT_TIMEOUT):
                await client.subscribe_agents(self._on_agents)
                await self._snapshot.wait()
        except CommandFailed as err:
            await client.close()
            raise CannotConnect(f"H-Core does not say which agents there are: {err}") from err
        except TimeoutError as err:
            await client.close()
            raise CannotConnect(
                f"H-Core did not say within {SNAPSHOT_TIMEOUT:.0f} s which agents there are"
            ) from err
        except BaseException:
            await client.close()
            raise
        self.server = server
        self.client = client
        return client

    @callback
    def _on_down(self) -> None:
        LOGGER.warning("The connection to %s was lost; trying to get it back", self.entry.title)
        self.available = False
        self._update_listeners()

    @callback
    def _on_up(self) -> None:
        LOGGER.info("The connection to %s is back", self.entry.title)
        self.available = True
        self._update_listeners()

    @callback
    def _on_agents(self, event: AgentsEvent) -> None:
        match event:
            case Snapshot(agents):
                self.agents = dict(agents)
                self._snapshot.set()
            case Changed(agent):
                self.agents = {**self.agents, agent.id: agent}
            case Removed(agent_id):
                self.agents = {key: agent for key, agent in self.agents.items() if key != agent_id}
        self.crew.async_update(self.agents)
        self._update_listeners()

    @callback
    def _update_listeners(self) -> None:
        for listener in list(self._listeners):
            listener()
