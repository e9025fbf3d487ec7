"""Turns: one person's words, and what an agent says and does about them."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from hairem_core.api import frames
from hairem_core.errors import HairemError
from hairem_core.hlink.bus import Bus
from hairem_core.hlink.errors import BusUnavailable
from hairem_core.hotplug.countdown import Countdown, Paused
from hairem_core.hotplug.registry import AgentRegistry, AgentState
from hairem_core.sdk.chat import ChatMessage, ToolCall, ToolResult
from hairem_core.sdk.message import Message, MessageType, Priority, Topic
from hairem_core.sdk.utterance import Utterance

_LOGGER = logging.getLogger(__name__)
_UNKNOWN_SPEAKER = "house"
_NO_ANSWER = (AgentState.REJECTED, AgentState.QUARANTINED, AgentState.STOPPED)
_PATIENCE = 15.0
"""Seconds beyond the agent's own limit after which a turn without a word is given up."""

type Emit = Callable[[Any], None]


class TurnRefused(HairemError):
    """A turn cannot begin or go on; `code` is one of `docs/bridge.md`."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code  # type: ignore[misc]  # the class's constant, one of several


class Turn:
    """One turn under way."""

    def __init__(self, message: Message, emit: Emit, on_end: Callable[[Turn], None]) -> None:
        self.message = message
        self.waits_for: set[str] = set()
        """Ids of the tool calls that the client has still to answer."""
        self._emit = emit
        self._on_end = on_end
        self._over = False

    @property
    def turn_id(self) -> UUID:
        """The `msg_id` of the utterance."""
        return self.message.header.msg_id

    def take(self, message: Message) -> None:
        """Turn a message of the bus into an event for the client."""
        header, payload = message.header, message.payload
        match header.topic, header.type:
            case Topic.NARRATIVE_TEXT, MessageType.STREAM:
                self._tell(frames.TurnDelta(content=payload.content))
            case Topic.NARRATIVE_TEXT, _:
                goes_on = payload.data.get("continue_conversation") is True
                self.end(frames.TurnDone(text=payload.content, continue_conversation=goes_on))
            case Topic.AGENT_NOTE, MessageType.STREAM:
                self._tell(frames.TurnThinking(content=payload.content))
            case Topic.TOOL_CALL, _:
                calls = [ToolCall.model_validate(each) for each in payload.data["calls"]]
                self.waits_for = {call.id for call in calls}
                self._tell(frames.TurnToolCalls(tool_calls=calls))
            case Topic.TURN_FAILED, _:
                self.fail(str(payload.data.get("code", "agent_failed")), payload.content)

    def fail(self, code: str, message: str) -> None:
        """End the turn with an error."""
        self.end(frames.TurnFailed(error=frames.ErrorBody(code=code, message=message)))

    def end(self, event: Any) -> None:
        """End the turn with its last event."""
        if not self._over:
            self._tell(event)
            self._over = True
            self._on_end(self)

    def _tell(self, event: Any) -> None:
        if not self._over:
            self._emit(event)


class Turns:
    """Starts turns and carries what the bus says to those who wait."""

    def __init__(
        self,
        bus: Bus,
        registry: AgentRegistry,
        *,
        agent_timeout: float,
        language: str,
        paused: Paused = lambda: 0.0,
    ) -> None:
        """`paused` tells for how many seconds nobody could write to memory, all in all: a turn may
        last so much longer.
        """
        self._bus = bus
        self._registry = registry
        self._timeout = agent_timeout + _PATIENCE
        self._language = language
        self._paused = paused
        self._turns: dict[UUID, Turn] = {}
        self._listening: dict[UUID, Callable[[], Awaitable[None]]] = {}
        self._timers: dict[UUID, Countdown] = {}
        self._endings: set[asyncio.Task[None]] = set()
        bus.on_outage(self._fail_all)

    def open(self, command: frames.Converse, emit: Emit, on_end: Callable[[], object]) -> Turn:
        """Return a turn for a person's words, not yet sent; its events will go to `emit`.

        Raises TurnRefused with code unknown_agent, agent_unavailable or empty_text.
        """
        self._check(command)

        def ended(turn: Turn) -> None:
            self._forget(turn)
            on_end()

        return Turn(_message(command, self._language), emit, ended)

    async def start(self, turn: Turn) -> None:
        """Send the words to the agent. Without the bus the turn fails."""
        self._turns[turn.turn_id] = turn
        self._timers[turn.turn_id] = Countdown(
            self._timeout,
            partial(turn.fail, "turn_timeout", f"no answer within {self._timeout:g} s"),
            self._paused,
        )
        try:
            self._listening[turn.turn_id] = await self._bus.listen(
                turn.message.header.sender, partial(self._take, turn)
            )
            await self._bus.publish(turn.message)
        except BusUnavailable as err:
            turn.fail("bus_unavailable", str(err))

    async def give_results(self, turn: Turn, results: list[ToolResult]) -> None:
        """Hand the agent what came of its tool calls. Raises TurnRefused."""
        given = {result.id for result in results}
        if turn.waits_for != given:
            raise TurnRefused(
                "invalid_format",
                f"results for {sorted(given)}, but the turn waits for {sorted(turn.waits_for)}",
            )
        turn.waits_for = set()
        await self._send(
            turn,
            Topic.TOOL_RECEIPT,
            {"results": [each.model_dump(mode="json") for each in results]},
        )

    async def cancel(self, turn: Turn) -> None:
        """Stop a turn: its client is told at once, the agent and its model right after."""
        if turn.turn_id not in self._turns:
            return
        turn.end(frames.TurnCancelled())
        await self._send(turn, Topic.TURN_CANCELLED, {})

    def fail_all(self, code: str, message: str) -> None:
        """End every turn with an error."""
        for turn in list(self._turns.values()):
            turn.fail(code, message)

    def _fail_all(self) -> None:
        self.fail_all("bus_unavailable", "the bus went away during the turn")

    def _check(self, command: frames.Converse) -> None:
        if not command.text.strip():
            raise TurnRefused("empty_text", "there is nothing to answer: the text is empty")
        record = self._registry.get(command.agent_id)
        if record is None:
            known = ", ".join(each.id for each in self._registry.records()) or "none"
            raise TurnRefused(
                "unknown_agent", f"there is no agent {command.agent_id!r}; known: {known}"
            )
        if record.state in _NO_ANSWER:
            why = f": {record.reason}" if record.reason else ""
            raise TurnRefused("agent_unavailable", f"{record.name} is {record.state.value}{why}")

    def _take(self, turn: Turn, message: Message) -> None:
        if message.header.parent_id != turn.turn_id:
            return  # of another turn of the same person
        try:
            turn.take(message)
        except (ValidationError, KeyError) as err:
            _LOGGER.error("A %s of %s cannot be read: %s", message.header.topic, turn.turn_id, err)
            turn.fail("agent_failed", "the agent sent something that cannot be read")

    def _forget(self, turn: Turn) -> None:
        self._turns.pop(turn.turn_id, None)
        if timer := self._timers.pop(turn.turn_id, None):
            timer.cancel()
        if stop := self._listening.pop(turn.turn_id, None):
            task = asyncio.ensure_future(_quietly(stop))
            self._endings.add(task)
            task.add_done_callback(self._endings.discard)

    async def _send(self, turn: Turn, topic: Topic, data: dict[str, Any]) -> None:
        header = turn.message.header
        answer = turn.message.answer(
            sender="home:assist",
            recipient=header.recipient,
            type=MessageType.STREAM,
            topic=topic,
            data=data,
        )
        try:
            await self._bus.publish(answer)
        except BusUnavailable as err:
            raise TurnRefused("bus_unavailable", str(err)) from err


async def _quietly(stop: Callable[[], Awaitable[None]]) -> None:
    try:
        await stop()
    except BusUnavailable as err:
        _LOGGER.debug("Stopped listening without Redis: %s", err)


def _message(command: frames.Converse, house_language: str) -> Message:
    speaker = command.user
    history = command.history
    utterance = Utterance(
        language=command.language or house_language,
        speaker_name=speaker.name if speaker else None,
        device=command.device,
        history=None
        if history is None
        else [ChatMessage(role=each.role, content=each.content) for each in history],
        instructions=command.instructions,
        tools=command.tools,
    )
    return Message.create(
        sender=f"user:{speaker.id if speaker else _UNKNOWN_SPEAKER}",
        recipient=f"agent:{command.agent_id}",
        type=MessageType.RAW,
        topic=Topic.USER_UTTERANCE,
        content=command.text.strip(),
        data=utterance.as_data(),
        priority=Priority.P1,
        conversation_id=command.conversation_id or str(uuid.uuid7()),
    )
