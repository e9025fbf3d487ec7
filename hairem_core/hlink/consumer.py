"""Reading an agent's inboxes: four lanes, none of which waits for another."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from hairem_core.hlink import keys
from hairem_core.hlink.bus import Bus, create_group
from hairem_core.hlink.connection import outage_is_unavailable
from hairem_core.hlink.dead import bury
from hairem_core.hlink.errors import Undeliverable
from hairem_core.sdk.message import Message, Priority, now

_LOGGER = logging.getLogger(__name__)

type Handler = Callable[[Message], Awaitable[None]]

CONCURRENCY = {Priority.P0: 16, Priority.P1: 16, Priority.P2: 8, Priority.P3: 2}
"""Handlers that may run at once in each lane of one agent."""
_BATCH = 64
_BLOCK_MS = 5_000
_DONE_SECONDS = 24 * 3600
_TRIM_EVERY = 1_000
_MOST_HANDLED = 100_000


@dataclass(slots=True, eq=False)
class _Entry:
    entry_id: bytes
    raw: bytes
    message: Message
    deliveries: int
    is_copy: bool = False

    @property
    def msg_id(self) -> UUID:
        return self.message.header.msg_id


class Consumer:
    """Hands every message of an agent's inboxes to a handler, at least once.

    A message is acknowledged after its handler returned, and remembered by `msg_id`: a second copy
    is acknowledged unhandled. A handler that raises is tried again with growing pauses until
    `bus.max_deliveries`, then the message goes to the dead letters. Messages of one conversation
    are handled in order within a lane. Only one consumer may read an agent's inboxes at a time:
    what another left unacknowledged is taken over at the start.
    """

    def __init__(
        self,
        bus: Bus,
        agent_id: str,
        handler: Handler,
        *,
        name: str = "host",
        retry_pause: float = 0.5,
    ) -> None:
        self._bus = bus
        self._agent_id = agent_id
        self._handler = handler
        self._handled_ids = _HandledIds()
        self._lanes = [
            _Lane(bus, agent_id, lane, handler, name, retry_pause, self._handled_ids)
            for lane in keys.LANES
        ]

    async def start(self) -> None:
        """Take over what is pending and begin to read. Raises BusUnavailable."""
        await self._bus.register(self._agent_id)
        async with outage_is_unavailable(self._bus.redis):
            await self._handled_ids.load(self._bus.redis, keys.done(self._agent_id))
        for lane in self._lanes:
            lane.start()

    async def stop(self, grace: float = 5.0) -> None:
        """Read no more, let running handlers finish for `grace` seconds, cancel the rest.

        A cancelled handler's message stays pending, and is handled by whoever reads next.
        """
        await asyncio.gather(*(lane.stop(grace) for lane in self._lanes))

    def statistics(self) -> dict[str, Any]:
        """Return, by lane, how many messages were handled, buried, doubled and are under way."""
        return {lane.priority.value: lane.statistics() for lane in self._lanes}


class _HandledIds:
    """The messages an agent has handled, by `msg_id`, as its one consumer knows them.

    What Redis holds is read once; from then on nobody else handles this agent's messages.
    """

    def __init__(self) -> None:
        self._ids: dict[UUID, None] = {}

    def __contains__(self, msg_id: UUID) -> bool:
        return msg_id in self._ids

    def add(self, msg_id: UUID) -> None:
        """Note a message as handled, and forget the oldest when there are too many."""
        self._ids[msg_id] = None
        if len(self._ids) > _MOST_HANDLED:
            del self._ids[next(iter(self._ids))]

    async def load(self, redis: Redis, key: str) -> None:
        """Read what earlier consumers handled."""
        names: Any = await redis.zrange(key, -_MOST_HANDLED, -1)
        self._ids = dict.fromkeys(UUID(name.decode()) for name in names)


class _Lane:
    def __init__(
        self,
        bus: Bus,
        agent_id: str,
        priority: Priority,
        handler: Handler,
        name: str,
        retry_pause: float,
        handled_ids: _HandledIds,
    ) -> None:
        self.priority = priority
        self._bus = bus
        self._redis: Redis = bus.redis
        self._stream = keys.inbox(agent_id, priority)
        self._done_key = keys.done(agent_id)
        self._handled_ids = handled_ids
        self._handler = handler
        self._name = name
        self._retry_pause = retry_pause
        self._slots = asyncio.Semaphore(CONCURRENCY[priority])
        self._window = asyncio.Semaphore(2 * _BATCH)
        self._under_way: dict[UUID, tuple[bytes, asyncio.Task[None]]] = {}
        self._tails: dict[str, asyncio.Task[None]] = {}
        self._finished: list[_Entry] = []
        self._finished_event = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._handled = self._buried = self._doubled = self._since_trim = 0

    def start(self) -> None:
        label = f"hlink {self._stream}"
        self._tasks = [
            asyncio.create_task(self._read_forever(), name=f"{label} read"),
            asyncio.create_task(self._acknowledge_forever(), name=f"{label} acknowledge"),
        ]

    async def stop(self, grace: float) -> None:
        self._stopping = True
        if not self._tasks:
            return  # never started: Redis was away
        reader, acknowledger = self._tasks
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        if running := [task for _, task in self._under_way.values()]:
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        self._finished_event.set()
        try:
            await asyncio.wait_for(acknowledger, 2)
        except TimeoutError:
            _LOGGER.warning("%s: Redis did not take the last acknowledgements", self._stream)

    def statistics(self) -> dict[str, int]:
        return {
            "handled": self._handled,
            "buried": self._buried,
            "doubled": self._doubled,
            "under_way": len(self._under_way),
        }

    async def _read_forever(self) -> None:
        pause = 0.05
        taken_over = False
        while True:
            try:
                if not taken_over:
                    await self._take_over()
                    taken_over = True
                await self._accept(await self._read())
                pause = 0.05
            except ResponseError as err:
                # A Redis that came back empty has neither stream nor group.
                if "NOGROUP" in str(err):
                    await self._restore_group()
                else:
                    _LOGGER.error("%s: Redis refuses: %s", self._stream, err)
                    await asyncio.sleep(1)
            except (RedisError, OSError) as err:
                _LOGGER.debug("%s: Redis is away: %s", self._stream, err)
                taken_over = False
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)

    async def _restore_group(self) -> None:
        with suppress(RedisError, OSError):
            await create_group(self._redis, self._stream)

    async def _read(self) -> list[_Entry]:
        replies: Any = await self._redis.xreadgroup(
            keys.GROUP, self._name, {self._stream: ">"}, count=_BATCH, block=_BLOCK_MS
        )
        return await self._parse(replies[0][1], deliveries={}) if replies else []

    async def _take_over(self) -> None:
        """Claim everything pending that this process is not itself handling.

        See https://redis.io/docs/latest/commands/xautoclaim/.
        """
        cursor: Any = "0-0"
        while True:
            reply: Any = await self._redis.xautoclaim(
                self._stream, keys.GROUP, self._name, min_idle_time=0, start_id=cursor, count=_BATCH
            )
            cursor, entries = reply[0], reply[1]
            if entries:
                counts: Any = await self._redis.xpending_range(
                    self._stream, keys.GROUP, min=entries[0][0], max=entries[-1][0], count=_BATCH
                )
                deliveries = {each["message_id"]: each["times_delivered"] for each in counts}
                await self._accept(await self._parse(entries, deliveries))
            if cursor in (b"0-0", "0-0"):
                return

    async def _parse(
        self, pairs: Sequence[tuple[bytes, dict[bytes, bytes]]], deliveries: dict[bytes, int]
    ) -> list[_Entry]:
        entries: list[_Entry] = []
        for entry_id, fields in pairs:
            raw = fields.get(keys.FIELD.encode(), b"")
            try:
                message = Message.model_validate_json(raw)
            except ValidationError as err:
                reason = f"not a message: {err.errors(include_url=False)[0]['msg']}"
                await self._bury(entry_id, raw, reason, deliveries.get(entry_id, 1))
                continue
            entries.append(_Entry(entry_id, raw, message, deliveries.get(entry_id, 1)))
        return entries

    async def _accept(self, entries: list[_Entry]) -> None:
        """Start the handlers of `entries`, but for those handled or under way already."""
        for entry in entries:
            if entry.msg_id in self._handled_ids:
                self._doubled += 1
                self._finish(entry)
            elif entry.msg_id in self._under_way:
                self._attach(entry)
            else:
                await self._window.acquire()
                self._begin(entry)

    def _begin(self, entry: _Entry) -> None:
        conversation = entry.message.header.conversation_id
        predecessor = self._tails.get(conversation) if conversation else None
        task = asyncio.create_task(self._handle(entry, predecessor))
        self._under_way[entry.msg_id] = (entry.entry_id, task)
        if conversation:
            self._tails[conversation] = task
        task.add_done_callback(lambda task: self._forget(entry, task))

    def _attach(self, entry: _Entry) -> None:
        """Acknowledge a copy of a message under way when that one ends, however it ends."""
        entry_id, task = self._under_way[entry.msg_id]
        if entry_id != entry.entry_id:
            self._doubled += 1
            entry.is_copy = True
            task.add_done_callback(lambda task: None if task.cancelled() else self._finish(entry))

    def _forget(self, entry: _Entry, task: asyncio.Task[None]) -> None:
        self._window.release()
        del self._under_way[entry.msg_id]
        conversation = entry.message.header.conversation_id
        if conversation and self._tails.get(conversation) is task:
            del self._tails[conversation]
        if not task.cancelled() and (err := task.exception()):
            _LOGGER.error("%s: %s was left pending", self._stream, entry.msg_id, exc_info=err)

    async def _handle(self, entry: _Entry, predecessor: asyncio.Task[None] | None) -> None:
        if predecessor is not None:
            await asyncio.wait([predecessor])
        pause = self._retry_pause
        while True:
            reason = await self._attempt(entry)
            if reason is None:
                return
            if entry.deliveries >= self._bus.max_deliveries:
                reason = f"failed {entry.deliveries} times, last: {reason}"
                await self._bury(entry.entry_id, entry.raw, reason, entry.deliveries)
                return
            _LOGGER.warning(
                "%s: %s failed (%s); again in %.1f s", self._stream, entry.msg_id, reason, pause
            )
            await asyncio.sleep(pause)
            pause *= 2
            # Claiming it from ourselves counts the delivery where a successor would look.
            await self._redis.xclaim(self._stream, keys.GROUP, self._name, 0, [entry.entry_id])
            entry.deliveries += 1

    async def _attempt(self, entry: _Entry) -> str | None:
        """Run the handler; return None when the message is finished, else why it failed."""
        header = entry.message.header
        async with self._slots:
            if header.expires_at and header.expires_at < now():
                reason = f"expired at {header.expires_at.isoformat()}"
                await self._bury(entry.entry_id, entry.raw, reason, entry.deliveries)
                return None
            try:
                await self._handler(entry.message)
            except Undeliverable as err:
                await self._bury(entry.entry_id, entry.raw, str(err), entry.deliveries)
                return None
            except Exception as err:
                _LOGGER.debug("%s: handler failed", self._stream, exc_info=True)
                return f"{type(err).__name__}: {err}"
        self._handled += 1
        self._finish(entry)
        return None

    def _finish(self, entry: _Entry) -> None:
        if not entry.is_copy:
            self._handled_ids.add(entry.msg_id)
        self._finished.append(entry)
        self._finished_event.set()

    async def _bury(self, entry_id: bytes, raw: bytes, reason: str, deliveries: int) -> None:
        _LOGGER.warning("%s: message given up: %s", self._stream, reason)
        await bury(self._redis, raw, reason=reason, inbox=self._stream, deliveries=deliveries)
        await self._redis.xack(self._stream, keys.GROUP, entry_id)
        self._buried += 1

    async def _acknowledge_forever(self) -> None:
        """Acknowledge what is finished; what finishes meanwhile makes the next batch."""
        while not (self._stopping and not self._finished):
            await self._finished_event.wait()
            self._finished_event.clear()
            while self._finished:
                batch, self._finished = self._finished, []
                try:
                    await self._acknowledge(batch)
                except (RedisError, OSError) as err:
                    _LOGGER.debug("%s: acknowledgements wait: %s", self._stream, err)
                    self._finished = batch + self._finished
                    await asyncio.sleep(0.2)

    async def _acknowledge(self, batch: list[_Entry]) -> None:
        at = time.time()
        pipe = self._redis.pipeline(transaction=True)
        # A copy says nothing about its original, which may have gone to the dead letters.
        if handled := {str(entry.msg_id): at for entry in batch if not entry.is_copy}:
            pipe.zadd(self._done_key, handled)
        pipe.xack(self._stream, keys.GROUP, *(entry.entry_id for entry in batch))
        await pipe.execute()
        self._since_trim += len(batch)
        if self._since_trim >= _TRIM_EVERY:
            self._since_trim = 0
            await self._trim(at)

    async def _trim(self, at: float) -> None:
        """Drop what is acknowledged, by XTRIM: XDEL would break lag-based scaling."""
        await self._redis.zremrangebyscore(self._done_key, "-inf", at - _DONE_SECONDS)
        summary: Any = await self._redis.xpending(self._stream, keys.GROUP)
        oldest = summary["min"]
        if oldest is None:
            oldest = (await self._redis.xinfo_groups(self._stream))[0]["last-delivered-id"]
        await self._redis.xtrim(self._stream, minid=oldest, approximate=True)
