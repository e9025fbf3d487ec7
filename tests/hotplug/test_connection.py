"""What an agent's process says: calls that cannot be sent, and its log."""

from pathlib import Path

import pytest

from hairem_core.hotplug import frames
from tests.hotplug.agent_end import Host, agent_end, method


async def _error_of(host: Host, wanted: str) -> str:
    await host.hear(frames.Ready)
    host.deliver(wanted)
    await host.hear(frames.Done)
    return host.notes[-1]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (
            "self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content='x' * 50_000_000)",
            "AgentError ctx.bus.answer: a message holds at most 8,388,608 bytes, not 50,000,",
        ),
        (
            "self.ctx.state.set('key', object())",
            "AgentError ctx.state.set: this cannot be sent: ",
        ),
        (
            "self.ctx.bus.publish('crew', topic=Topic.AGENT_NOTE, content='\\ud800')",
            "AgentError ctx.bus.publish: this cannot be sent: ",
        ),
    ],
)
async def test_what_cannot_be_sent_is_an_error_for_the_agent_and_breaks_nothing(
    tmp_path: Path, call: str, error: str
) -> None:
    code = method(
        f"""
try:
    await {call}
except AgentError as err:
    text = f"{{type(err).__name__}} {{err}}"
    await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content=text)
""",
        name="on_message",
    )
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        assert error in await _error_of(host, "try")


async def test_what_is_printed_warned_and_logged_from_threads_arrives(tmp_path: Path) -> None:
    code = method(
        """
import threading, warnings
logger = self.ctx.logger
await asyncio.gather(*(asyncio.to_thread(logger.info, "thread %d", i) for i in range(50)))
warnings.warn("outdated")
logger.info("wrong %d", "arguments")
logger.info("last")
""",
        name="on_message",
    )
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
        host.deliver()
        await host.hear(frames.Done)
        await host.hear_log("last")
    texts = [line.text for line in host.logs]
    assert {f"thread {index}" for index in range(50)} <= set(texts)
    assert next(text for text in texts if "outdated" in text).startswith("logic.py:9: UserWarning")


async def test_a_long_line_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    code = method("self.ctx.logger.info('begin' + 'x' * 10_000_000 + 'end')")
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
    text = host.logs[0].text
    assert len(text) <= 16_384
    assert text.startswith("beginx")
    assert text.endswith("xend")
    assert "9,98" in text
    assert "characters left out" in text


async def test_a_flood_of_logs_drops_lines_and_no_heartbeat(tmp_path: Path) -> None:
    code = method(
        """
for index in range(20_000):
    self.ctx.logger.info("line %d", index)
    if index % 100 == 0:
        await asyncio.sleep(0)
await asyncio.sleep(1.2)
self.ctx.logger.info("after")
""",
        name="on_message",
    )
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
        host.deliver()
        await host.hear_log("after")
        # On a slow machine the flood is slower too, and more of it may pass.
        assert len(host.logs) < 20_000
        await host.hear_log("lines before this one were dropped: too many at once")
        assert len(host.all(frames.Heartbeat)) >= 2
