"""One utterance and its answer, on a connection to H-Core: see docs/bridge.md."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, Self

from .errors import CannotConnect, CommandFailed
from .models import Cancelled, ConverseRequest, Done, Failed, ToolResult, TurnEvent

if TYPE_CHECKING:  # a client makes turns, so it is loaded after them
    from .client import BridgeClient

SILENCE_TIMEOUT: Final = 300.0
"""Seconds between two events of a turn. H-Core ends turns itself, far sooner (`turn_timeout`): this
only keeps a person from waiting for ever on one that does not."""


class Turn:
    """One utterance and its answer.

    `async with` starts it and, if it is left before its last event, cancels it; `async for` yields
    its events, may be interrupted (to run tools) and taken up again, and ends after the last.
    """

    def __init__(self, client: BridgeClient, request: ConverseRequest) -> None:
        """Use `BridgeClient.converse` instead."""
        self._client = client
        self._request = request
        self._id = 0
        self._events: asyncio.Queue[TurnEvent] = asyncio.Queue()
        self._ended = False

    @property
    def has_ended(self) -> bool:
        """Return whether the last event has arrived, read or not."""
        return self._ended

    async def __aenter__(self) -> Self:
        """Start the turn. Raises CannotConnect, or CommandFailed if H-Core does not take it."""
        self._id = self._client.start("converse", self._request.as_fields(), turn=self)
        try:
            await self._client.result(self._id)
        except CommandFailed:
            self._end()
            raise
        except BaseException:
            self._cancel()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel the turn unless it has ended. Does not wait for H-Core."""
        self._cancel()

    def __aiter__(self) -> Self:
        """Return the turn itself: there is one stream of events."""
        return self

    async def __anext__(self) -> TurnEvent:
        """Return the next event. Raises CannotConnect if the connection is lost or stays mute."""
        if self._ended and self._events.empty():
            raise StopAsyncIteration
        try:
            async with asyncio.timeout(SILENCE_TIMEOUT):
                return await self._events.get()
        except asyncio.QueueShutDown as err:
            raise CannotConnect("The connection to H-Core was lost in mid-answer") from err
        except TimeoutError as err:
            raise CannotConnect(f"H-Core fell silent for {SILENCE_TIMEOUT:.0f} s") from err

    async def send_tool_results(self, results: Sequence[ToolResult]) -> None:
        """Answer every call of the last ToolCalls. Raises CannotConnect or CommandFailed."""
        fields = {"turn": self._id, "results": [asdict(result) for result in results]}
        await self._client.result(self._client.start("tool_results", fields))

    def receive(self, event: TurnEvent) -> None:
        """Take an event from the connection."""
        self._events.put_nowait(event)
        if isinstance(event, Done | Failed | Cancelled):
            self._end()

    def lose(self) -> None:
        """Learn that the connection is gone; what has arrived can still be read."""
        if not self._ended:
            self._client.forget(self._id)
            self._events.shutdown()

    def _end(self) -> None:
        self._ended = True
        self._client.forget(self._id)

    def _cancel(self) -> None:
        if self._ended:
            return
        self._end()
        if self._client.is_connected:
            self._client.start("cancel", {"turn": self._id}, wants_result=False)
