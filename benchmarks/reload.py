"""How long it takes from saving an agent's file until the new version answers, and what it costs.

A crew under conversation: people talk to the agent that is being edited and to its neighbour, and
notes are sent to it in a numbered row. Meanwhile its `logic.py` is saved again and again. Beside
the time, what matters is counted: messages that got lost, came twice or out of order, and what is
left of the old generations at the end.
"""

import argparse
import asyncio
import gc
import os
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from benchmarks._report import between, machine, median, percentile, publish_report, ratio
from hairem_core.core import Core
from hairem_core.sdk.chat import ChatRequest, Delta, ModelRole
from hairem_core.sdk.message import Message, MessageType, Priority, Topic
from tests.support.bus import until
from tests.support.core import Client, running_core, write_agent

_POLL_SECONDS = 1.0
"""AppDaemon looks for changed apps once a second.
Source: https://appdaemon.readthedocs.io/en/latest/CONFIGURE.html, `app_reload` and `utility_delay`.
"""
_LOGIC = '''"""Answers with its version."""

from hairem_core.sdk import BaseAgent, Topic

VERSION = {version}


class Agent(BaseAgent):
    async def setup(self):
        self.ctx.spawn_task(self._beat(), name="beat")

    async def on_message(self, message):
        if message.header.topic is Topic.USER_UTTERANCE:
            await super().on_message(message)
            return
        await self.ctx.bus.answer(
            message,
            topic=Topic.AGENT_NOTE,
            content=message.payload.content,
            data={{"version": VERSION}},
        )

    async def _beat(self):
        import asyncio

        while True:
            await asyncio.sleep(1)
'''
_WARM_UP = 5
"""Reloads before what is there is counted for the first time."""


class _Parrot:
    """A model that answers at once, word by word."""

    async def stream(self, agent_id: str, request: ChatRequest) -> AsyncGenerator[Delta]:
        for word in request.messages[-1].content.split():
            await asyncio.sleep(0.005)
            yield Delta(content=f"{word} ")

    def has_model(self, agent_id: str | None, role: ModelRole) -> bool:
        return True


@dataclass
class _Heard:
    """What came of the messages that were sent."""

    sent: int = 0
    answers: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    """Milliseconds, of the neighbour's answers."""

    @property
    def lost(self) -> int:
        return self.sent - len(set(self.answers)) + len(self.failed)

    @property
    def doubled(self) -> int:
        return len(self.answers) - len(set(self.answers))

    @property
    def reordered(self) -> int:
        return sum(after < before for before, after in pairwise(self.answers))


@dataclass(frozen=True)
class _Holdings:
    """What H-Core holds at one moment."""

    tasks: int
    descriptors: int
    processes: int
    subscriptions: int
    memory_bytes: int


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark and print its report."""
    parser = argparse.ArgumentParser(prog="hairem bench reload", description=__doc__)
    parser.add_argument("--reloads", type=between(1, 100_000), default=100)
    parser.add_argument("--conversations", type=between(1, 64), default=4)
    parser.add_argument("--notes-per-second", type=between(1, 1_000), default=20)
    parser.add_argument("--pause-ms", type=between(0, 60_000), default=300)
    parser.add_argument("--quiet-reloads", type=between(1, 1_000), default=20)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    options = parser.parse_args(arguments)
    publish_report(asyncio.run(_run(options)), as_json=options.json)


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="hairem-bench-") as name:
        folder = Path(name)
        agents = folder / "agents"
        for agent_id in ("subject", "neighbour"):
            write_agent(agents, agent_id, _LOGIC.format(version=0))
        async with running_core(folder, agents=agents, models=_Parrot()) as core:
            live: list[float] = []
            answered: list[float] = []
            async with _load(core, options) as heard:
                before: _Holdings | None = None
                for version in range(1, options.reloads + _WARM_UP + 1):
                    if version == _WARM_UP + 1:
                        before = await _holdings(core)
                    to_live, to_answer = await _reload(core, agents / "subject", version)
                    if version > _WARM_UP:
                        live.append(to_live)
                        answered.append(to_answer)
                    await asyncio.sleep(options.pause_ms / 1000)
            assert before is not None
            after = await _holdings(core)
            growth = await _memory_growth(core, agents / "subject", version, options.quiet_reloads)
    return _report(options, live, answered, heard, before, after, growth)


async def _memory_growth(core: Core, bundle: Path, version: int, reloads: int) -> float:
    """Return the KiB of memory that a reload costs for good.

    Without conversations: what is said is remembered, and that takes memory by right.
    """
    at_first = 0
    for number in range(2 * reloads):
        if number == reloads:
            at_first = (await _holdings(core)).memory_bytes
        await _reload(core, bundle, version + number + 1)
    return ((await _holdings(core)).memory_bytes - at_first) / 1024 / reloads


async def _reload(core: Core, bundle: Path, version: int) -> tuple[float, float]:
    """Save a version; return the milliseconds until it is live, and until it has answered."""
    fresh = bundle / ".logic.py.new"
    fresh.write_text(_LOGIC.format(version=version))
    generation = core.registry["subject"].generation
    is_live = asyncio.Event()

    def changed(agent_id: str, record: Any) -> None:
        if agent_id == "subject" and record is not None and record.generation > generation:
            is_live.set()

    stop = core.registry.subscribe(changed)
    started = time.perf_counter()
    fresh.replace(bundle / "logic.py")
    async with asyncio.timeout(30):
        await is_live.wait()
        to_live = time.perf_counter() - started
        while await _version(core) != version:
            pass
    stop()
    return to_live * 1000, (time.perf_counter() - started) * 1000


async def _version(core: Core) -> int:
    answers: list[Message] = []
    stop = await core.bus.listen("user:asker", answers.append)
    await core.bus.publish(_note("user:asker", "version", conversation=None))
    await until(lambda: bool(answers))
    await stop()
    return int(answers[0].payload.data["version"])


def _note(sender: str, content: str, *, conversation: str | None) -> Message:
    return Message.create(
        sender=sender,
        recipient="agent:subject",
        type=MessageType.SUBJECTIVE,
        topic=Topic.AGENT_NOTE,
        content=content,
        priority=Priority.P2,
        conversation_id=conversation,
    )


@asynccontextmanager
async def _load(core: Core, options: argparse.Namespace) -> AsyncIterator[dict[str, _Heard]]:
    """Talk to both agents and send notes for as long as the block runs, then hear all answers."""
    assert core.new_token is not None
    ending = asyncio.Event()
    heard = {"notes": _Heard(), "neighbour": _Heard()}
    async with Client.connect(core.address, core.new_token) as client:
        await client.receive()
    tasks = [asyncio.create_task(_send_notes(core, heard["notes"], options, ending))]
    for number in range(options.conversations):
        name = "neighbour" if number == 0 else f"subject {number}"
        heard.setdefault(name, _Heard())
        tasks.append(asyncio.create_task(_converse(core, name, heard[name], ending)))
    try:
        yield heard
    finally:
        ending.set()
        await asyncio.gather(*tasks)


async def _send_notes(
    core: Core, heard: _Heard, options: argparse.Namespace, ending: asyncio.Event
) -> None:
    def answered(message: Message) -> None:
        heard.answers.append(int(message.payload.content))

    stop = await core.bus.listen("user:notes", answered)
    while not ending.is_set():
        await core.bus.publish(_note("user:notes", str(heard.sent), conversation="row"))
        heard.sent += 1
        await asyncio.sleep(1 / options.notes_per_second)
    with suppress(TimeoutError):  # what is missing counts as lost
        await until(lambda: len(heard.answers) >= heard.sent)
    await stop()


async def _converse(core: Core, name: str, heard: _Heard, ending: asyncio.Event) -> None:
    agent_id = name.partition(" ")[0]
    assert core.new_token is not None
    async with Client.connect(core.address, core.new_token) as client:
        await client.receive()
        while not ending.is_set():
            text = f"this is sentence {heard.sent}"
            started = time.perf_counter()
            heard.sent += 1
            events = await client.turn(agent_id, text, conversation_id=name.replace(" ", "-"))
            heard.waits.append((time.perf_counter() - started) * 1000)
            last = events[-1]
            if last["kind"] == "done" and last["text"].strip() == text:
                heard.answers.append(heard.sent - 1)
            else:
                heard.failed.append(str(last))
            await asyncio.sleep(0.05)


async def _holdings(core: Core) -> _Holdings:
    """Return what is held once the older generations are gone."""
    await until(lambda: not core.control.details("subject")["process"]["draining"])
    await asyncio.sleep(0.2)
    gc.collect()
    me = psutil.Process()
    return _Holdings(
        tasks=len([task for task in asyncio.all_tasks() if "agent" in task.get_name()]),
        descriptors=me.num_fds(),
        processes=len(me.children(recursive=True)),
        subscriptions=len(await core.bus.redis.pubsub_channels()),
        memory_bytes=me.memory_info().rss,
    )


def _report(
    options: argparse.Namespace,
    live: list[float],
    answered: list[float],
    heard: dict[str, _Heard],
    before: _Holdings,
    after: _Holdings,
    memory_growth: float,
) -> dict[str, Any]:
    kept = {
        name: getattr(after, name) - getattr(before, name)
        for name in ("tasks", "descriptors", "processes", "subscriptions")
    }
    subject = [each for name, each in heard.items() if name != "neighbour"]
    ours: dict[str, Any] = {
        "p50_ms": round(median(live), 1),
        "p95_ms": round(percentile(live, 0.95), 1),
        "answered_p50_ms": round(median(answered), 1),
        "answered_p95_ms": round(percentile(answered, 0.95), 1),
        "lost": sum(each.lost for each in heard.values()),
        "doubled": sum(each.doubled for each in heard.values()),
        "reordered": sum(each.reordered for each in heard.values()),
        "leftovers": sum(max(0, each) for each in kept.values()),
        "messages": sum(each.sent for each in subject),
        "neighbour_answer_p50_ms": round(median(heard["neighbour"].waits), 1),
        "neighbour_answer_p95_ms": round(percentile(heard["neighbour"].waits, 0.95), 1),
        "memory_growth_kib_per_reload": round(memory_growth, 1),
        "kept": kept,
        "failures": [text for each in heard.values() for text in each.failed][:5],
        "configuration": (
            "from the rename over logic.py until the registry says that the new process is live: "
            "quiet time, snapshot, Gatekeeper, fork, sandbox, setup(), hand-over"
        ),
    }
    poll = _POLL_SECONDS * 1000
    return {
        "bench": "reload",
        "machine": machine("watchdog", "redis", "pydantic"),
        "setting": {
            "reloads": options.reloads,
            "conversations": options.conversations,
            "notes_per_second": options.notes_per_second,
            "pause_ms": options.pause_ms,
            "processors": os.cpu_count(),
        },
        "ours": ours,
        "peers": {
            "appdaemon": {
                "p50_ms": poll / 2,
                "p95_ms": poll * 0.95,
                "configuration": (
                    "published, not measured: it polls once a second, so a change is seen after "
                    "half a second in the middle; loading it comes on top"
                ),
            }
        },
        "ratios": {
            "appdaemon_p50": ratio(ours["p50_ms"], poll / 2),
            "appdaemon_p95": ratio(ours["p95_ms"], poll * 0.95),
        },
    }
