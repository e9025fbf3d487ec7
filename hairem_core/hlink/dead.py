"""Dead letters: messages that could not be handled, kept with the reason."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from redis.asyncio import Redis

from hairem_core.hlink import keys
from hairem_core.hlink.errors import BusError
from hairem_core.sdk.message import Message

_MAX_LENGTH = 100_000


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One message that was given up."""

    entry_id: str
    """Id of the entry in `hlink:dead`."""
    at: datetime
    reason: str
    inbox: str | None
    """The stream it was read from; None if it never reached one."""
    deliveries: int
    raw: str
    resent: bool

    @property
    def message(self) -> Message | None:
        """The message, or None if what was found is not one."""
        try:
            return Message.model_validate_json(self.raw)
        except ValidationError:
            return None


async def bury(
    redis: Redis, raw: str | bytes, *, reason: str, inbox: str | None = None, deliveries: int = 0
) -> None:
    """Add a message, as it was found, to the dead letters."""
    fields: dict[Any, Any] = {
        keys.FIELD: raw,
        "reason": reason,
        "inbox": inbox or "",
        "deliveries": deliveries,
    }
    await redis.xadd(keys.DEAD, fields, maxlen=_MAX_LENGTH, approximate=True)


async def dead_letters(redis: Redis, *, include_resent: bool = False) -> AsyncIterator[DeadLetter]:
    """Yield the dead letters, oldest first."""
    names: Any = await redis.hkeys(keys.RESENT)
    resent = {name.decode() for name in names}
    start = "-"
    while True:
        entries: Any = await redis.xrange(keys.DEAD, min=start, count=500)
        if not entries:
            return
        for entry_id, fields in entries:
            letter = _letter(entry_id.decode(), fields, resent)
            if include_resent or not letter.resent:
                yield letter
        start = f"({entries[-1][0].decode()}"


async def find(redis: Redis, entry_id: str) -> DeadLetter:
    """Return one dead letter by its entry id or its message's `msg_id`. Raises BusError."""
    async for letter in dead_letters(redis, include_resent=True):
        message = letter.message
        if letter.entry_id == entry_id or (message and str(message.header.msg_id) == entry_id):
            return letter
    raise BusError(
        f"there is no dead letter {entry_id!r}", hint="`hairem bus dead list` shows them."
    )


async def resend(redis: Redis, letter: DeadLetter) -> Message:
    """Put a dead letter back into its agent's inbox and return the message.

    Its hops start again at 0 and it no longer expires: a person wants it delivered. Raises BusError
    if it cannot be sent again.
    """
    message = letter.message
    if message is None:
        raise BusError(
            f"dead letter {letter.entry_id} is not a message", hint="Look at it instead."
        )
    agent_id = keys.agent_of(message.header.recipient)
    if agent_id is None or not await redis.sismember(keys.AGENTS, agent_id):
        raise BusError(
            f"{message.header.recipient} has no inbox", hint="Bring the agent back first."
        )
    header = message.header.model_copy(update={"hops": 0, "expires_at": None})
    message = message.model_copy(update={"header": header})
    pipe = redis.pipeline(transaction=False)
    pipe.xadd(keys.inbox(agent_id, header.priority), {keys.FIELD: message.model_dump_json()})
    pipe.hset(keys.RESENT, letter.entry_id, str(time.time()))
    await pipe.execute()
    return message


def _letter(entry_id: str, fields: dict[bytes, bytes], resent: set[str]) -> DeadLetter:
    milliseconds = int(entry_id.partition("-")[0])
    return DeadLetter(
        entry_id=entry_id,
        at=datetime.fromtimestamp(milliseconds / 1000, UTC),
        reason=fields[b"reason"].decode(),
        inbox=fields[b"inbox"].decode() or None,
        deliveries=int(fields[b"deliveries"]),
        raw=fields[keys.FIELD.encode()].decode(errors="replace"),
        resent=entry_id in resent,
    )
