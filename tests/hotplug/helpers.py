"""What several tests of agents share."""

import asyncio
from pathlib import Path
from typing import Any

from hairem_core.core import Core
from hairem_core.hlink import dead
from hairem_core.sdk.message import Message
from tests.support.bus import note, until

HEAD = "import asyncio, os, time\nfrom hairem_core.sdk import *\n"


COUNTER = (
    HEAD
    + """
class Agent(BaseAgent):
    async def on_message(self, message):
        seen = await self.ctx.state.get("seen", 0)
        await self.ctx.state.set("seen", seen + 1)
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content=f"{seen + 1}")
"""
)


async def ask(core: Core, message: Message, count: int = 1) -> list[Message]:
    """Send `message` from `user:test` and return the first answers."""
    heard: list[Message] = []
    stop = await core.bus.listen("user:test", heard.append)
    await core.bus.publish(message)
    await until(lambda: len(heard) >= count)
    await stop()
    return heard


def from_test(agent_id: str, content: str = "", **fields: Any) -> Message:
    return note(content, sender="user:test", recipient=f"agent:{agent_id}", **fields)


def is_running(pid: int) -> bool:
    """Return whether a process is there and not just waiting for its parent to notice its end."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


async def acknowledged(core: Core, agent_id: str) -> None:
    """Wait until nothing that the agent was sent is pending."""
    async with asyncio.timeout(5):
        while True:
            pending: Any = await core.bus.redis.xpending(f"hlink:{{{agent_id}}}:p2", "hosts")
            if pending["pending"] == 0:
                return
            await asyncio.sleep(0.01)


async def dead_reasons(core: Core) -> list[str]:
    return [letter.reason async for letter in dead.dead_letters(core.bus.redis)]
