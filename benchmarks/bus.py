"""`hairem bench bus`: from publish to handled, beside raw redis-py and FastStream.

One private redis-server as H-Core starts it, one process, the same messages and the same number of
publishers for all. They take turns in every round, so that a drift of the machine meets all alike.
"""

import argparse
import asyncio
import gc
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from benchmarks._carriers import AGENT, OURS, PEERS, Carrier, Publish
from benchmarks._report import (
    between,
    machine,
    median,
    percentile,
    publish_report,
    ratio,
)
from hairem_core.errors import HairemError
from hairem_core.hlink.server import PrivateRedis
from hairem_core.sdk.chat import ChatMessage
from hairem_core.sdk.message import Message, MessageType, Metadata, Priority, Topic
from hairem_core.sdk.utterance import Utterance

_PATIENCE = 120.0
"""Seconds after which a run that lost messages is given up."""

_COMPARED = {
    "throughput": "messages_per_second",
    "cpu": "cpu_us_per_message",
    "p50": "latency_p50_ms",
    "p95": "latency_p95_ms",
}
"""What the ratios are called, and the figures that they compare."""


@dataclass(kw_only=True)
class _Figures:
    """What one carrier did, a figure a round; latencies of all rounds together."""

    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        return {
            "messages_per_second": round(median(self.per_second), 1),
            "messages_per_second_least": round(min(self.per_second), 1),
            "messages_per_second_most": round(max(self.per_second), 1),
            "cpu_us_per_message": round(median(self.cpu_us), 1),
            "latency_p50_ms": round(median(self.latency_ms), 4),
            "latency_p95_ms": round(percentile(self.latency_ms, 0.95), 4),
        }


def main(arguments: list[str]) -> None:
    """Run the benchmark and print its report. Exits with 2 on options it does not know."""
    options = _parse(arguments)
    report = asyncio.run(_run(options))
    publish_report(report, as_json=options.json)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hairem bench bus",
        description="From publish to handled, beside raw redis-py and FastStream.",
    )
    parser.add_argument("--messages", type=between(1, 1_000_000), default=5_000, help="in a round")
    parser.add_argument("--sequential", type=between(1, 100_000), default=300,
                        help="messages one after another in a round, for the latency")  # fmt: skip
    parser.add_argument("--rounds", type=between(1, 1_000), default=5)
    parser.add_argument("--publishers", type=between(1, 1_000), default=16, help="at the same time")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    carriers = (OURS, *PEERS)
    figures: dict[str, _Figures] = defaultdict(_Figures)
    with tempfile.TemporaryDirectory(prefix="hairem-bench-") as folder:
        server = PrivateRedis(Path(folder) / "redis")
        await server.start()
        try:
            for carrier in carriers:  # not counted: imports, connections, caches
                warm = min(200, options.messages)
                await _round(carrier, server.url, warm, 20, options.publishers, _Figures())
            for number in range(options.rounds):
                first = number % len(carriers)
                for carrier in carriers[first:] + carriers[:first]:
                    await _round(
                        carrier,
                        server.url,
                        options.messages,
                        options.sequential,
                        options.publishers,
                        figures[carrier.name],
                    )
        finally:
            await server.stop()
    return _report(options, {carrier: figures[carrier.name].summary() for carrier in carriers})


def _report(
    options: argparse.Namespace, results: dict[Carrier, dict[str, float]]
) -> dict[str, Any]:
    ours = results[OURS]
    ratios: dict[str, float] = {}
    for peer in PEERS:
        theirs = results[peer]
        for short, name in _COMPARED.items():
            ratios[f"{peer.name}_{short}"] = ratio(ours[name], theirs[name])
    return {
        "bench": "bus",
        "machine": machine("redis", "faststream", "pydantic"),
        "setting": {
            "messages": options.messages,
            "sequential": options.sequential,
            "rounds": options.rounds,
            "publishers": options.publishers,
            "message_bytes": len(_messages(1, 1)[0].model_dump_json()),
            "redis": "private, Unix socket, appendonly yes, appendfsync everysec",
        },
        "ours": {**ours, "configuration": OURS.configuration},
        "peers": {
            peer.name: {**results[peer], "configuration": peer.configuration} for peer in PEERS
        },
        "ratios": ratios,
    }


async def _round(
    carrier: Carrier, url: str, count: int, sequential: int, publishers: int, figures: _Figures
) -> None:
    """Let one carrier carry `count` messages at full speed, then `sequential` one by one."""
    await _empty(url)
    many, few = _messages(count, publishers), _messages(sequential, 1)
    inbox = _Inbox()
    gc.collect()
    async with carrier.open(url, inbox.take) as publish, asyncio.timeout(_PATIENCE):
        seconds, cpu = await _at_full_speed(publish, inbox, many, publishers)
        figures.per_second.append(count / seconds)
        figures.cpu_us.append(cpu / count * 1e6)
        figures.latency_ms += [each * 1000 for each in await _one_by_one(publish, inbox, few)]
    sent = sorted(message.header.msg_id for message in (*many, *few))
    if sorted(message.header.msg_id for message in inbox.taken) != sent:
        raise HairemError(f"{carrier.name} lost, doubled or changed messages")


async def _at_full_speed(
    publish: Publish, inbox: _Inbox, messages: Sequence[Message], publishers: int
) -> tuple[float, float]:
    """Return seconds from the first publish to the last handled, and this process's CPU seconds."""

    async def publisher(own: Sequence[Message]) -> None:
        for message in own:
            await publish(message)

    done = inbox.wait_for(len(messages))
    started, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for number in range(publishers):
            group.create_task(publisher(messages[number::publishers]))
        await done
    return inbox.last_at - started, time.process_time() - cpu


async def _one_by_one(publish: Publish, inbox: _Inbox, messages: Sequence[Message]) -> list[float]:
    """Return the seconds from publish to handled of each message, the next sent only then."""
    seconds: list[float] = []
    for message in messages:
        done = inbox.wait_for(1)
        started = time.perf_counter()
        await publish(message)
        await done
        seconds.append(inbox.last_at - started)
    return seconds


class _Inbox:
    """The handler that all carriers are given: it keeps the message and looks at the clock."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.last_at = 0.0
        self._until = 0
        self._done: asyncio.Future[None] | None = None

    def wait_for(self, more: int) -> asyncio.Future[None]:
        """Return what is done when `more` messages than now were handled."""
        self._until = len(self.taken) + more
        self._done = asyncio.get_running_loop().create_future()
        return self._done

    def take(self, message: Message) -> None:
        """Handle a message."""
        self.taken.append(message)
        if len(self.taken) == self._until and self._done is not None:
            self.last_at = time.perf_counter()
            self._done.set_result(None)


def _messages(count: int, publishers: int) -> list[Message]:
    """Return new messages such as the bridge sends: what a person says, and what came before.

    Each publisher speaks in a conversation of its own.
    """
    history = [
        ChatMessage(role="user", content="Good evening! Is anybody still up?"),
        ChatMessage(
            role="assistant", content="Only Electra and me. The kitchen light is still on."
        ),
    ]
    return [
        Message.create(
            sender="user:0b2a5c8e61f94f0a",
            recipient=f"agent:{AGENT}",
            type=MessageType.RAW,
            topic=Topic.USER_UTTERANCE,
            content=f"Then please turn it off in {number} minutes, and tell me how warm it is.",
            data=Utterance(language="en", speaker_name="Anna", history=history).as_data(),
            metadata=Metadata(importance=0.5),
            priority=Priority.P1,
            conversation_id=f"01JD{number % publishers:022d}",
        )
        for number in range(count)
    ]


async def _empty(url: str) -> None:
    client = Redis.from_url(url)
    await client.flushall()
    await client.aclose()
