"""The agent's end of the socket to its host: frames out, calls and what comes back of them."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any
from uuid import UUID

from hairem_core.hotplug import frames
from hairem_core.sdk.errors import AgentError, PermissionDenied, RemoteError

_END = object()
_MOST_UNSENT = 1024 * 1024
"""Bytes that wait for a host that does not keep up, beyond which lines of the log are dropped."""

current_message: contextvars.ContextVar[UUID | None] = contextvars.ContextVar(
    "current_message", default=None
)
"""The message that the code running now handles, None in the background."""


class HostConnection:
    """Sends frames, and pairs calls with their results."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._next = 0
        self._results: dict[int, asyncio.Future[Any]] = {}
        self._streams: dict[int, asyncio.Queue[Any]] = {}
        self._causes: dict[int, UUID | None] = {}

    @property
    def is_congested(self) -> bool:
        """Whether the host does not keep up with what this process says."""
        return self._writer.transport.get_write_buffer_size() > _MOST_UNSENT

    def send(self, frame: Any) -> None:
        """Send a frame, from any thread. Raises FrameError when it is too long.

        It is lost when the host has gone, and this process is about to be.
        """
        self._send_bytes(frames.encode(frame))

    def receive(self, frame: Any) -> None:
        """Take a result, an item or a refusal."""
        queue = self._streams.get(frame.call)
        future = self._results.get(frame.call)
        match frame:
            case frames.Item() if queue is not None:
                queue.put_nowait(frame.value)
            case frames.Result() if queue is not None:
                queue.put_nowait(_END)
            case frames.Result() if future is not None and not future.done():
                future.set_result(frame.value)
            case frames.Refused() if queue is not None:
                queue.put_nowait(_error(frame))
            case frames.Refused() if future is not None and not future.done():
                future.set_exception(_error(frame))

    async def call(self, method: str, **arguments: Any) -> Any:
        """Return what the host's `method` returns.

        Raises RemoteError, PermissionDenied, and AgentError for arguments that cannot be sent.
        """
        future = self._loop.create_future()
        number = self._open(method, arguments, self._results, future)
        try:
            # An agent that says more than its host takes waits here, rather than fill its memory.
            with suppress(ConnectionError):
                await self._writer.drain()
            return await future
        except asyncio.CancelledError:
            self.send(frames.Abandon(call=number))
            raise
        finally:
            del self._results[number], self._causes[number]

    async def iterate(self, method: str, **arguments: Any) -> AsyncGenerator[Any]:
        """Yield what the host's `method` yields.

        Raises RemoteError, PermissionDenied, and AgentError for arguments that cannot be sent.
        """
        queue: asyncio.Queue[Any] = asyncio.Queue()
        number = self._open(method, arguments, self._streams, queue)
        whole = False
        try:
            while (item := await queue.get()) is not _END:
                if isinstance(item, Exception):
                    whole = True
                    raise item
                yield item
            whole = True
        finally:
            del self._streams[number], self._causes[number]
            if not whole:
                self.send(frames.Abandon(call=number))

    def calls_of(self, msg_id: UUID) -> list[int]:
        """Return the calls under way that are made because of a message."""
        return [number for number, cause in self._causes.items() if cause == msg_id]

    def refuse(self, calls: list[int]) -> None:
        """Fail those of `calls` that are still waited for: the host has dropped them."""
        for number in calls:
            error = "the message that this was done for was cancelled"
            self.receive(frames.Refused(call=number, code="cancelled", error=error))

    async def close(self, seconds: float) -> None:
        """Close the connection after what was said has been sent, or after `seconds`."""
        self._writer.close()
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), seconds)

    def _open[T](
        self, method: str, arguments: dict[str, Any], table: dict[int, T], waiter: T
    ) -> int:
        if threading.get_ident() != self._thread:
            raise AgentError(
                f"ctx.{method} was called from another thread than the agent's",
                hint="Call it with asyncio.run_coroutine_threadsafe, on the agent's loop.",
            )
        number = self._next + 1
        frame = frames.Call(
            call=number, method=method, arguments=arguments, cause=current_message.get()
        )
        try:
            body = frames.encode(frame)
        except frames.FrameError as err:
            raise AgentError(
                f"a message holds at most {frames.LONGEST_FRAME:,} bytes, not {err}",
                where=f"ctx.{method}",
                hint="Say less at once.",
            ) from None
        except ValueError as err:
            raise AgentError(
                f"this cannot be sent: {err}", where=f"ctx.{method}", hint="Pass JSON values."
            ) from err
        self._next = number
        table[number] = waiter
        self._causes[number] = frame.cause
        self._send_bytes(body)
        return number

    def _send_bytes(self, body: bytes) -> None:
        if threading.get_ident() == self._thread:
            self._write(body)
        elif not self._loop.is_closed():
            # Transports belong to their loop's thread.
            self._loop.call_soon_threadsafe(self._write, body)

    def _write(self, body: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(body)


def _error(frame: frames.Refused) -> Exception:
    if frame.code == PermissionDenied.code:
        return PermissionDenied(frame.error)
    return RemoteError(frame.code, frame.error)
