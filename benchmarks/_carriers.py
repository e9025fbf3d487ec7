"""Three ways to carry a message from a publisher to a handler over the same Redis.

All have a consumer group, acknowledge after the handler returned, and validate the same pydantic
model where a message comes in. None is given more than one process or another client library:
the peers use redis-py too.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from faststream import AckPolicy
from faststream.redis import RedisBroker, StreamSub
from redis.asyncio import Redis

from hairem_core.hlink.bus import Bus
from hairem_core.hlink.connection import create_client
from hairem_core.hlink.consumer import Consumer
from hairem_core.sdk.message import Message

AGENT = "bench"
"""Messages are addressed to this agent."""
_STREAM, _GROUP, _CONSUMER = "bench:stream", "bench", "one"
_BATCH = 64
"""Entries in one read; as many as H-Link takes."""
_BLOCK_MS = 5_000
_WORKERS = 16
"""Handlers at once; as many as H-Link runs in the lane that the messages take."""

type Handle = Callable[[Message], None]
type Publish = Callable[[Message], Awaitable[object]]
type Open = Callable[[str, Handle], AbstractAsyncContextManager[Publish]]


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """One way: `open(url, handle)` gives the function that publishes while it is open."""

    name: str
    configuration: str
    open: Open


@asynccontextmanager
async def _hlink(url: str, handle: Handle) -> AsyncGenerator[Publish]:
    async def handler(message: Message) -> None:
        handle(message)

    bus = Bus(create_client(url), live=create_client(url, retries=0))
    consumer = Consumer(bus, AGENT, handler)
    await consumer.start()
    try:
        yield bus.publish
    finally:
        await consumer.stop()
        await bus.close()


@asynccontextmanager
async def _raw_redis(url: str, handle: Handle) -> AsyncGenerator[Publish]:
    client = Redis.from_url(url)
    await client.xgroup_create(_STREAM, _GROUP, id="0", mkstream=True)

    async def publish(message: Message) -> None:
        await client.xadd(_STREAM, {"m": message.model_dump_json()})

    async def consume() -> None:
        while True:
            replies: Any = await client.xreadgroup(
                _GROUP, _CONSUMER, {_STREAM: ">"}, count=_BATCH, block=_BLOCK_MS
            )
            for _, entries in replies or ():
                for entry_id, fields in entries:
                    handle(Message.model_validate_json(fields[b"m"]))
                    await client.xack(_STREAM, _GROUP, entry_id)

    consumer = asyncio.create_task(consume(), name="raw redis")
    try:
        yield publish
    finally:
        consumer.cancel()
        await asyncio.gather(consumer, return_exceptions=True)
        await client.aclose()


def _faststream(*, workers: int) -> Open:
    @asynccontextmanager
    async def run(url: str, handle: Handle) -> AsyncGenerator[Publish]:
        broker = _broker(url)

        async def handler(message: Message) -> None:
            handle(message)

        # Left pending when the handler fails, as in H-Link.
        broker.subscriber(
            stream=_stream(batch=False),
            ack_policy=AckPolicy.NACK_ON_ERROR,
            no_reply=True,
            max_workers=workers,
        )(handler)
        async with _started(broker) as publish:
            yield publish

    return run


@asynccontextmanager
async def _faststream_batch(url: str, handle: Handle) -> AsyncGenerator[Publish]:
    broker = _broker(url)

    async def handler(messages: list[Message]) -> None:
        for message in messages:
            handle(message)

    broker.subscriber(
        stream=_stream(batch=True), ack_policy=AckPolicy.NACK_ON_ERROR, no_reply=True
    )(handler)
    async with _started(broker) as publish:
        yield publish


def _broker(url: str) -> RedisBroker:
    # Without its line of log for every message; its annotations forget the None they document.
    return RedisBroker(url, logger=None)  # type: ignore[arg-type]


def _stream(*, batch: bool) -> StreamSub[bool]:
    return StreamSub(
        _STREAM,
        group=_GROUP,
        consumer=_CONSUMER,
        batch=batch,
        max_records=_BATCH,
        polling_interval=_BLOCK_MS,
    )


@asynccontextmanager
async def _started(broker: RedisBroker) -> AsyncGenerator[Publish]:
    async def publish(message: Message) -> None:
        await broker.publish(message, stream=_STREAM)

    await broker.start()
    try:
        yield publish
    finally:
        await broker.stop()


OURS = Carrier(
    name="ours",
    configuration=(
        "Bus.publish to one agent's P1 inbox and Consumer, as H-Core runs them: validation of each "
        "message read, journal of the last 10,000, duplicates recognised by msg_id, order kept "
        "within a conversation, acknowledged after the handler"
    ),
    open=_hlink,
)
PEERS = (
    Carrier(
        name="raw_redis",
        configuration=(
            f"redis-py alone: XADD, XREADGROUP COUNT {_BATCH} and XACK one message at a time, each "
            "message read validated by pydantic; no journal, no duplicates recognised"
        ),
        open=_raw_redis,
    ),
    Carrier(
        name="faststream",
        configuration=(
            f"RedisBroker(logger=None), StreamSub(group, consumer, max_records={_BATCH}, "
            f"polling_interval={_BLOCK_MS}), NACK_ON_ERROR, one handler at a time, the handler's "
            "argument validated by pydantic; no journal, no duplicates recognised"
        ),
        open=_faststream(workers=1),
    ),
    Carrier(
        name="faststream_workers",
        configuration=f"as faststream, with max_workers={_WORKERS}",
        open=_faststream(workers=_WORKERS),
    ),
    Carrier(
        name="faststream_batch",
        configuration=(
            f"as faststream, with batch=True: the handler is given up to {_BATCH} messages at "
            "once, acknowledged together: one failure leaves them all pending"
        ),
        open=_faststream_batch,
    ),
)
