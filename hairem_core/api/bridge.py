"""The WebSocket bridge: one session per client."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ValidationError

from hairem_core.api import frames
from hairem_core.api.dreams import Dreams
from hairem_core.api.logs import LogForwarder, as_event
from hairem_core.api.tokens import TokenStore
from hairem_core.api.turns import Turn, TurnRefused, Turns
from hairem_core.errors import HairemError
from hairem_core.hotplug.control import AgentControl
from hairem_core.hotplug.registry import AgentRecord, AgentRegistry
from hairem_core.memory.service import MemoryService

_LOGGER = logging.getLogger(__name__)
_AUTH_SECONDS = 10.0
_QUEUE = 8_192
"""Frames that may wait for a slow client before it is let go."""
_QUEUE_FOR_LOGS = _QUEUE // 4
"""Frames that may wait while lines of logs are still added to them."""
_TOLD_AS_THEY_ARE = frozenset({"unknown_agent", "refused", "bus_unavailable"})
"""Codes of errors that are the client's to act on, and no fault of H-Core's."""
CLOSE_UNAUTHORIZED = 4401
CLOSE_SCHEMA = 4406
_CLOSE_TOO_SLOW = 1013


@dataclass(frozen=True, kw_only=True)
class BridgeContext:
    """What a session needs of the rest of H-Core."""

    server_id: str
    name: str
    version: str
    tokens: TokenStore
    registry: AgentRegistry
    turns: Turns
    control: AgentControl
    memory: MemoryService
    dreams: Dreams


class BridgeSession:
    """One client's connection, from `hello` to its end."""

    def __init__(self, socket: WebSocket, context: BridgeContext) -> None:
        self._socket = socket
        self._context = context
        self._outgoing: asyncio.Queue[BaseModel] = asyncio.Queue(_QUEUE)
        self._turns: dict[int, Turn] = {}
        self._subscriptions: dict[int, Callable[[], None]] = {}
        self._orders: set[asyncio.Task[None]] = set()
        self._dreams: set[asyncio.Task[None]] = set()
        self._client = ""
        self._last_id = 0
        self._is_too_slow = False

    async def run(self) -> None:
        """Serve the client until it leaves."""
        await self._socket.accept()
        writer = asyncio.create_task(self._write(), name="bridge write")
        try:
            await self._send_now(
                frames.Hello(
                    server_id=self._context.server_id,
                    name=self._context.name,
                    version=self._context.version,
                )
            )
            if await self._authenticate():
                await self._serve()
        except WebSocketDisconnect:
            pass
        finally:
            writer.cancel()
            for unsubscribe in self._subscriptions.values():
                unsubscribe()
            for following in self._dreams:
                following.cancel()  # the dream itself goes on
            await self._cancel_turns()
            # What was ordered is carried out, whether or not anyone waits for the result.
            await asyncio.gather(*self._orders)

    async def _authenticate(self) -> bool:
        try:
            async with asyncio.timeout(_AUTH_SECONDS):
                auth = frames.AUTH.validate_json(await self._socket.receive_text())
        except TimeoutError:
            return await self._reject("auth_timeout", f"no `auth` within {_AUTH_SECONDS:g} s")
        except (ValidationError, KeyError) as err:
            return await self._reject(
                "invalid_format", f"the first frame must be `auth`: {_first(err)}"
            )
        if not frames.MIN_SCHEMA_VERSION <= auth.schema_version <= frames.SCHEMA_VERSION:
            return await self._reject(
                "unsupported_schema",
                f"schema version {auth.schema_version} is not spoken here, only "
                f"{frames.MIN_SCHEMA_VERSION} to {frames.SCHEMA_VERSION}",
                CLOSE_SCHEMA,
            )
        name = self._context.tokens.verify(auth.token)
        if name is None:
            return await self._reject("invalid_token", "this token is not known")
        self._client = f"{name} ({auth.client})" if auth.client else name
        _LOGGER.info("%s connected", self._client)
        self._send(frames.AuthOk(client_name=name))
        return True

    async def _reject(self, code: str, message: str, close: int = CLOSE_UNAUTHORIZED) -> bool:
        _LOGGER.warning("A client was not let in: %s", message)
        await self._send_now(frames.AuthFailed(error=frames.ErrorBody(code=code, message=message)))
        await self._socket.close(close, code)
        return False

    async def _serve(self) -> None:
        while True:
            try:
                text = await self._socket.receive_text()
            except KeyError:
                self._fail(0, "invalid_format", "a binary frame; frames are JSON text")
                continue
            try:
                command = frames.COMMAND.validate_json(text)
            except ValidationError as err:
                self._fail_unreadable(text, err)
                continue
            if command.id <= self._last_id:
                what = f"id {command.id} is not greater than the one before, {self._last_id}"
                self._fail(command.id, "invalid_format", what)
                continue
            self._last_id = command.id
            if isinstance(command, frames.AgentOrder):
                # It may take as long as an agent takes to start; a turn must not wait for it.
                order = asyncio.create_task(self._execute(command), name=command.type)
                self._orders.add(order)
                order.add_done_callback(self._orders.discard)
            else:
                await self._execute(command)

    async def _execute(self, command: Any) -> None:
        try:
            result = await self._carry_out(command)
        except TurnRefused as err:
            self._fail(command.id, err.code, err.what)
        except HairemError as err:
            if err.code in _TOLD_AS_THEY_ARE:
                self._fail(command.id, err.code, str(err))
                return
            _LOGGER.error("%s of %s failed: %s", command.type, self._client, err)
            self._fail(command.id, "internal", str(err))
        except Exception:
            _LOGGER.exception("%s of %s failed", command.type, self._client)
            self._fail(command.id, "internal", "an error in H-Core; see its log")
        else:
            if result is not None:
                self._send(frames.Success(id=command.id, result=result))

    async def _carry_out(self, command: Any) -> dict[str, Any] | None:
        """Return the result, None where it was sent already."""
        match command:
            case frames.Ping():
                return {}
            case frames.AgentsSubscribe():
                self._subscribe(command.id)
                return None
            case frames.AgentsLogs(agent_id=agent_id, lines=lines):
                self._follow_log(command.id, agent_id, lines)
                return None
            case frames.AgentOrder():
                await self._order(command)
                return {}
            case frames.MemoryDream():
                self._dream(command.id)
                return None
            case frames.Unsubscribe(subscription=subscription):
                if subscription not in self._subscriptions:
                    raise TurnRefused(
                        "unknown_subscription", f"there is no subscription {subscription}"
                    )
                self._subscriptions.pop(subscription)()
                return {}
            case frames.Converse():
                await self._converse(command)
                return None
            case frames.ToolResults():
                await self._context.turns.give_results(self._turn(command.turn), command.results)
                return {}
            case frames.Cancel():
                await self._context.turns.cancel(self._turn(command.turn))
                return {}
        raise AssertionError(command)

    def _subscribe(self, command_id: int) -> None:
        registry = self._context.registry

        def changed(agent_id: str, record: AgentRecord | None) -> None:
            if record is None:
                self._send_event(command_id, frames.AgentRemoved(agent_id=agent_id))
            else:
                self._send_event(command_id, frames.AgentChanged(agent=_agent(record)))

        self._send(frames.Success(id=command_id))
        agents = [_agent(record) for record in registry.records()]
        self._send_event(command_id, frames.AgentsSnapshot(agents=agents))
        self._subscriptions[command_id] = registry.subscribe(changed)

    def _follow_log(self, command_id: int, agent_id: str, limit: int) -> None:
        log = self._context.control.log(agent_id)
        lines = log.lines(limit)
        self._send(frames.Success(id=command_id, result={"lines": len(lines)}))
        for line in lines:
            self._send_event(command_id, as_event(line))
        forwarder = LogForwarder(
            log,
            lambda event: self._send_event(command_id, event),
            is_full=lambda: self._outgoing.qsize() > _QUEUE_FOR_LOGS,
        )
        self._subscriptions[command_id] = forwarder.stop

    def _dream(self, command_id: int) -> None:
        dreams = self._context.dreams

        def emit(event: Any) -> None:
            is_progress = isinstance(event, frames.DreamProgressed)
            if not is_progress or self._outgoing.qsize() < _QUEUE_FOR_LOGS:
                self._send_event(command_id, event)

        self._send(frames.Success(id=command_id, result={"joined": dreams.is_under_way}))
        following = asyncio.create_task(dreams.follow(emit), name="follow a dream")
        self._dreams.add(following)
        following.add_done_callback(self._dreams.discard)

    async def _order(self, command: frames.AgentOrder) -> None:
        control = self._context.control
        _LOGGER.info("%s: %s of %s", self._client, command.type, command.agent_id)
        match command.type:
            case "agents/enable":
                await control.enable(command.agent_id)
            case "agents/disable":
                await control.disable(command.agent_id)
            case "agents/reload":
                await control.reload(command.agent_id)
            case "agents/remove":
                await control.remove(command.agent_id)

    async def _converse(self, command: frames.Converse) -> None:
        def emit(event: Any) -> None:
            self._send_event(command.id, event)

        turn = self._context.turns.open(command, emit, lambda: self._turns.pop(command.id, None))
        self._turns[command.id] = turn
        result = {
            "turn_id": str(turn.turn_id),
            "conversation_id": turn.message.header.conversation_id,
        }
        self._send(frames.Success(id=command.id, result=result))
        await self._context.turns.start(turn)

    def _turn(self, command_id: int) -> Turn:
        if command_id not in self._turns:
            raise TurnRefused("unknown_turn", f"no turn {command_id} is under way")
        return self._turns[command_id]

    async def _cancel_turns(self) -> None:
        for turn in list(self._turns.values()):
            try:
                await self._context.turns.cancel(turn)
            except TurnRefused as err:
                _LOGGER.debug("A turn was not cancelled: %s", err)

    def _fail_unreadable(self, text: str, err: ValidationError) -> None:
        command_id, code = 0, "invalid_format"
        try:
            frame = frames.Envelope.model_validate_json(text)
            command_id = frame.id
        except ValidationError:
            pass
        first = err.errors(include_url=False)[0]
        if first["type"] == "union_tag_invalid":
            code = "unknown_command"
        self._fail(command_id, code, _first(err))

    def _fail(self, command_id: int, code: str, message: str) -> None:
        self._send(
            frames.Failure(id=command_id, error=frames.ErrorBody(code=code, message=message))
        )

    def _send_event(self, command_id: int, event: Any) -> None:
        self._send(frames.Event(id=command_id, event=event))

    def _send(self, frame: BaseModel) -> None:
        if self._is_too_slow:
            return
        try:
            self._outgoing.put_nowait(frame)
        except asyncio.QueueFull:
            self._is_too_slow = True
            _LOGGER.warning("%s reads too slowly and is let go", self._client)
            task = asyncio.ensure_future(self._socket.close(_CLOSE_TOO_SLOW, "too slow"))
            task.add_done_callback(lambda done: done.exception())

    async def _write(self) -> None:
        while True:
            await self._send_now(await self._outgoing.get())

    async def _send_now(self, frame: BaseModel) -> None:
        await self._socket.send_text(frame.model_dump_json())


def _agent(record: AgentRecord) -> frames.Agent:
    return frames.Agent.model_validate(record.as_dict())


def _first(err: Exception) -> str:
    if not isinstance(err, ValidationError):
        return str(err)
    first = err.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return f"{key}: {first['msg']}" if key else str(first["msg"])
