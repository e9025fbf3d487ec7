"""`hairem bench bus`: from publish to handled, beside raw redis-py and FastStream.

One private redis-server as H-Core starts it, one process, the same messages and the same number of
publishers for all. They take turns in every round, so that a drift of the machine meets all alike;
the ratios are medians of the rounds' own ratios.
"""

import argparse
import asyncio
import gc
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
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
)
from hairem_core.errors import HairemError
from hairem_core.hlink.server import PrivateRedis
from hairem_core.sdk.chat import ChatMessage
from hairem_core.sdk.message import Message, MessageType, Metadata, Priority, Topic
from hairem_core.sdk.utterance import Utterance

_PATIENCE = 120.0
"""Seconds after which a run that lost messages is given up."""


@dataclass(frozen=True, kw_only=True)
class _Round:
    """What one carrier did in one round."""

    per_second: float
    cpu_us: float
    latency_ms: list[float]

    def compared(self) -> dict[str, float]:
        """Return what ratios are made of, by the names they are given."""
        return {
            "throughput": self.per_second,
            "cpu": self.cpu_us,
            "p50": median(self.latency_ms),
            "p95": percentile(self.latency_ms, 0.95),
        }


def _summary(rounds: Sequence[_Round]) -> dict[str, float]:
    per_second = [each.per_second for each in rounds]
    latency = [value for each in rounds for value in each.latency_ms]
    return {
        "messages_per_second": round(median(per_second), 1),
        "messages_per_second_least": round(min(per_second), 1),
        "messages_per_second_most": round(max(per_second), 1),
        "cpu_us_per_message": round(median([each.cpu_us for each in rounds]), 1),
        "latency_p50_ms": round(median(latency), 4),
        "latency_p95_ms": round(percentile(latency, 0.95), 4),
    }


def _ratios(ours: Sequence[_Round], theirs: Sequence[_Round]) -> dict[str, float]:
    """Return the medians of ours / theirs in the same round: what slows both drops out."""
    pairs = [(mine.compared(), its.compared()) for mine, its in zip(ours, theirs, strict=True)]
    return {
        name: round(median([mine[name] / its[name] for mine, its in pairs]), 3)
        for name in pairs[0][0]
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
    parser.add_argument("--messages", type=between(1, 1_000_000), default=3_000, help="in a round")
    parser.add_argument("--sequential", type=between(1, 100_000), default=200,
                        help="messages one after another in a round, for the latency")  # fmt: skip
    parser.add_argument("--rounds", type=between(1, 1_000), default=8)
    parser.add_argument("--publishers", type=between(1, 1_000), default=16, help="at the same time")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    carriers = (OURS, *PEERS)
    rounds: dict[str, list[_Round]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="hairem-bench-") as folder:
        server = PrivateRedis(Path(folder) / "redis")
        await server.start()
        try:
            for carrier in carriers:  # not counted: imports, connections, caches
                await _round(
                    carrier, server.url, min(200, options.messages), 20, options.publishers
                )
            for number in range(options.rounds):
                first = number % len(carriers)
                for carrier in carriers[first:] + carriers[:first]:
                    done = await _round(
                        carrier,
                        server.url,
                        options.messages,
                        options.sequential,
                        options.publishers,
                    )
                    rounds[carrier.name].append(done)
        finally:
            await server.stop()
    return _report(options, rounds)


def _report(options: argparse.Namespace, rounds: dict[str, list[_Round]]) -> dict[str, Any]:
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
        "ours": _side(OURS, rounds),
        "peers": {peer.name: _side(peer, rounds) for peer in PEERS},
        "ratios": {
            f"{peer.name}_{name}": value
            for peer in PEERS
            for name, value in _ratios(rounds[OURS.name], rounds[peer.name]).items()
        },
    }


def _side(carrier: Carrier, rounds: dict[str, list[_Round]]) -> dict[str, Any]:
    return {**_summary(rounds[carrier.name]), "configuration": carrier.configuration}


async def _round(
    carrier: Carrier, url: str, count: int, sequential: int, publishers: int
) -> _Round:
    """Let one carrier carry `count` messages at full speed, then `sequential` one by one.

    Raises HairemError if a message did not arrive exactly once.
    """
    await _empty(url)
    many, few = _messages(count, publishers), _messages(sequential, 1)
    inbox = _Inbox()
    gc.collect()
    async with carrier.open(url, inbox.take) as publish, asyncio.timeout(_PATIENCE):
        seconds, cpu = await _at_full_speed(publish, inbox, many, publishers)
        latencies = await _one_by_one(publish, inbox, few)
    sent = sorted(message.header.msg_id for message in (*many, *few))
    if sorted(message.header.msg_id for message in inbox.taken) != sent:
        raise HairemError(f"{carrier.name} lost or doubled messages")
    return _Round(
        per_second=count / seconds,
        cpu_us=cpu / count * 1e6,
        latency_ms=[each * 1000 for each in latencies],
    )


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
