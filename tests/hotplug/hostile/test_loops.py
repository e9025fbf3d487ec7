"""Agents that do not end what they began."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hairem_core.sdk.message import Message
from tests.hotplug.helpers import from_test
from tests.hotplug.hostile.puppet import PUPPET
from tests.hotplug.hostile.street import Street, once_more
from tests.support.bus import until

pytestmark = [pytest.mark.alone, pytest.mark.asyncio(loop_scope="package")]

HEAD = "import asyncio, time\nfrom hairem_core.sdk import *\n\n\nclass Agent(BaseAgent):\n"
FOR_EVER = {
    "waits": "await asyncio.Event().wait()",
    "spins": "while True: pass",
    "sleeps": "time.sleep(3600)",
    "goes on when cancelled": """
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue
    """,
}


def method(name: str, body: str) -> str:
    return f"{HEAD}    async def {name}:\n        {body.strip()}\n"


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def street(house: Path) -> AsyncIterator[Street]:
    async with Street.open(house / "two", turn_timeout=5, start_timeout=2) as street:
        yield street


@once_more
async def test_loops_without_end(street: Street) -> None:
    async with street.gang("loops, in handlers and a thread; a stop", [PUPPET] * 4) as gang:
        *blocked, threaded = gang
        await threaded.do("threading.Thread(target=lambda: exec('while 1: pass')).start()")
        attacks = "while True: pass", "time.sleep(3600)", "signal.raise_signal(signal.SIGSTOP)"
        turns = [
            await each.begin_turn(attack) for each, attack in zip(blocked, attacks, strict=True)
        ]
        for each, turn in zip(blocked, turns, strict=True):
            failed = (await street.client.rest_of(turn))[-1]
            assert failed["error"]["code"] == "agent_crashed"
            assert "blocks its loop" in str(failed)
            await each.restarted("gave no sign of life")
            assert (await each.turn())["kind"] == "done"
        # A thread that spins is its own affair: its loop has a turn now and then.
        assert (await threaded.turn())["kind"] == "done"
        assert not threaded.record.restarts


@once_more
async def test_a_handler_that_does_not_end_is_cut(street: Street) -> None:
    logics = [
        method("on_utterance(self, message)", FOR_EVER["waits"]),
        method("on_utterance(self, message)", FOR_EVER["goes on when cancelled"]),
        HEAD
        + "    @tool\n    async def dig(self) -> str:\n"
        + '        """Dig for ever."""\n'
        + "        await asyncio.Event().wait()\n",
    ]
    async with street.gang("handlers without end", logics, "[llm]") as gang:
        for turn in [await each.begin_turn() for each in gang]:
            event = (await street.client.rest_of(turn))[-1]
            assert event["kind"] == "failed"
            assert event["error"]["code"] == "turn_timeout"
        waits, goes_on, digs = gang
        await goes_on.restarted("did not let go of a cancelled message")
        for each in (waits, digs):
            assert each.record.state == "live"
            assert not each.record.restarts
            assert "longer than 5 s" in (each.record.last_error or "")


@once_more
async def test_a_setup_that_does_not_end_is_quarantine_and_a_teardown_is_cut(
    street: Street,
) -> None:
    starting = [method("setup(self)", FOR_EVER[each]) for each in ("waits", "spins")]
    starting.append("while True: pass\n")
    ending = [method("teardown(self)", body) for body in FOR_EVER.values()]
    what = "setup() and teardown() without end"
    async with street.gang(what, starting + ending, state=None) as gang:
        starters, enders = gang[: len(starting)], gang[len(starting) :]
        for each in enders:
            await each.is_in("live")
        pids = [each.pid for each in enders]
        await asyncio.gather(*(street.core.control.reload(each.id) for each in enders))
        for each, pid in zip(enders, pids, strict=True):
            # The new one is live while the old one is still being waited for.
            assert each.record.state == "live"
            assert each.pid != pid
        for each in enders:
            await until(lambda each=each: not each.details["process"]["draining"], 15)  # type: ignore[misc]
        polite, spins, sleeps, stubborn = enders
        for each in (polite, stubborn):
            await each.says("teardown() was cut: it took longer than 1 s")
        for each in (spins, sleeps):
            await each.says("gave no sign of life")
        for each in starters:
            await each.is_in("quarantined")
            reason = each.record.reason or ""
            assert "was not ready within 2 s: its imports and setup() take too long" in reason
            assert "it ended 3 times within a minute" in reason


@once_more
async def test_messages_without_end_between_two(street: Street) -> None:
    echo = method(
        "on_message(self, message)",
        "await self.ctx.bus.publish(message.payload.data['to'], topic=Topic.AGENT_NOTE,"
        " data=message.payload.data)",
    )
    heard: list[Message] = []
    async with street.gang("two that never stop to answer each other", [echo, echo]) as gang:
        first, _ = gang
        stop = await street.core.bus.listen("agent:*", heard.append)
        message = from_test(first.id)
        data = {"to": f"agent:{first.id}"}
        payload = message.payload.model_copy(update={"data": data})
        await street.core.bus.publish(message.model_copy(update={"payload": payload}))
        await asyncio.sleep(1)
        handled = first.details["process"]["messages_handled"]
        await stop()
        assert 2 <= handled <= 10, handled
