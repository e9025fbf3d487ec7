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

from benchmarks._carriers import AGENT, OURS, PEERS, Carrier
from benchmarks._report import (
    between,
    machine,
    median,
    percentile,
    publish_report,
    ratio,
)
from hairem_core.hlink.server import PrivateRedis
from hairem_core.sdk.message import Message, MessageType, Metadata, Priority, Topic
from hairem_core.sdk.utterance import Utterance

_PATIENCE = 120.0
"""Seconds after which a run that lost messages is given up."""


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
        prog="hairem bench bus", description="From publish to handled, beside raw redis-py and FastStream."
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


def _report(options: argparse.Namespace, results: dict[Carrier, dict[str, float]]) -> dict[str, Any]:
    shown = {
        carrier.name: {**figures, "configuration": carrier.configuration}
        for carrier, figures in results.items()
    }
    ours = shown.pop(OURS.name)
    ratios: dict[str, float] = {}
    for name, theirs in shown.items():
        ratios[f"{name}_throughput"] = ratio(
            ours["messages_per_second"], theirs["messages_per_second"]
        )
        ratios[f"{name}_p50"] = ratio(ours["latency_p50_ms"], theirs["latency_p50_ms"])
        ratios[f"{name}_p95"] = ratio(ours["latency_p95_ms"], theirs["latency_p95_ms"])
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
        "ours": ours,
        "peers": shown,
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
    async with carrier.open(url, inbox.take), asyncio.timeout(_PATIENCE) as _:
        pass
    async with carrier.open(url, inbox.take) as publish, asyncio.timeout(_PATIENCE):
        raise NotImplementedError


async def _empty(url: str) -> None:
    client = Redis.from_url(url)
    await client.flushall()
    await client.aclose()
