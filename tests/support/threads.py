"""What must go on answering whatever the tests' own event loops do."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from threading import Thread

_PATIENCE = 30.0


@contextmanager
def in_thread[T](manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Yield what `manager` yields, entered and left in an event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="beside the tests")
    thread.start()
    try:
        entering = asyncio.run_coroutine_threadsafe(_enter(manager), loop)
        yield entering.result(_PATIENCE)
        asyncio.run_coroutine_threadsafe(_leave(manager), loop).result(_PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        loop.close()


async def _enter[T](manager: AbstractAsyncContextManager[T]) -> T:
    return await manager.__aenter__()


async def _leave[T](manager: AbstractAsyncContextManager[T]) -> None:
    await manager.__aexit__(None, None, None)
