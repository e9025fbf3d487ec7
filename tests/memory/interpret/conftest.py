"""The rooms that interpretation stands on, on the real engine."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hairem_core.memory.database import Database
from hairem_core.memory.episodes import EpisodeMaker
from hairem_core.memory.events import EventLog
from hairem_core.memory.fragment import Fragment, fragment_id
from hairem_core.memory.fragments import FragmentStore
from hairem_core.memory.interpret.interpreter import Interpreter
from hairem_core.memory.rows import fragment_of
from hairem_core.memory.writer import Writer
from hairem_core.sdk.identity import agent_uuid
from hairem_core.sdk.message import Message
from tests.memory.messages import said

RENARDE = agent_uuid("renarde")


@dataclass(kw_only=True)
class Room:
    """A store, and an interpreter of it that was not started."""

    url: str
    database: Database
    writer: Writer
    events: EventLog
    fragments: FragmentStore
    interpreter: Interpreter

    @classmethod
    async def open(cls, url: str, **options: Any) -> Room:
        """Open the store, as a process does when it starts."""
        database = await Database.open(url)
        writer = await Writer.take_over(database)
        events = EventLog(database, writer, EpisodeMaker(agent_uuid))
        fragments = FragmentStore(database, writer)
        interpreter = Interpreter(database, writer, events, fragments, agent_uuid, **options)
        return cls(
            url=url,
            database=database,
            writer=writer,
            events=events,
            fragments=fragments,
            interpreter=interpreter,
        )

    async def again(self, **options: Any) -> Room:
        """Open it anew as after kill -9: nothing of this process counts but what is on disk."""
        await self.database.close()
        return await Room.open(self.url, **options)

    async def say(
        self,
        text: str,
        *,
        at: datetime | None = None,
        by: str = "user:anna",
        to: str = "agent:renarde",
        conversation_id: str | None = "c1",
    ) -> Message:
        """Record words, and return the message."""
        message = said(text, by=by, to=to, at=at, conversation_id=conversation_id)
        await self.events.record(message)
        return message

    async def facts(self, agent: UUID = RENARDE) -> list[Fragment]:
        """Return all facts of an agent's, the oldest first, those that hold no more included."""
        rows = await self.database.query(
            "SELECT * FROM fragment WHERE agent = $agent AND kind = 'fact'", {"agent": agent}
        )
        return sorted(map(fragment_of, rows), key=lambda each: each.seq)

    async def valid(self, agent: UUID = RENARDE) -> list[str]:
        """Return what an agent's facts say that hold."""
        return [each.content for each in await self.facts(agent) if each.is_valid]

    async def episode(self, message: Message, agent: UUID = RENARDE) -> Fragment:
        """Return what an agent holds of a message as it was said."""
        held = await self.fragments.of_events(agent, [message.header.msg_id])
        found = {each.id: each for each in held}
        return found[fragment_id(agent, message.header.msg_id)]

    async def close(self) -> None:
        """Stop and close."""
        await self.interpreter.stop()
        await self.database.close()


@pytest.fixture
def room_url(tmp_path: Path) -> str:
    return f"surrealkv://{tmp_path / 'memory'}"


@pytest.fixture
async def room(room_url: str) -> AsyncGenerator[Room]:
    opened = await Room.open(room_url)
    yield opened
    await opened.close()
    await asyncio.sleep(0)
