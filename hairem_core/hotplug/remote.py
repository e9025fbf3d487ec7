"""`ctx` as the agent's process has it: every wish travels to the host over the one socket."""

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Sequence
from typing import Any
from uuid import UUID

from hairem_core.hotplug import frames
from hairem_core.sdk.chat import ChatRequest, Delta, ToolCall, ToolResult
from hairem_core.sdk.context import AgentContext
from hairem_core.sdk.errors import PermissionDenied, RemoteError
from hairem_core.sdk.message import Message, MessageType, Metadata, Priority, Topic
from hairem_core.sdk.persona import Persona
from hairem_core.sdk.recollection import Recollection

_END = object()


class Remote:
    """Calls to the host, and their results."""

    def __init__(
        self, writer: asyncio.StreamWriter, cause: contextvars.ContextVar[UUID | None]
    ) -> None:
        self._writer = writer
        self._cause = cause
        self._next = 0
        self._results: dict[int, asyncio.Future[Any]] = {}
        self._streams: dict[int, asyncio.Queue[Any]] = {}
        self.on_deliver: Callable[[Message], None] = lambda message: None
        self.on_cancel: Callable[[UUID], None] = lambda msg_id: None

    def send(self, frame: Any) -> None:
        """Send a frame; it is lost when the host has gone, and this process is about to be."""
        if not self._writer.is_closing():
            self._writer.write(frames.encode(frame))

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
        """Return what the host's `method` returns. Raises RemoteError, PermissionDenied."""
        number = self._open(
            method, arguments, self._results, asyncio.get_running_loop().create_future()
        )
        try:
            return await self._results[number]
        except asyncio.CancelledError:
            self.send(frames.Abandon(call=number))
            raise
        finally:
            del self._results[number]

    async def iterate(self, method: str, **arguments: Any) -> AsyncGenerator[Any]:
        """Yield what the host's `method` yields. Raises RemoteError, PermissionDenied."""
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
            del self._streams[number]
            if not whole:
                self.send(frames.Abandon(call=number))

    def _open[T](
        self, method: str, arguments: dict[str, Any], table: dict[int, T], waiter: T
    ) -> int:
        self._next += 1
        table[self._next] = waiter
        frame = frames.Call(
            call=self._next, method=method, arguments=arguments, cause=self._cause.get()
        )
        self.send(frame)
        return self._next


def _error(frame: frames.Refused) -> Exception:
    if frame.code == PermissionDenied.code:
        return PermissionDenied(frame.error)
    return RemoteError(frame.code, frame.error)


def create_context(
    remote: Remote, persona: Persona, logger: logging.Logger, tasks: set[asyncio.Task[Any]]
) -> AgentContext:
    """Return the `ctx` of an agent whose background tasks are kept in `tasks`."""

    def spawn_task(
        coroutine: Coroutine[Any, Any, Any], *, name: str | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.create_task(coroutine, name=name)
        tasks.add(task)
        task.add_done_callback(_log_failure)
        task.add_done_callback(tasks.discard)
        return task

    def _log_failure(task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (err := task.exception()):
            logger.error("Task %s failed", task.get_name(), exc_info=err)

    return AgentContext(
        persona=persona,
        bus=_Bus(remote),
        memory=_Memory(remote),
        llm=_Llm(remote),
        home=_Home(remote),
        state=_State(remote),
        logger=logger,
        spawn_task=spawn_task,
    )


class _Bus:
    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    async def publish(
        self,
        recipient: str,
        *,
        topic: Topic,
        type: MessageType = MessageType.SUBJECTIVE,
        content: str = "",
        data: dict[str, Any] | None = None,
        metadata: Metadata | None = None,
        priority: Priority = Priority.P2,
        conversation_id: str | None = None,
    ) -> UUID:
        return UUID(
            await self._remote.call(
                "bus.publish",
                recipient=recipient,
                topic=topic,
                type=type,
                content=content,
                data=data or {},
                metadata=metadata or Metadata(),
                priority=priority,
                conversation_id=conversation_id,
            )
        )

    async def answer(
        self,
        message: Message,
        *,
        topic: Topic,
        type: MessageType = MessageType.SUBJECTIVE,
        content: str = "",
        data: dict[str, Any] | None = None,
        metadata: Metadata | None = None,
    ) -> UUID:
        return UUID(
            await self._remote.call(
                "bus.answer",
                parent_id=message.header.msg_id,
                topic=topic,
                type=type,
                content=content,
                data=data or {},
                metadata=metadata or Metadata(),
            )
        )


class _Memory:
    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    async def recent(
        self, *, conversation_id: str | None = None, limit: int | None = None
    ) -> list[Recollection]:
        found = await self._remote.call(
            "memory.recent", conversation_id=conversation_id, limit=limit
        )
        return [Recollection.model_validate(each) for each in found]

    async def recall(
        self, query: str, *, limit: int | None = None, exclude: Collection[UUID] = ()
    ) -> list[Recollection]:
        found = await self._remote.call(
            "memory.recall", query=query, limit=limit, exclude=list(exclude)
        )
        return [Recollection.model_validate(each) for each in found]


class _Llm:
    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        items = self._remote.iterate("llm.stream", request=request)
        try:
            async for item in items:
                yield Delta.model_validate(item)
        finally:
            await items.aclose()


class _Home:
    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    async def call_tools(self, message: Message, calls: Sequence[ToolCall]) -> list[ToolResult]:
        found = await self._remote.call(
            "home.call_tools", parent_id=message.header.msg_id, calls=list(calls)
        )
        return [ToolResult.model_validate(each) for each in found]


class _State:
    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    async def get(self, key: str, default: Any = None) -> Any:
        value = await self._remote.call("state.get", key=key)
        return default if value is None else value

    async def set(self, key: str, value: Any) -> None:
        await self._remote.call("state.set", key=key, value=value)
