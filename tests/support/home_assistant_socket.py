"""A client of Home Assistant's WebSocket API.

Source: https://developers.home-assistant.io/docs/api/websocket
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp


class CommandError(Exception):
    """Home Assistant refused a command."""

    def __init__(self, command: str, code: str, message: str) -> None:
        super().__init__(f"{command}: {code}: {message}")
        self.code = code


@dataclass(kw_only=True)
class PipelineTurn:
    """What one run of the Assist pipeline gave. Times are milliseconds since it was asked for."""

    answer: str
    """What would be spoken."""
    error: str | None = None
    """The code of the error that the answer tells of, else None."""
    conversation_id: str | None = None
    continue_conversation: bool = False
    streamed: list[str] = field(default_factory=list)
    """The pieces of the answer in the order they came."""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    first_delta_ms: float | None = None
    """Until the first piece of the answer; None where nothing was streamed."""
    total_ms: float = 0.0
    events: list[dict[str, Any]] = field(default_factory=list)


class HomeAssistantSocket:
    """One authenticated connection. Commands may overlap."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._queues: dict[int, asyncio.Queue[dict[str, Any] | None]] = {}
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, session: aiohttp.ClientSession, url: str, token: str) -> Self:
        """Return a connection to the Home Assistant at `url`. Raises CommandError."""
        socket = await session.ws_connect(f"{url}/api/websocket", max_msg_size=0)
        await socket.receive_json(timeout=10)
        await socket.send_json({"type": "auth", "access_token": token})
        answer = await socket.receive_json(timeout=10)
        if answer["type"] != "auth_ok":
            await socket.close()
            raise CommandError("auth", answer["type"], answer.get("message", ""))
        client = cls(socket)
        client._reader = asyncio.create_task(client._read(), name="Home Assistant socket")
        return client

    async def close(self) -> None:
        """Close the connection; commands under way end with ConnectionError."""
        await self._socket.close()
        if self._reader is not None:
            await self._reader

    async def command(self, type: str, *, timeout: float = 30.0, **fields: Any) -> Any:
        """Return the result of a command. Raises CommandError, ConnectionError or TimeoutError."""
        async with asyncio.timeout(timeout), self._exchange(type, fields) as queue:
            return _result(type, await _next(queue))

    async def subscribe(self, type: str, **fields: Any) -> AsyncGenerator[dict[str, Any]]:
        """Yield the events of a command, until the caller closes the generator."""
        async with self._exchange(type, fields) as queue:
            _result(type, await _next(queue))
            while True:
                message = await _next(queue)
                if message["type"] == "event":
                    yield message["event"]

    async def run_pipeline(
        self,
        text: str,
        *,
        pipeline: str,
        conversation_id: str | None = None,
        timeout: float = 60.0,
        on_delta: Callable[[str], None] | None = None,
    ) -> PipelineTurn:
        """Have the Assist pipeline answer typed words, as a voice satellite's would be.

        `on_delta` is called with each piece of the answer as it comes.
        Raises CommandError where the pipeline itself fails; an agent's failure is an answer.
        """
        turn = PipelineTurn(answer="", conversation_id=conversation_id)
        started = time.perf_counter()
        events = self.subscribe(
            "assist_pipeline/run",
            start_stage="intent",
            end_stage="intent",
            input={"text": text},
            pipeline=pipeline,
            conversation_id=conversation_id,
            timeout=timeout,
        )
        async with asyncio.timeout(timeout + 5), contextlib.aclosing(events):
            async for event in events:
                elapsed = (time.perf_counter() - started) * 1000
                turn.events.append(event)
                data = event.get("data") or {}
                match event["type"]:
                    case "intent-progress":
                        piece = _take_delta(turn, data.get("chat_log_delta") or {}, elapsed)
                        if piece and on_delta is not None:
                            on_delta(piece)
                    case "intent-end":
                        _take_answer(turn, data["intent_output"])
                        turn.total_ms = elapsed
                    case "error":
                        raise CommandError("assist_pipeline/run", data["code"], data["message"])
                    case "run-end":
                        return turn
        raise ConnectionError("the pipeline ended without saying so")

    @contextlib.asynccontextmanager
    async def _exchange(
        self, type: str, fields: dict[str, Any]
    ) -> AsyncGenerator[asyncio.Queue[dict[str, Any] | None]]:
        number = next(self._ids)
        queue = self._queues[number] = asyncio.Queue()
        try:
            await self._socket.send_json({"id": number, "type": type} | fields)
            yield queue
        finally:
            del self._queues[number]

    async def _read(self) -> None:
        async for frame in self._socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            message = frame.json()
            if (queue := self._queues.get(message["id"])) is not None:
                queue.put_nowait(message)
        for queue in self._queues.values():
            queue.put_nowait(None)


async def _next(queue: asyncio.Queue[dict[str, Any] | None]) -> dict[str, Any]:
    message = await queue.get()
    if message is None:
        raise ConnectionError("Home Assistant closed the connection")
    return message


def _result(command: str, message: dict[str, Any]) -> Any:
    if not message["success"]:
        raise CommandError(command, message["error"]["code"], message["error"]["message"])
    return message["result"]


def _take_delta(turn: PipelineTurn, delta: dict[str, Any], elapsed: float) -> str:
    """Note a piece of a turn; return the words in it, if any."""
    turn.tool_calls.extend(delta.get("tool_calls") or [])
    content = delta.get("content")
    # A tool's result has content too, but nobody hears it.
    if not isinstance(content, str) or not content or delta.get("role") == "tool_result":
        return ""
    turn.streamed.append(content)
    if turn.first_delta_ms is None:
        turn.first_delta_ms = elapsed
    return content


def _take_answer(turn: PipelineTurn, output: dict[str, Any]) -> None:
    response = output["response"]
    turn.answer = response["speech"].get("plain", {}).get("speech", "")
    turn.conversation_id = output["conversation_id"]
    turn.continue_conversation = output["continue_conversation"]
    if response["response_type"] == "error":
        turn.error = response["data"]["code"]
