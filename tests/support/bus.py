"""A bus over a real redis-server of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from hairem_core.hlink.bus import Bus
from hairem_core.hlink.connection import create_client
from hairem_core.hlink.server import PrivateRedis
from hairem_core.sdk.message import Message, MessageType, Priority, Topic


@asynccontextmanager
async def running_redis(folder: Path) -> AsyncIterator[PrivateRedis]:
    """Yield a redis-server on a Unix socket under `folder`."""
    server = PrivateRedis(folder / "redis")
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def connect(url: str, *, max_hops: int = 8, max_deliveries: int = 5) -> Bus:
    """Return a bus over the Redis at `url`."""
    return Bus(
        create_client(url),
        live=create_client(url, retries=0),
        max_hops=max_hops,
        max_deliveries=max_deliveries,
    )


def note(
    content: str = "",
    *,
    recipient: str = "agent:a",
    sender: str = "core:test",
    priority: Priority = Priority.P2,
    type: MessageType = MessageType.RAW,
    topic: Topic = Topic.HOME_EVENT,
    conversation_id: str | None = None,
) -> Message:
    """Return a message."""
    return Message.create(
        sender=sender,
        recipient=recipient,
        type=type,
        topic=topic,
        content=content,
        priority=priority,
        conversation_id=conversation_id,
    )


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until `condition()` is true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
