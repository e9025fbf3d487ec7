"""What one agent's process has asked of H-Core and has no answer to yet."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from hairem_core.errors import HairemError
from hairem_core.hotplug import frames
from hairem_core.hotplug.errors import AgentFailed
from hairem_core.hotplug.rates import RateLimited
from hairem_core.hotplug.services import AgentServices

_LOGGER = logging.getLogger(__name__)
_STREAMED = frozenset({"llm.stream"})
_AT_ONCE = 8
"""Calls of one agent that H-Core works on at the same time. It works for all agents in one thread,
and each of these may be in front of what another asks."""
_ELSEWHERE = {"llm.stream": 32, "home.call_tools": 32}
"""The same, for those that wait for others most of the time."""
_MOST_CALLS = 1_024
"""Under way at once, with those that wait for their turn."""
_MOST_BYTES = 16 * 2**20
"""Of the frames of all of these."""


@dataclass(frozen=True)
class _UnderWay:
    cause: UUID | None
    size: int
    task: asyncio.Task[None]


class Calls:
    """Carries out the calls of one process, some at a time, in the order in which they came."""

    def __init__(
        self,
        services: AgentServices,
        *,
        send: Callable[[Any], None],
        drain: Callable[[], Awaitable[None]],
        on_limit: Callable[[str], None],
    ) -> None:
        """`send` writes a frame, `drain` returns when the process has read most of what it got.

        `on_limit` is told in words when the process asks for more than it may.
        """
        self._services = services
        self._send = send
        self._drain = drain
        self._on_limit = on_limit
        self._under_way: dict[int, _UnderWay] = {}
        self._bytes = 0
        self._slots = {name: asyncio.Semaphore(most) for name, most in _ELSEWHERE.items()}
        self._usual_slots = asyncio.Semaphore(_AT_ONCE)
        self._telling = asyncio.Lock()
        self._logged: set[str] = set()

    def take(self, call: frames.Call, size: int) -> None:
        """Begin with a call whose frame has `size` bytes.

        Raises FrameError when its number is that of another one.
        """
        number = call.call
        if number in self._under_way:
            raise frames.FrameError(f"call {number} is made while call {number} is under way")
        if len(self._under_way) >= _MOST_CALLS or self._bytes + size > _MOST_BYTES:
            err = RateLimited(
                f"{_MOST_CALLS:,} calls of ctx at once, or {_MOST_BYTES // 2**20} MiB of them, are "
                "as many as one agent may make",
                hint="Wait for some of them before you make more.",
            )
            self._on_limit(str(err))
            self._send(frames.Refused(call=number, code=err.code, error=str(err)))
            return
        task = asyncio.create_task(self._carry_out(call), name=f"call {call.method}")
        self._under_way[number] = _UnderWay(call.cause, size, task)
        self._bytes += size
        task.add_done_callback(lambda _: self._forget(number))

    def abandon(self, number: int) -> None:
        """Stop a call whose result nobody wants any more."""
        if call := self._under_way.get(number):
            call.task.cancel()

    def abandon_those_of(self, msg_id: UUID) -> None:
        """Stop what was asked because of a message."""
        for call in list(self._under_way.values()):
            if call.cause == msg_id:
                call.task.cancel()

    def abandon_all(self) -> None:
        """Stop everything."""
        for call in list(self._under_way.values()):
            call.task.cancel()

    def _forget(self, number: int) -> None:
        self._bytes -= self._under_way.pop(number).size

    async def _carry_out(self, call: frames.Call) -> None:
        try:
            async with self._slots.get(call.method, self._usual_slots):
                await self._answer(call)
        except HairemError as err:
            if isinstance(err, RateLimited):
                self._on_limit(str(err))
            await self._refuse(call, err.code, str(err))
        except frames.FrameError as err:
            what = f"the result is too long, {err}: ask for less at once"
            await self._refuse(call, AgentFailed.code, f"ctx.{call.method}: {what}")
        except Exception as err:
            # Once: an agent that has found a fault of ours must not fill the log with it.
            if call.method not in self._logged:
                self._logged.add(call.method)
                _LOGGER.exception("%s failed inside H-Core", call.method)
            await self._refuse(call, "internal", type(err).__name__)

    async def _answer(self, call: frames.Call) -> None:
        value = None
        if call.method in _STREAMED:
            async with aclosing(self._services.iterate(call.method, call.arguments)) as items:
                async for item in items:
                    await self._tell(frames.Item(call=call.call, value=_jsonable(item)))
        else:
            value = await self._services.call(call.method, call.arguments, call.cause)
        await self._tell(frames.Result(call=call.call, value=_jsonable(value)))

    async def _refuse(self, call: frames.Call, code: str, error: str) -> None:
        await self._tell(frames.Refused(call=call.call, code=code, error=error))

    async def _tell(self, frame: Any) -> None:
        # One at a time, each after the last was read: else the results that a process asks for and
        # does not read would pile up here.
        async with self._telling:
            with suppress(ConnectionError):
                await self._drain()
            self._send(frame)


def _jsonable(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return to_jsonable_python(value)
