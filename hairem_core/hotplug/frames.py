"""What an agent's process and its host say to each other over their socket.

A frame is a 4-byte big-endian length and that many bytes of JSON. Both ends validate.
"""

from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hairem_core.sdk.message import Message
from hairem_core.sdk.persona import Persona

LONGEST_FRAME = 8 * 1024 * 1024
"""Bytes. A longer one is a fault of the sender and ends the connection."""


_MOST_FAULTS = 8
"""That are worded. A hostile frame may have a million of them."""


class FrameError(Exception):
    """The other end broke the protocol."""


class Reader(Protocol):
    """Where frames come from."""

    async def readexactly(self, n: int) -> bytes:
        """Return `n` bytes. Raises IncompleteReadError, which is an EOFError."""
        ...


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Start(_Frame):
    """To the agent, first: who it is and where its code is."""

    kind: Literal["start"] = "start"
    folder: str
    """The snapshot of its bundle."""
    has_logic: bool
    persona: Persona
    config: dict[str, Any] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(default_factory=dict, repr=False)
    libraries: str | None = None
    """Where its requirements are installed: first on its path."""
    teardown_timeout: float = 5.0
    is_successor: bool = False
    """Whether another generation of this agent still runs in the same working folder."""


class Begin(_Frame):
    """To the agent: you are live; start the tasks that `setup()` spawned."""

    kind: Literal["begin"] = "begin"


class Retire(_Frame):
    """To the agent: a successor is ready. Cancel your tasks, say so, finish what you handle."""

    kind: Literal["retire"] = "retire"


class Deliver(_Frame):
    """To the agent: handle this message."""

    kind: Literal["deliver"] = "deliver"
    message: Message


class Cancel(_Frame):
    """To the agent: stop handling this message."""

    kind: Literal["cancel"] = "cancel"
    msg_id: UUID


class Item(_Frame):
    """To the agent: one item of a call that yields many."""

    kind: Literal["item"] = "item"
    call: int
    value: Any = None


class Result(_Frame):
    """To the agent: what a call returned; after items, that they are all."""

    kind: Literal["result"] = "result"
    call: int
    value: Any = None


class Refused(_Frame):
    """To the agent: a call failed."""

    kind: Literal["refused"] = "refused"
    call: int
    code: str
    error: str


class Stop(_Frame):
    """To the agent: finish, tear down, exit."""

    kind: Literal["stop"] = "stop"


class Ready(_Frame):
    """To the host: `setup()` returned."""

    kind: Literal["ready"] = "ready"
    hash: str
    """SHA-256 of the bundle as this process read it."""


class Heartbeat(_Frame):
    """To the host, every second: the process lives and its loop turns."""

    kind: Literal["heartbeat"] = "heartbeat"
    hash: str
    lag_ms: float = Field(ge=0, allow_inf_nan=False)
    """How much too late the loop came to send this, the worst since the last one."""
    tasks: int = Field(ge=0, lt=2**31)
    """Background tasks that run or wait for `begin`."""
    task_failures: int = Field(ge=0, lt=2**31)
    """Background tasks that failed since the start."""


class Retired(_Frame):
    """To the host: my background tasks have ended."""

    kind: Literal["retired"] = "retired"


class StartFailed(_Frame):
    """To the host: the agent's code cannot be loaded or `setup()` raised."""

    kind: Literal["start_failed"] = "start_failed"
    error: str
    traceback: str
    file: str = ""
    """The last frame of the traceback that lies in the bundle, relative to it."""
    line: int | None = None


class Done(_Frame):
    """To the host: a message is handled."""

    kind: Literal["done"] = "done"
    msg_id: UUID


class Failed(_Frame):
    """To the host: handling a message raised."""

    kind: Literal["failed"] = "failed"
    msg_id: UUID
    code: str
    error: str
    traceback: str


class Call(_Frame):
    """To the host: do something for me."""

    kind: Literal["call"] = "call"
    call: int = Field(ge=0)
    method: str = Field(max_length=64)
    arguments: dict[str, Any] = Field(default_factory=dict)
    cause: UUID | None = None
    """The message under way when the call was made."""


class Abandon(_Frame):
    """To the host: I no longer want this call's result."""

    kind: Literal["abandon"] = "abandon"
    call: int


class Log(_Frame):
    """To the host: a line for the log."""

    kind: Literal["log"] = "log"
    level: int
    text: str


type ToAgent = Annotated[
    Start | Begin | Retire | Deliver | Cancel | Item | Result | Refused | Stop,
    Field(discriminator="kind"),
]
type ToHost = Annotated[
    Ready | Heartbeat | Retired | StartFailed | Done | Failed | Call | Abandon | Log,
    Field(discriminator="kind"),
]
_TO_AGENT: TypeAdapter[Any] = TypeAdapter(ToAgent)
_TO_HOST: TypeAdapter[Any] = TypeAdapter(ToHost)


def encode(frame: _Frame) -> bytes:
    """Return a frame as bytes. Raises FrameError when it is too long."""
    body = frame.model_dump_json().encode()
    if len(body) > LONGEST_FRAME:
        raise FrameError(f"{len(body):,} bytes in one {type(frame).__name__}")
    return len(body).to_bytes(4) + body


async def read_to_agent(reader: Reader) -> Any:
    """Return the next frame for the agent. Raises FrameError, EOFError."""
    return _decode(_TO_AGENT, await _read(reader))


async def read_to_host(reader: Reader) -> Any:
    """Return the next frame for the host. Raises FrameError, EOFError."""
    return _decode(_TO_HOST, await _read(reader))


async def _read(reader: Reader) -> bytes:
    try:
        length = int.from_bytes(await reader.readexactly(4))
        if length > LONGEST_FRAME:
            raise FrameError(f"a frame of {length:,} bytes")
        return await reader.readexactly(length)
    except ConnectionError as err:
        raise EOFError(str(err)) from err


def _decode(adapter: TypeAdapter[Any], body: bytes) -> Any:
    try:
        return adapter.validate_json(body)
    except ValidationError as err:
        count = err.error_count()
        what = str(err) if count <= _MOST_FAULTS else f"{count:,} faults"
        raise FrameError(f"a frame of {len(body):,} bytes: {what}") from None
