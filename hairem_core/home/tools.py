"""Having Home Assistant execute what an agent's model asks for, and its receipts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from hairem_core.errors import HairemError
from hairem_core.hlink.bus import Bus
from hairem_core.sdk.chat import ToolCall, ToolResult
from hairem_core.sdk.message import Message, MessageType, Topic

_RESULTS = TypeAdapter(list[ToolResult])


class ToolTimeout(HairemError):
    """Nobody executed a tool call."""

    code = "tool_timeout"


class ToolLink:
    """Sends tool calls to the client whose turn it is, and waits for the receipts.

    Home Assistant executes them under the speaker's own rights and exposure: H-Core never touches
    the house itself.
    """

    def __init__(self, bus: Bus, *, timeout: float = 30.0) -> None:
        self._bus = bus
        self._timeout = timeout
        self._waiting: dict[UUID, asyncio.Future[list[ToolResult]]] = {}
        self._end: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        """Begin to listen for receipts. Raises BusUnavailable."""
        self._end = await self._bus.listen("agent:*", self._take)

    async def stop(self) -> None:
        """Listen no more."""
        if self._end is not None:
            await self._end()

    async def call_tools(
        self, agent_id: str, turn: Message, calls: Sequence[ToolCall]
    ) -> list[ToolResult]:
        """Return a result for each of `calls`. Raises ToolTimeout."""
        request = turn.answer(
            sender=f"agent:{agent_id}",
            type=MessageType.STREAM,
            topic=Topic.TOOL_CALL,
            data={"calls": [call.model_dump(mode="json") for call in calls]},
        )
        turn_id = turn.header.msg_id
        if turn_id in self._waiting:
            raise ToolTimeout("the calls of a turn are made one batch after another")
        future: asyncio.Future[list[ToolResult]] = asyncio.get_running_loop().create_future()
        self._waiting[turn_id] = future
        try:
            if not await self._bus.publish(request):
                raise ToolTimeout("nobody is connected who could execute this")
            results = await asyncio.wait_for(future, self._timeout)
        except TimeoutError:
            names = ", ".join(call.name for call in calls)
            raise ToolTimeout(f"no result of {names} within {self._timeout:g} s") from None
        finally:
            del self._waiting[turn_id]
        by_id = {result.id: result for result in results}
        missing = [call for call in calls if call.id not in by_id]
        by_id |= {
            call.id: ToolResult(id=call.id, name=call.name, error="no result came back")
            for call in missing
        }
        return [by_id[call.id] for call in calls]

    def _take(self, message: Message) -> None:
        header = message.header
        if header.topic is not Topic.TOOL_RECEIPT or header.parent_id is None:
            return
        future = self._waiting.get(header.parent_id)
        if future is None or future.done():
            return
        try:
            future.set_result(_RESULTS.validate_python(message.payload.data.get("results")))
        except ValidationError as err:
            future.set_exception(ToolTimeout(f"results that cannot be read: {err}"))
