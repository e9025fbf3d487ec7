"""Electra's own driver for Home Assistant: its states as they change, and its services.

    home = HomeAssistant("http://homeassistant.local:8123", token)
    ctx.spawn_task(home.run(), name="home assistant")
    async for event in home.events(): ...

`run()` stays connected: after a gap it tries again with growing pauses, reads all states anew, and
what had become another meanwhile comes as events marked `missed`.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Never

from .changes import ChangeQueue
from .connection import Connection, socket_url
from .errors import CommandRefused, HomeAssistantError, TokenRefused, Unreachable
from .states import State, StateChanged, Synchronised, apply, decode, differences

__all__ = [
    "CommandRefused",
    "HomeAssistant",
    "HomeAssistantError",
    "State",
    "StateChanged",
    "Statistics",
    "Synchronised",
    "TokenRefused",
    "Unreachable",
]

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_STEADY = 10.0
"""Seconds after which a connection was a good one, and the pauses begin anew."""
_START_POLL = 0.5
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What the driver holds and did."""

    connected: bool
    connections: int
    """How often it got as far as knowing all states."""
    entities: int
    received: int
    """Changes that came."""
    merged: int
    """Changes that were merged with later ones, since more came than were taken."""
    waiting: int
    """Events that nobody has taken yet."""
    last_error: str | None


class HomeAssistant:
    """One Home Assistant. `run()` must run for anything else to work."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        domains: list[str] | None = None,
        liveness: float = 20.0,
        first_pause: float = _FIRST_PAUSE,
        limit: int = 1_000,
        logger: logging.Logger = _LOGGER,
    ) -> None:
        """Prepare; nothing is opened yet.

        `url` as a browser shows it, or a `ws://` address as it is. `domains`: kinds of entities
        to follow, None for all. `liveness`: seconds between pings. `first_pause`: seconds before
        the second try; they double up to a minute. `limit`: events that wait before they are
        merged. Raises HomeAssistantError for an address that is none.
        """
        self._url = socket_url(url)
        self._token = token
        self._filter = {"include": {"domains": domains}} if domains else {}
        self._liveness = liveness
        self._first_pause = first_pause
        self._logger = logger
        self._states: dict[str, State] = {}
        self._queue = ChangeQueue(limit)
        self._connection: Connection | None = None
        self._synchronised = False
        self._connections = 0
        self._received = 0
        self._down_since: float | None = None
        self._last_error: str | None = None
        self.language: str | None = None
        """The house's, such as `fr`; None until it is known."""
        self.time_zone: str | None = None
        """The house's, such as `Europe/Paris`; None until it is known."""

    @property
    def is_connected(self) -> bool:
        """Whether the states known are those of this moment."""
        return self._connection is not None and self._synchronised

    @property
    def states(self) -> Mapping[str, State]:
        """All states as they were last known, by entity id."""
        return MappingProxyType(self._states)

    def statistics(self) -> Statistics:
        """Return what it holds and did."""
        return Statistics(
            connected=self.is_connected,
            connections=self._connections,
            entities=len(self._states),
            received=self._received,
            merged=self._queue.merged,
            waiting=len(self._queue),
            last_error=self._last_error,
        )

    async def events(self) -> AsyncGenerator[StateChanged | Synchronised]:
        """Yield what happens, in order, for ever. One task may do this."""
        while True:
            yield await self._queue.get()

    async def next_event(self, timeout: float) -> StateChanged | Synchronised | None:
        """Return the next event, None if there is none within `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                return await self._queue.get()
        return None

    async def run(self) -> Never:
        """Stay connected until cancelled. Raises TokenRefused, and never tries that token again."""
        loop = asyncio.get_running_loop()
        pause = self._first_pause
        while True:
            started = loop.time()
            try:
                async with Connection.open(
                    self._url, self._token, liveness=self._liveness
                ) as connection:
                    await self._serve(connection)
            except TokenRefused as err:
                self._last_error = str(err)
                raise
            except (Unreachable, CommandRefused) as err:
                self._note_loss(err)
            finally:
                self._connection, self._synchronised = None, False
            if loop.time() - started > _STEADY:
                pause = self._first_pause
            # Jitter: when Home Assistant comes back, not everybody knocks at the same moment.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def command(self, type: str, *, timeout: float = 15.0, **fields: Any) -> Any:
        """Return the result of any command of the API. Raises CommandRefused, Unreachable."""
        if self._connection is None:
            raise Unreachable("there is no connection", where=self._url)
        return await self._connection.command(type, timeout=timeout, **fields)

    async def call_service(
        self,
        domain: str,
        service: str,
        *,
        entity_id: str | list[str] | None = None,
        data: Mapping[str, Any] | None = None,
        return_response: bool = False,
        timeout: float = 30.0,
    ) -> Any:
        """Run a service, such as `light`, `turn_on`, and return its response once it is done.

        The response is None unless asked for. Raises CommandRefused when Home Assistant refuses or
        fails, Unreachable when it does not answer: then it may have happened or not.
        """
        fields: dict[str, Any] = {
            "domain": domain,
            "service": service,
            "service_data": dict(data or {}),
            "return_response": return_response,
        }
        if entity_id is not None:
            fields["target"] = {"entity_id": entity_id}
        result = await self.command("call_service", timeout=timeout, **fields)
        return (result or {}).get("response")

    async def _serve(self, connection: Connection) -> None:
        """Follow the states of one connection until it ends. Raises Unreachable."""
        # Many changes in one frame instead of a frame for each.
        await connection.command("supported_features", features={"coalesce_messages": 1})
        config = await self._wait_until_set_up(connection)
        self.language = config.get("language")
        self.time_zone = config.get("time_zone")
        self._connection = connection
        await connection.subscribe("subscribe_entities", self._take, self._filter)
        await connection.wait_closed()

    async def _wait_until_set_up(self, connection: Connection) -> dict[str, Any]:
        """Return Home Assistant's configuration once all of it runs.

        It answers before: half a house would look like a house of which half is gone.
        """
        while True:
            config: dict[str, Any] = await connection.command("get_config")
            if config.get("state") not in ("NOT_RUNNING", "STARTING"):
                return config
            await asyncio.sleep(_START_POLL)

    def _take(self, event: dict[str, Any]) -> None:
        if not self._synchronised:
            # The first event holds everything there is.
            self._synchronise({key: decode(key, raw) for key, raw in event.get("a", {}).items()})
            return
        for entity_id, raw in (event.get("a") or {}).items():
            self._change(entity_id, decode(entity_id, raw))
        for entity_id, diff in (event.get("c") or {}).items():
            # Home Assistant leaves out of the first event what it cannot write as JSON.
            if (old := self._states.get(entity_id)) is not None:
                self._change(entity_id, apply(old, diff))
        for entity_id in event.get("r") or ():
            self._change(entity_id, None)

    def _change(self, entity_id: str, new: State | None) -> None:
        self._received += 1
        old = self._states.get(entity_id)
        if new is not None:
            self._states[entity_id] = new
        elif old is None:
            return
        else:
            del self._states[entity_id]
        self._queue.put(StateChanged(entity_id=entity_id, old=old, new=new))

    def _synchronise(self, states: dict[str, State]) -> None:
        first = self._connections == 0
        missed = [] if first else differences(self._states, states)
        self._states = states
        for change in missed:
            self._queue.put(change)
        self._queue.put(Synchronised(first=first))
        self._synchronised = True
        self._connections += 1
        gap = "" if self._down_since is None else f" after {time.time() - self._down_since:.0f} s"
        self._logger.info(
            "Connected to Home Assistant%s: %d entities, %d changed meanwhile",
            gap,
            len(states),
            len(missed),
        )
        self._down_since, self._last_error = None, None

    def _note_loss(self, err: HomeAssistantError) -> None:
        """Say once that it is gone, and why; again only for another reason."""
        if self._down_since is None:
            self._down_since = time.time()
        if str(err) != self._last_error:
            self._last_error = str(err)
            self._logger.warning("No connection to Home Assistant: %s", err)
