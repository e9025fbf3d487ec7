"""The bus: publish to inboxes and live channels, listen, consume."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from hairem_core.hlink import keys
from hairem_core.hlink.connection import outage_is_unavailable
from hairem_core.hlink.dead import bury
from hairem_core.hlink.outbox import Command, Outbox
from hairem_core.sdk.message import CREW, Message, MessageType

_LOGGER = logging.getLogger(__name__)

type LiveListener = Callable[[Message], None]


class Bus:
    """H-Link over one Redis.

    Messages to agents go to their inboxes, at least once; to anyone else, and of type STREAM to
    agents too, they go live to whoever listens. See https://redis.io/docs/latest/develop/data-types/streams/.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        live: Redis | None = None,
        max_hops: int = 8,
        max_deliveries: int = 5,
        journal_length: int = 10_000,
    ) -> None:
        """`live` carries the pub/sub connection; it must not retry, so that an outage shows."""
        self.redis = redis
        self._live = live or redis
        self.max_hops = max_hops
        self.max_deliveries = max_deliveries
        self._journal_length = journal_length
        self._outbox = Outbox(redis)
        self._known: set[str] = set()
        self._listeners: dict[str, list[LiveListener]] = {}
        # One at a time: an end must not overtake the beginning of the next on the same channel.
        self._subscribing = asyncio.Lock()
        self._pubsub: PubSub | None = None
        self._live_task: asyncio.Task[None] | None = None
        self._outage_listeners: list[Callable[[], None]] = []
        self._published = 0

    async def register(self, agent_id: str) -> None:
        """Give an agent its inboxes; from now on messages to it wait until it reads them."""
        async with outage_is_unavailable(self.redis):
            await self.redis.sadd(keys.AGENTS, agent_id)
            for lane in keys.LANES:
                await create_group(self.redis, keys.inbox(agent_id, lane))
        self._known.add(agent_id)

    async def unregister(self, agent_id: str) -> None:
        """Close an agent's inboxes: messages to it go to the dead letters from now on.

        What waits in them stays there, and is handled if the agent comes back.
        """
        self._known.discard(agent_id)
        async with outage_is_unavailable(self.redis):
            await self.redis.srem(keys.AGENTS, agent_id)

    async def publish(self, message: Message) -> int:
        """Send `message`; return how many inboxes or live listeners it reached.

        0 means that nobody listens, or that it went to the dead letters: as a loop, or for want of
        such an agent. Raises BusUnavailable.
        """
        async with outage_is_unavailable(self.redis):
            return await self._publish(message)

    async def _publish(self, message: Message) -> int:
        header = message.header
        raw = message.model_dump_json()
        if header.hops > self.max_hops:
            await bury(self.redis, raw, reason=f"loop: {header.hops} hops, {self.max_hops} allowed")
            _LOGGER.warning("Loop of %s from %s stopped", header.topic, header.sender)
            return 0
        inboxes: Sequence[str] = ()
        if header.type is not MessageType.STREAM:
            found = await self._inboxes(message)
            if found is None:
                await bury(self.redis, raw, reason=f"no such agent: {header.recipient}")
                _LOGGER.warning("%s wrote to %s: no such agent", header.sender, header.recipient)
                return 0
            inboxes = found
        commands: list[Command] = [("XADD", stream, "*", keys.FIELD, raw) for stream in inboxes]
        if not inboxes or header.recipient == CREW:
            # What is said to all may be heard by anyone: a speaker in a room, a screen.
            commands.append(("PUBLISH", keys.live(header.recipient), raw))
        if keys.is_journaled(message):
            length = self._journal_length
            commands.append(("XADD", keys.JOURNAL, "MAXLEN", "~", length, "*", keys.FIELD, raw))
        replies = await self._outbox.send(commands)
        self._published += 1
        return len(inboxes) or int(replies[0])

    async def _inboxes(self, message: Message) -> Sequence[str] | None:
        """Return the streams that take `message`: none for a recipient without inboxes.

        Returns None for an agent that does not exist.
        """
        header = message.header
        if header.recipient == CREW:
            names: Any = await self.redis.smembers(keys.AGENTS)
            members = {name.decode() for name in names}
            members.discard(keys.agent_of(header.sender) or "")
            return [keys.inbox(name, header.priority) for name in sorted(members)]
        agent_id = keys.agent_of(header.recipient)
        if agent_id is None:
            return ()
        if agent_id not in self._known:
            if not await self.redis.sismember(keys.AGENTS, agent_id):
                return None
            self._known.add(agent_id)
        return (keys.inbox(agent_id, header.priority),)

    async def listen(self, pattern: str, listener: LiveListener) -> Callable[[], Awaitable[None]]:
        """Call `listener` with each live message to an address that matches the glob `pattern`.

        Returns a function that ends it. A listener must not block. Raises BusUnavailable, and then
        does not listen.
        """
        channel = keys.live(pattern)
        if self._pubsub is None:
            self._pubsub = self._live.pubsub(ignore_subscribe_messages=True)
        async with self._subscribing, outage_is_unavailable(self.redis):
            if channel not in self._listeners:
                await self._connect_live(self._pubsub)
                await self._pubsub.psubscribe(channel)
            self._listeners.setdefault(channel, []).append(listener)
        if self._live_task is None:
            self._live_task = asyncio.create_task(self._listen(self._pubsub), name="hlink live")
        return partial(self._end_listening, channel, listener)

    async def _end_listening(self, channel: str, listener: LiveListener) -> None:
        async with self._subscribing, outage_is_unavailable(self.redis):
            self._listeners[channel].remove(listener)
            if not self._listeners[channel] and self._pubsub is not None:
                del self._listeners[channel]
                await self._connect_live(self._pubsub)
                await self._pubsub.punsubscribe(channel)

    def on_outage(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the live channel broke: what was said meanwhile is missed."""
        self._outage_listeners.append(listener)

    async def _listen(self, pubsub: PubSub) -> None:
        connection: Any = pubsub.connection  # the same object for good, connected or not
        is_away = False
        while True:
            try:
                # Whoever subscribes connects, too. Of two connections made at once redis-py forgets
                # one, which stays open, and waits on either for the answers of the other.
                async with self._subscribing:
                    await self._connect_live(pubsub)
                while connection.is_connected:
                    event = await pubsub.get_message(timeout=None)
                    is_away = False
                    if event is not None:
                        self._take_live(event)
            except (RedisError, OSError) as err:
                if not is_away:
                    _LOGGER.warning("The live channel broke: %s", err)
                    for on_outage in self._outage_listeners:
                        on_outage()
                is_away = True
                async with self._subscribing:
                    await connection.disconnect(nowait=True)
                await asyncio.sleep(0.2)

    async def _connect_live(self, pubsub: PubSub) -> None:
        """Connect, if need be; redis-py then subscribes anew to all that it knows of."""
        connection: Any = pubsub.connection
        if connection is not None and not connection.is_connected:
            listened_to = {channel.encode() for channel in self._listeners}
            for channel in pubsub.patterns.keys() - listened_to:
                del pubsub.patterns[channel]
        await pubsub.connect()  # type: ignore[no-untyped-call]

    def _take_live(self, event: dict[str, Any]) -> None:
        try:
            message = Message.model_validate_json(event["data"])
        except ValidationError as err:
            _LOGGER.warning("Rubbish on %s: %s", event["channel"], err)
            return
        for listener in self._listeners.get(event["pattern"].decode(), ()):
            listener(message)

    def statistics(self) -> dict[str, Any]:
        """Return what this bus holds: published messages, live listeners, known agents."""
        return {
            "published": self._published,
            "listeners": sum(len(each) for each in self._listeners.values()),
            "agents": sorted(self._known),
        }

    async def close(self) -> None:
        """Stop listening and let go of Redis."""
        if self._live_task is not None:
            self._live_task.cancel()
            await asyncio.gather(self._live_task, return_exceptions=True)
        if self._pubsub is not None:
            await self._pubsub.aclose()  # type: ignore[no-untyped-call]
        await self._live.aclose()
        await self.redis.aclose()


async def create_group(redis: Redis, stream: str) -> None:
    """Create the consumer group of an inbox, and the inbox; leave them if they are there."""
    groups: list[Any] = []
    if await redis.exists(stream):
        groups = await redis.xinfo_groups(stream)
    if not groups:
        await redis.xgroup_create(stream, keys.GROUP, id="0", mkstream=True)
