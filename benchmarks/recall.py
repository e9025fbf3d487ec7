"""`hairem bench recall`: how much evidence recall finds, on conversations of LoCoMo's format.

Every turn is recorded as the message that it would be, in the real store: embedded SurrealDB, the
recall index on disk, vectors by the real gateway. Every conversation is the memory of an agent of
its own, all in one store, as in a house. Then each question is asked of the agent.

The peers are computed in the same run, exactly and by themselves, from the same turns.
"""

import argparse
import asyncio
import hashlib
import re
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks._embedding import TimedEmbedder, add_options, through_gateway, vectors_of
from benchmarks._locomo import Asked, Conversation, Turn, read
from benchmarks._report import machine, percentile, publish_report, ratio
from benchmarks._retrieval import (
    Answer,
    Bm25,
    best,
    by_category,
    cosines,
    count_words,
    equal_fusion,
    figures,
    windows,
)
from hairem_core.errors import HairemError
from hairem_core.memory.arrays import Floats
from hairem_core.memory.interpret.interpreter import Interpreter
from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.message import Message, MessageType, Topic, now
from hairem_core.sdk.utterance import Utterance

_LIMIT = 10
_AT_ONCE = 64
"""Messages on their way into the store."""
_PATIENCE = 120.0
"""Seconds that a model of embeddings may fail while the store tries again."""
_ATTEMPTS = 3
"""At a question whose embedding did not come in time, which is not what is measured here."""


def main(arguments: list[str]) -> None:
    """Run the benchmark and print its report.

    Exits with 2 on options it does not know. Raises HairemError: the file, or the model.
    """
    options = _parse(arguments)
    report = asyncio.run(_run(options))
    publish_report(report, as_json=options.json)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hairem bench recall",
        description="Evidence found by recall, beside cosine, BM25, and an equal fusion of both.",
    )
    parser.add_argument("--data", type=Path, required=True, help="a file of LoCoMo's format")
    add_options(parser, "words alone count")
    parser.add_argument("--captions", action="store_true", help="what pictures show is said too")
    parser.add_argument("--separate", action="store_true",
                        help="a store for each conversation, rather than one for all")  # fmt: skip
    parser.add_argument(
        "--facts", action="store_true", help="what is learned by rule is held too, as in a house"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    conversations = read(options.data, captions=options.captions)
    embedder = await through_gateway(options) if options.embedding_base else None
    stores = [[each] for each in conversations] if options.separate else [conversations]
    told = _Told()
    for each in stores:
        await _measure(each, embedder, told, with_facts=options.facts)
    sides: dict[str, list[Answer]] = {}
    for conversation in conversations:
        for name, answers in (await _peers(conversation, embedder)).items():
            sides.setdefault(name, []).extend(answers)
    return _report(options, conversations, told, sides)


# --- ours -------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class _Told:
    """What our side did, over all conversations."""

    answers: list[Answer]
    record_seconds: float = 0.0
    embed_seconds: float = 0.0
    by_conversation: dict[str, float]

    def __init__(self) -> None:
        self.answers, self.by_conversation = [], {}


class _Clock:
    """The store's clock, which stands where the benchmark puts it."""

    def __init__(self) -> None:
        self.at = now()

    def __call__(self) -> datetime:
        return self.at


async def _measure(
    conversations: Sequence[Conversation],
    embedder: TimedEmbedder | None,
    told: _Told,
    *,
    with_facts: bool,
) -> None:
    """Record the conversations in one new store, and ask all their questions of it."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hairem-bench-")))
        clock = _Clock()
        store = await MemoryStore.open(
            f"surrealkv://{folder / 'memory'}",
            index_folder=folder / "index",
            embedder=embedder,
            clock=clock,
            zone=UTC,
        )
        stack.push_async_callback(store.close)
        started = time.perf_counter()
        events = [await _record(store, each, clock) for each in conversations]
        told.record_seconds += time.perf_counter() - started
        if with_facts:
            await _learn(store, clock)
        await _ready(store, embedder)
        told.embed_seconds += time.perf_counter() - started
        for conversation, places in zip(conversations, events, strict=True):
            clock.at = conversation.turns[-1].at + timedelta(minutes=1)
            answers = [
                await _ask(store, conversation, each, places, embedder)
                for each in conversation.questions
            ]
            told.answers += answers
            recalls = [each.recall(10) for each in answers]
            if recalls:
                told.by_conversation[conversation.name] = round(sum(recalls) / len(recalls), 4)


async def _record(store: MemoryStore, conversation: Conversation, clock: _Clock) -> dict[UUID, int]:
    """Record every turn, in order; return the places of turns by `msg_id`."""
    messages = [_message(conversation, each) for each in conversation.turns]
    for start in range(0, len(messages), _AT_ONCE):
        batch = messages[start : start + _AT_ONCE]
        clock.at = batch[-1].header.timestamp
        await asyncio.gather(*(store.record(each) for each in batch))
    return {each.header.msg_id: place for place, each in enumerate(messages)}


def _message(conversation: Conversation, turn: Turn) -> Message:
    message = Message.create(
        sender=f"user:{_slug(turn.speaker)}",
        recipient=f"agent:{_agent(conversation)}",
        type=MessageType.RAW,
        topic=Topic.USER_UTTERANCE,
        content=turn.text,
        data=Utterance(language="en", speaker_name=turn.speaker).as_data(),
        conversation_id=f"{_agent(conversation)}-{turn.session}",
    )
    header = message.header.model_copy(update={"timestamp": turn.at})
    return message.model_copy(update={"header": header})


def _agent(conversation: Conversation) -> str:
    return _slug(conversation.name)


def _slug(name: str) -> str:
    """Return what may stand in an address for a name; another one for another name."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:60]
    if plain == name.casefold():
        return plain
    return f"{plain or 'x'}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"


async def _learn(store: MemoryStore, clock: _Clock) -> None:
    """Make facts of what was said, by rule."""
    interpreter = Interpreter(
        store.database,
        store.writer,
        store.events,
        store.fragments,
        store.names.identify,
        clock=clock,
    )
    await interpreter.settle()
    await interpreter.stop()


async def _ready(store: MemoryStore, embedder: TimedEmbedder | None) -> None:
    """Wait until all that was recorded can be found. Raises HairemError if it cannot."""
    await store.index.flush()
    if embedder is None:
        return
    until = time.monotonic() + _PATIENCE
    await store.embeddings.settle()
    while (failure := store.embeddings.failure) is not None:
        if time.monotonic() > until:
            raise HairemError(
                f"the model of embeddings failed: {failure}",
                where="hairem bench recall",
                hint="Look at --embedding-base and --embedding-model.",
            )
        await asyncio.sleep(1.0)  # the store tries again by itself
        await store.embeddings.settle()
    held = store.index.statistics()
    if held["embedded"] < held["fragments"]:
        raise HairemError(f"only {held['embedded']} of {held['fragments']} turns have a vector")


async def _ask(
    store: MemoryStore,
    conversation: Conversation,
    question: Asked,
    places: dict[UUID, int],
    embedder: TimedEmbedder | None,
) -> Answer:
    answer = await _ask_once(store, conversation, question, places, embedder)
    for _ in range(_ATTEMPTS - 1):
        if embedder is None or not answer.by_words_alone:
            break
        answer = await _ask_once(store, conversation, question, places, embedder)
    return answer


async def _ask_once(
    store: MemoryStore,
    conversation: Conversation,
    question: Asked,
    places: dict[UUID, int],
    embedder: TimedEmbedder | None,
) -> Answer:
    model_before = embedder.seconds if embedder else 0.0
    started = time.perf_counter()
    found = await store.recall(_agent(conversation), question.text, limit=_LIMIT)
    seconds = time.perf_counter() - started
    return Answer(
        found=[places.get(each.event_id, -1) if each.event_id else -1 for each in found],
        evidence=question.evidence,
        category=question.category,
        seconds=seconds,
        model_seconds=(embedder.seconds if embedder else 0.0) - model_before,
        words=sum(count_words(each.content) for each in found),
        by_words_alone=all(each.why is None or not each.why.meaning for each in found),
    )


# --- peers ------------------------------------------------------------------------------------

_CONFIGURATIONS = {
    "bm25": "BM25 (k1 1.2, b 0.75) of 'speaker: text', English stems, no small words; every turn",
    "cosine": "cosine of the question with 'speaker: text', the same model; exact, every turn",
    "fusion": "sum of four, each divided by its best: BM25 and cosine, of turns and of three turns",
    "bm25_windows": "sum of BM25 of turns and of three turns, each divided by its best",
}


async def _peers(
    conversation: Conversation, embedder: TimedEmbedder | None
) -> dict[str, list[Answer]]:
    texts = [f"{each.speaker}: {each.text}" for each in conversation.turns]
    wide = windows(texts, [each.session for each in conversation.turns])
    words, wide_words = Bm25(texts), Bm25(wide)
    vectors = wide_vectors = asked = None
    if embedder is not None:
        vectors, wide_vectors = await vectors_of(embedder, texts), await vectors_of(embedder, wide)
        asked = await vectors_of(embedder, [each.text for each in conversation.questions])
    found: dict[str, list[Answer]] = {}

    def add(name: str, question: Asked, scores: Floats, started: float) -> None:
        places = best(scores, _LIMIT)
        answer = Answer(
            found=places,
            evidence=question.evidence,
            category=question.category,
            seconds=time.perf_counter() - started,
            words=sum(count_words(conversation.turns[each].text) for each in places),
        )
        found.setdefault(name, []).append(answer)

    for number, question in enumerate(conversation.questions):
        started = time.perf_counter()
        add("bm25", question, words(question.text), started)
        started = time.perf_counter()
        if vectors is None or wide_vectors is None or asked is None:
            both = equal_fusion(words(question.text), wide_words(question.text))
            add("bm25_windows", question, both, started)
            continue
        add("cosine", question, cosines(vectors, asked[number]), started)
        started = time.perf_counter()
        four = equal_fusion(
            words(question.text),
            wide_words(question.text),
            cosines(vectors, asked[number]),
            cosines(wide_vectors, asked[number]),
        )
        add("fusion", question, four, started)
    return found


# --- the report -------------------------------------------------------------------------------


def _report(
    options: argparse.Namespace,
    conversations: Sequence[Conversation],
    told: _Told,
    sides: dict[str, list[Answer]],
) -> dict[str, Any]:
    turns = sum(len(each.turns) for each in conversations)
    whole = [1000 * each.seconds for each in told.answers]
    ours: dict[str, Any] = {
        **figures(told.answers),
        "p50_with_model_ms": round(percentile(whole, 0.5), 3),
        "p95_with_model_ms": round(percentile(whole, 0.95), 3),
        "by_words_alone": sum(each.by_words_alone for each in told.answers),
        "recorded_per_second": round(turns / told.record_seconds, 1),
        "ready_per_second": round(turns / told.embed_seconds, 1),
        "categories": by_category(told.answers),
        "recall_at_10_by_conversation": told.by_conversation,
        "configuration": _configuration(options),
    }
    peers: dict[str, dict[str, Any]] = {
        name: {
            **figures(answers),
            "categories": by_category(answers),
            "configuration": _CONFIGURATIONS[name],
        }
        for name, answers in sides.items()
    }
    return {
        "bench": "recall",
        "machine": machine("surrealdb", "tantivy", "numpy", "litellm"),
        "setting": {
            "data": options.data.name,
            "conversations": len(conversations),
            "turns": turns,
            "questions": len(told.answers),
            "questions_left_out": sum(each.left_out for each in conversations),
            "evidence_left_out": sum(each.lost_evidence for each in conversations),
            "limit": _LIMIT,
            "captions": options.captions,
            "facts": options.facts,
            "stores": "one for each conversation" if options.separate else "one, an agent each",
            "recall": "hybrid" if options.embedding_base else "lexical: no --embedding-base",
            "embedding_model": options.embedding_model if options.embedding_base else None,
        },
        "ours": ours,
        "peers": peers,
        "ratios": {
            f"{name}_{key}": ratio(ours[key], each[key])
            for name, each in peers.items()
            for key in ("recall_at_5", "recall_at_10", "hit_at_5", "ndcg_at_10")
            if each[key]
        },
    }


def _configuration(options: argparse.Namespace) -> str:
    kept = "MemoryStore.recall: embedded SurrealDB, index on disk, one result a turn"
    if not options.embedding_base:
        return f"{kept}; words alone, since no --embedding-base was given"
    return f"{kept}; {options.embedding_model} through the gateway"
