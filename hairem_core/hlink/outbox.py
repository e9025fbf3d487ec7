"""Sending commands to Redis in batches that form by themselves."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

type Command = tuple[Any, ...]

_LARGEST_BATCH = 256


class Outbox:
    """Sends commands in the order given; what arrives while a batch is under way makes the next.

    A lone command leaves at once, so batching costs no latency; under load one round trip carries
    many (https://redis.io/docs/latest/develop/using-commands/pipelining/).
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[tuple[Sequence[Command], asyncio.Future[list[Any]]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """Execute `commands` and return their replies. Raises redis-py's errors."""
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((commands, future))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all(), name="hlink outbox")
        return await future

    async def _send_all(self) -> None:
        while self._waiting:
            batch = self._waiting[:_LARGEST_BATCH]
            del self._waiting[:_LARGEST_BATCH]
            pipe = self._redis.pipeline(transaction=False)
            for commands, _ in batch:
                for command in commands:
                    pipe.execute_command(*command)
            try:
                replies = await pipe.execute(raise_on_error=False)
            except Exception as err:  # noqa: BLE001 - handed to whoever waits
                for _, future in batch:
                    if not future.done():
                        future.set_exception(err)
                continue
            at = 0
            for commands, future in batch:
                mine = replies[at : at + len(commands)]
                at += len(commands)
                if future.done():
                    continue
                failed = next((reply for reply in mine if isinstance(reply, Exception)), None)
                if failed is not None:
                    future.set_exception(failed)
                else:
                    future.set_result(mine)
