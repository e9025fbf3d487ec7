"""`hairem bench memory`: writing, recall, start and repair, as memory grows.

A made-up house in English and French, ten agents in one store on the real engine, and once more as
one agent's memory alone. Vectors need no model here, so all times are the memory's own. The peer is
an exact scan of the same vectors in NumPy, which finds by meaning alone and keeps nothing.
"""

import argparse
import asyncio
import gc
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._child import spawn, told_by
from benchmarks._exact import Exact
from benchmarks._house import (
    AGENTS,
    DIMENSIONS,
    WordVectors,
    agent_of,
    message,
    questions,
    said,
)
from benchmarks._memory_child import opened
from benchmarks._report import machine, percentile, publish_report, ratio
from hairem_core.config.system import DreamConfig
from hairem_core.errors import HairemError
from hairem_core.memory.arrays import Ints
from hairem_core.memory.dream.dreamer import Dreamer
from hairem_core.memory.embedding import as_vector
from hairem_core.memory.fragment import Embedding, Fragment
from hairem_core.memory.recall.ranking import Question
from hairem_core.memory.rows import to_row
from hairem_core.memory.scope import Scope
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head

_CHILD = "benchmarks._memory_child"
_LIMIT = 10
_AT_ONCE = 64
_ONE_BY_ONE = 200
_IMPORTED = 500
"""Fragments in one commit when they are brought in by themselves."""
_KILLED_AFTER = 5_000
_WARM_UP = 10
_PATIENCE = 1_800.0


def main(arguments: list[str]) -> None:
    """Run the benchmark and print its report. Exits with 2 on options it does not know."""
    options = _parse(arguments)
    report = asyncio.run(_run(options))
    publish_report(report, as_json=options.json)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hairem bench memory",
        description="Writing, recall, start and repair of the memory at several sizes.",
    )
    parser.add_argument(
        "--sizes", type=_sizes, default="1000,10000,100000", help="fragments, such as 1000,100000"
    )
    parser.add_argument("--queries", type=_sizes, default="200", help="questions at each size")
    parser.add_argument("--folder", type=Path, help="where the stores are made; default: /tmp")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    (options.queries,) = options.queries[:1]
    return options


def _sizes(text: str) -> list[int]:
    numbers = [int(each) if each.isdigit() else 0 for each in text.split(",")]
    if not all(50 <= each <= 5_000_000 for each in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} are not whole numbers from 50 to 5,000,000")
    return numbers


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    sizes: dict[str, dict[str, float]] = {}
    scans: dict[str, dict[str, float]] = {}
    for size in options.sizes:
        print(f"{size:,} fragments …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="hairem-bench-", dir=options.folder) as folder:
            house = _House(size, options.queries)
            sizes[str(size)] = await _ours(house, Path(folder))
            scans[str(size)] = house.scanned
    return _report(options, sizes, scans)


@dataclass
class _House:
    """All that is said, all that is asked, and what was found out."""

    size: int
    queries: int
    scanned: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sayings = list(said(self.size))
        self.agents: Ints = np.array([each.conversation % AGENTS for each in self.sayings])
        self.asked = questions(self.sayings, min(self.queries, self.size))
        self.embedder = WordVectors()
        self.now: datetime = self.sayings[-1].at + timedelta(minutes=1)
        packed = [self.embedder.pack(each.text) for each in self.sayings]
        self.packed = packed
        vectors = np.array([as_vector(each) for each in packed], np.float32)
        texts = [text for text, _ in self.asked]
        self.exact = Exact(self.sayings, self.agents, vectors, texts)
        self.embedder.prepare([*texts, *self.exact.wording.values()])
        # What a house would not hold is not to be looked through for what can be let go.
        gc.freeze()

    def clock(self) -> datetime:
        """Return the moment at which everything is asked."""
        return self.now


async def _ours(house: _House, folder: Path) -> dict[str, float]:
    many, alone = folder / "many", folder / "alone"
    many.mkdir()
    alone.mkdir()
    figures: dict[str, float] = {}
    store = await opened(many, house.embedder, clock=house.clock)
    try:
        figures |= await _record(house, store)
        figures |= await _recall(house, store, alone=False)
    finally:
        await store.close()
    figures |= _on_disk(many, house.size)
    figures |= await _starts(house, many)
    figures |= await _dream(house, many)
    store = await opened(alone, house.embedder, clock=house.clock)
    try:
        figures |= await _import(house, store)
        figures |= await _recall(house, store, alone=True)
    finally:
        await store.close()
    return {name: round(value, 4) for name, value in figures.items()}


# --- writing ----------------------------------------------------------------------------------


async def _record(house: _House, store: MemoryStore) -> dict[str, float]:
    """Record everything as the messages that it came as."""
    messages = [message(each, agent_of(each)) for each in house.sayings]
    alone = min(_ONE_BY_ONE, house.size // 4)
    first, rest = messages[:alone], messages[alone:]
    started = time.perf_counter()
    for each in first:
        await store.record(each)
    one_by_one = time.perf_counter() - started
    again = time.perf_counter()
    for start in range(0, len(rest), _AT_ONCE):
        await asyncio.gather(*(store.record(each) for each in rest[start : start + _AT_ONCE]))
    together = time.perf_counter() - again
    await store.embeddings.settle()
    await store.index.flush()
    return {
        "recorded_one_by_one_per_second": len(first) / one_by_one,
        "recorded_per_second": len(rest) / together if rest else 0.0,
        "ready_per_second": house.size / (time.perf_counter() - started),
    }


async def _import(house: _House, store: MemoryStore) -> dict[str, float]:
    """Bring everything in as fragments of one agent, with vectors, without the events."""
    agent = "a0"
    made = [store.episodes.episode(to_row(message(each, agent)), agent) for each in house.sayings]
    started = time.perf_counter()
    for start in range(0, house.size, _IMPORTED):
        part = made[start : start + _IMPORTED]
        vectors = house.packed[start : start + _IMPORTED]
        await store.writer.commit(_builder(part, vectors, house.embedder.model))
    await store.embeddings.settle()
    await store.index.flush()
    return {"imported_per_second": house.size / (time.perf_counter() - started)}


def _builder(part: list[Fragment], vectors: Sequence[bytes], model: str) -> Any:
    async def build(head: Head) -> Change:
        embeddings = [
            (each, Embedding(fragment_id=each.id, model=model, vector=vector))
            for each, vector in zip(part, vectors, strict=True)
        ]
        return Change(added=list(part), embeddings=embeddings)

    return build


# --- recall -----------------------------------------------------------------------------------


async def _recall(house: _House, store: MemoryStore, *, alone: bool) -> dict[str, float]:
    """Ask every question, and compare what is found with what ought to be.

    In rounds of their own: a scan of all that there is, between two questions, would leave nothing
    of the store in the processor's caches.
    """
    asked = [*house.asked[:_WARM_UP], *house.asked]
    found: list[list[str]] = []
    ours: list[float] = []
    for text, about in asked:
        started = time.perf_counter()
        came = await store.recall("a0" if alone else agent_of(about), text, limit=_LIMIT)
        ours.append(1000 * (time.perf_counter() - started))
        found.append([each.content for each in came])
    scans: list[float] = []
    for text, about in asked:
        vector = as_vector(house.embedder.pack(house.exact.wording[text]))
        started = time.perf_counter()
        house.exact.scan(vector, None if alone else about.conversation % AGENTS)
        scans.append(1000 * (time.perf_counter() - started))
    same = same_by_meaning = first = 0.0
    for (text, about), contents in zip(house.asked, found[_WARM_UP:], strict=True):
        who = None if alone else about.conversation % AGENTS
        vector = as_vector(house.embedder.pack(house.exact.wording[text]))
        ought = house.exact.best(text, vector, who, house.now)
        same += _overlap(house, contents, ought)
        first += bool(contents and ought) and contents[0] == house.sayings[ought[0]].text
        scope = Scope(agent=store.names.identify("a0" if alone else agent_of(about)))
        by_meaning = await store.search(scope, Question(text="", limit=_LIMIT, vector=vector))
        ought = house.exact.best("", vector, who, house.now, with_words=False)
        same_by_meaning += _overlap(house, [each.content for _, each in by_meaning], ought)
    prefix, count = ("alone_" if alone else ""), len(house.asked)
    ours, scans = ours[_WARM_UP:], scans[_WARM_UP:]
    house.scanned |= {
        f"{prefix}recall_p50_ms": round(percentile(scans, 0.5), 4),
        f"{prefix}recall_p95_ms": round(percentile(scans, 0.95), 4),
    }
    return {
        f"{prefix}recall_p50_ms": percentile(ours, 0.5),
        f"{prefix}recall_p95_ms": percentile(ours, 0.95),
        f"{prefix}exact_top_10": same / count,
        f"{prefix}exact_first": first / count,
        f"{prefix}exact_top_10_by_meaning": same_by_meaning / count,
    }


def _overlap(house: _House, found: Sequence[str], ought: Sequence[int]) -> float:
    """Return the share of what ought to be found that was; the same words are the same."""
    wanted = [house.sayings[each].text for each in ought]
    return sum(each in found for each in wanted) / len(wanted) if wanted else float(not found)


# --- start and repair -------------------------------------------------------------------------


async def _starts(house: _House, folder: Path) -> dict[str, float]:
    """Open the store in fresh processes: as it is, after a kill, and without its index."""
    as_it_is = await told_by(_CHILD, "open", folder)
    written = await _killed(folder, house.size, min(_KILLED_AFTER, house.size))
    after_kill = await told_by(_CHILD, "open", folder)
    if after_kill["events"] < house.size + written:
        raise HairemError(f"{house.size + written - after_kill['events']} events were lost")
    shutil.rmtree(folder / "index")
    without = await told_by(_CHILD, "open", folder)
    for each in (as_it_is, after_kill, without):
        if each["indexed"] != each["fragments"] or each["embedded"] != each["fragments"]:
            raise HairemError(f"the index is not what the store holds: {each}")
    if not without["rebuilt"]:
        raise HairemError("the index was not made anew, although there was none")
    return {
        "start_seconds": as_it_is["seconds"],
        "start_after_kill_seconds": after_kill["seconds"],
        "caught_up_after_kill_seconds": after_kill["caught_up_seconds"],
        "rebuilt_after_kill": float(after_kill["rebuilt"]),
        "written_before_kill": written,
        "start_without_index_seconds": without["caught_up_seconds"],
        "resident_mb": as_it_is["resident_mb"],
        "resident_growth_mb": as_it_is["resident_mb"] - as_it_is["resident_before_mb"],
    }


async def _dream(house: _House, folder: Path) -> dict[str, float]:
    """Dream over everything once, without a model and without an archive."""
    store = await opened(folder, house.embedder, clock=house.clock)
    try:
        dreamer = Dreamer(store=store, config=DreamConfig(synthesis_calls=0))
        started = time.perf_counter()
        await dreamer.dream()
        return {"dream_seconds": time.perf_counter() - started}
    finally:
        await store.close()


async def _killed(folder: Path, first: int, count: int) -> int:
    """Have a process write to the store, kill it (9) after `count` events; return how many were."""
    process = await spawn(_CHILD, "write", folder, first)
    assert process.stdout is not None
    written = 0
    try:
        async with asyncio.timeout(_PATIENCE):
            while written < count and (line := await process.stdout.readline()):
                written = int(line)
    finally:
        process.kill()
        await process.communicate()  # to the end of its output, so that nothing stays open
    if written < count:
        raise HairemError(f"the writing process ended by itself, after {written} events")
    return written


def _on_disk(folder: Path, size: int) -> dict[str, float]:
    def megabytes(name: str) -> float:
        files = (each for each in (folder / name).rglob("*") if each.is_file())
        return sum(each.stat().st_blocks * 512 for each in files) / 1e6

    store, index = megabytes("memory"), megabytes("index")
    return {
        "store_mb": store,
        "index_mb": index,
        "kb_per_fragment": 1000 * (store + index) / size,
    }


# --- the report -------------------------------------------------------------------------------


def _report(
    options: argparse.Namespace,
    sizes: dict[str, dict[str, float]],
    scans: dict[str, dict[str, float]],
) -> dict[str, Any]:
    largest = str(max(options.sizes))
    compared = ("recall_p50_ms", "recall_p95_ms", "alone_recall_p50_ms", "alone_recall_p95_ms")
    return {
        "bench": "memory",
        "machine": machine("surrealdb", "tantivy", "numpy"),
        "setting": {
            "sizes": options.sizes,
            "queries": options.queries,
            "agents": AGENTS,
            "dimensions": DIMENSIONS,
            "limit": _LIMIT,
            "at_once": _AT_ONCE,
            "figures_of": int(largest),
        },
        "ours": {
            **sizes[largest],
            "sizes": sizes,
            "configuration": (
                "MemoryStore: embedded SurrealDB, index on disk; ten agents in one store, and "
                "('alone') all of it one agent's"
            ),
        },
        "peers": {
            "numpy_scan": {
                **scans[largest],
                "sizes": scans,
                "configuration": "exact scan of the same vectors (float32), top 10; meaning alone",
            }
        },
        "ratios": {
            f"numpy_scan_{name.removesuffix('_ms')}": ratio(
                sizes[largest][name], scans[largest][name]
            )
            for name in compared
        },
    }
