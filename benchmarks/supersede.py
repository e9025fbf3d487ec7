"""`hairem bench supersede`: of what was told again and again, whether what holds comes first.

Things that change, told among everything else that is said in a house. Once as people tell them:
recorded as messages, learned by rule, then asked for. And once as agents keep them, each naming the
one in whose place it comes. The peer goes by relevance alone.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid7

from benchmarks._chains import TOPICS, Chain, chains
from benchmarks._embedding import add_options, through_gateway, vectors_of
from benchmarks._house import BEGAN, Said, WordVectors, message, said
from benchmarks._memory_child import opened
from benchmarks._report import between, machine, percentile, publish_report, ratio
from benchmarks._retrieval import Bm25, best, cosines, equal_fusion
from hairem_core.memory.embedding import Embedder
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.interpret.interpreter import Interpreter
from hairem_core.memory.store import MemoryStore

_AGENT = "renarde"
_LIMIT = 50
_AT_ONCE = 64


def main(arguments: list[str]) -> None:
    """Run the benchmark and print its report. Exits with 2 on options it does not know."""
    options = _parse(arguments)
    report = asyncio.run(_run(options))
    publish_report(report, as_json=options.json)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hairem bench supersede",
        description="Whether what holds ranks above what it replaced.",
    )
    parser.add_argument("--chains", type=between(1, 100_000), default=200)
    parser.add_argument("--distractors", type=between(12, 1_000_000), default=5_000)
    add_options(parser, "vectors are sums of words' own directions, which know no synonyms")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What came of one question."""

    chain: Chain
    rank: int | None
    """Of what holds, from 0; None if it did not come."""
    stale: int | None
    """Of the best of what it replaced."""
    seconds: float = 0.0

    @property
    def is_above(self) -> bool:
        """Whether what holds came before everything that it replaced, which may not come at all."""
        return self.stale is None or (self.rank is not None and self.rank < self.stale)


class _House:
    """All that is said and all that changes, in one order."""

    def __init__(self, options: argparse.Namespace, embedder: Embedder) -> None:
        self.others = list(said(options.distractors))
        self.now: datetime = self.others[-1].at + timedelta(hours=1)
        self.chains = chains(options.chains, self.others[-1].at)
        self.embedder = embedder
        self.at = BEGAN

    def clock(self) -> datetime:
        """Return the moment that it is in the house."""
        return self.at


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    embedder: Embedder = WordVectors()
    if options.embedding_base:
        embedder = await through_gateway(options)
    house = _House(options, embedder)
    told, speed = await _told(house)
    kept = await _kept(house)
    return _report(options, told, kept, await _relevance(house), speed)


# --- ours -------------------------------------------------------------------------------------


async def _told(house: _House) -> tuple[list[_Found], float]:
    """Record everything as it was said, learn of it, and ask. Also return events learned of a
    second.
    """
    async with AsyncExitStack() as stack:
        store = await _store(house, stack)
        events: dict[int, list[UUID]] = {each.number: [] for each in house.chains}
        sayings: list[tuple[Said, int | None]] = [(each, None) for each in house.others]
        sayings += [(each, chain.number) for chain in house.chains for each in chain.told]
        sayings.sort(key=lambda pair: pair[0].at)
        messages = []
        for each, number in sayings:
            made = message(each, _AGENT)
            messages.append(made)
            if number is not None:
                events[number].append(made.header.msg_id)
        for start in range(0, len(messages), _AT_ONCE):
            await asyncio.gather(*map(store.record, messages[start : start + _AT_ONCE]))
        interpreter = Interpreter(
            store.database,
            store.writer,
            store.events,
            store.fragments,
            store.names.identify,
            clock=house.clock,
        )
        house.at = house.now
        started = time.perf_counter()
        await interpreter.settle()
        speed = len(messages) / (time.perf_counter() - started)
        await interpreter.stop()
        await store.embeddings.settle()
        found = [await _ask(store, chain, events[chain.number]) for chain in house.chains]
    return found, speed


async def _kept(house: _House) -> list[_Found]:
    """Keep what changes as an agent does, each naming what it replaces, and ask."""
    async with AsyncExitStack() as stack:
        store = await _store(house, stack)
        messages = [message(each, _AGENT) for each in house.others]
        for start in range(0, len(messages), _AT_ONCE):
            await asyncio.gather(*map(store.record, messages[start : start + _AT_ONCE]))
        kept: dict[int, list[UUID]] = {}
        for chain in house.chains:
            known = kept.setdefault(chain.number, [])
            for each in chain.told:
                made = await store.fragments.add(
                    _fact(store, each), replaces=known[-1] if known else None
                )
                known.append(made.id)
        house.at = house.now
        await store.embeddings.settle()
        return [await _ask(store, chain, kept[chain.number]) for chain in house.chains]


def _fact(store: MemoryStore, each: Said) -> Fragment:
    return Fragment(
        id=uuid7(),
        agent=store.names.identify(_AGENT),
        kind="fact",
        content=each.text,
        at=each.at,
        speaker=message(each, _AGENT).header.sender,
        speaker_name=each.speaker,
        importance=0.7,
        last_used=each.at,
        valid_from=each.at,
    )


async def _store(house: _House, stack: AsyncExitStack) -> MemoryStore:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hairem-bench-"))
    store = await opened(Path(folder), house.embedder, clock=house.clock)
    stack.push_async_callback(store.close)
    return store


async def _ask(store: MemoryStore, chain: Chain, ids: Sequence[UUID]) -> _Found:
    """Ask for one thing. `ids`: of its events or fragments, the oldest first."""
    asker = message(chain.told[0], _AGENT).header.sender if chain.is_own else None
    started = time.perf_counter()
    found = await store.recall(_AGENT, chain.question, limit=_LIMIT, asker=asker)
    seconds = time.perf_counter() - started
    marks = [{each.fragment_id, each.event_id} for each in found]
    rank = next((place for place, each in enumerate(marks) if ids[-1] in each), None)
    stale = next((place for place, each in enumerate(marks) if each & set(ids[:-1])), None)
    return _Found(chain=chain, rank=rank, stale=stale, seconds=seconds)


# --- peer -------------------------------------------------------------------------------------


async def _relevance(house: _House) -> list[_Found]:
    """Ask for everything by relevance alone: the equal fusion of exact BM25 and cosine."""
    sayings = [*house.others, *(each for chain in house.chains for each in chain.told)]
    texts = [f"{each.speaker}: {each.text}" for each in sayings]
    # Who asks is known to this side as well.
    questions = [
        f"{each.speaker}: {each.question}" if each.is_own else each.question
        for each in house.chains
    ]
    words = Bm25(texts)
    vectors = await vectors_of(house.embedder, texts)
    asked = await vectors_of(house.embedder, questions)
    found: list[_Found] = []
    start = len(house.others)
    for chain, question, vector in zip(house.chains, questions, asked, strict=True):
        end = start + len(chain.told)
        places = best(equal_fusion(words(question), cosines(vectors, vector)), _LIMIT)
        rank = places.index(end - 1) if end - 1 in places else None
        stale = next((rank for rank, each in enumerate(places) if start <= each < end - 1), None)
        found.append(_Found(chain=chain, rank=rank, stale=stale))
        start = end
    return found


# --- the report -------------------------------------------------------------------------------


def _figures(found: Sequence[_Found]) -> dict[str, float]:
    """Return shares of all questions; `valid_above` of those to which anything of theirs came."""

    def share(values: Sequence[bool]) -> float:
        return round(sum(values) / max(1, len(values)), 4)

    came = [each for each in found if each.rank is not None or each.stale is not None]
    return {
        "valid_above": share([each.is_above for each in came]),
        "replaced_came": share([each.stale is not None for each in found]),
        "top_1": share([each.rank == 0 for each in found]),
        "top_3": share([each.rank is not None and each.rank < 3 for each in found]),
        "top_10": share([each.rank is not None and each.rank < 10 for each in found]),
        "found": share([each.rank is not None for each in found]),
    }


def _parts(found: Sequence[_Found]) -> dict[str, dict[str, float]]:
    """Return the same for each topic and language."""
    groups = {
        f"{topic}_{language}": [
            each for each in found if (each.chain.topic, each.chain.language) == (topic, language)
        ]
        for topic in TOPICS
        for language in ("en", "fr")
    }
    return {name: _figures(group) for name, group in groups.items() if group}


def _report(
    options: argparse.Namespace,
    told: Sequence[_Found],
    kept: Sequence[_Found],
    relevance: Sequence[_Found],
    speed: float,
) -> dict[str, Any]:
    ours, theirs = _figures(told), _figures(relevance)
    times = [1000 * each.seconds for each in told]
    return {
        "bench": "supersede",
        "machine": machine("surrealdb", "tantivy", "numpy"),
        "setting": {
            "chains": options.chains,
            "updates": sum(len(each.chain.told) for each in told),
            "distractors": options.distractors,
            "limit": _LIMIT,
            "embedding_model": options.embedding_model if options.embedding_base else None,
        },
        "ours": {
            **ours,
            **{f"explicit_{name}": value for name, value in _figures(kept).items()},
            "learned_per_second": round(speed, 1),
            "p50_ms": round(percentile(times, 0.5), 3),
            "p95_ms": round(percentile(times, 0.95), 3),
            "parts": _parts(told),
            "explicit_parts": _parts(kept),
            "configuration": (
                "recorded as said, learned by rule, recalled; 'explicit': kept by the agent, each "
                "naming what it replaces"
            ),
        },
        "peers": {
            "relevance": {
                **theirs,
                "parts": _parts(relevance),
                "configuration": "equal fusion of exact BM25 and cosine of 'speaker: text'",
            }
        },
        "ratios": {
            f"relevance_{name}": ratio(ours[name], theirs[name])
            for name in ("valid_above", "top_1", "top_3", "top_10")
            if theirs[name]
        },
    }
