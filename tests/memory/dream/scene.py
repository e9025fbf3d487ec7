"""A memory to dream of, a clock to turn, and a model that can fail in every way."""

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid5

import numpy as np

from hairem_core.config.system import DreamConfig
from hairem_core.errors import HairemError
from hairem_core.memory.archive.mover import ArchiveMover
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.dream.dreamer import Dreamer
from hairem_core.memory.fragment import Embedding, Fragment
from hairem_core.memory.scope import Scope
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from hairem_core.sdk.chat import ChatRequest, ModelRole
from hairem_core.sdk.identity import agent_uuid
from tests.memory.messages import said

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
RENARDE = agent_uuid("renarde")
ELECTRA = agent_uuid("electra")
EVERYTHING = Scope(agent=None)
MODEL = "hashed words"


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


class Embedder:
    """Stands for a model of embeddings: a hashed bag of words."""

    model = MODEL

    async def embed(self, texts: Sequence[str], *, timeout: float) -> list[bytes]:
        return [vector(each) for each in texts]


def vector(text: str) -> bytes:
    """Return a vector of 128 dimensions: texts that share words lie near each other."""
    values = np.zeros(128, np.float32)
    for word in text.lower().replace(".", "").split():
        digest = hashlib.sha256(word.encode()).digest()
        values[digest[0] % 128] += 1.0
    length = float(np.linalg.norm(values)) or 1.0
    return bytes((values / length).astype("<f2").tobytes())


def fragment(content: str, *, days: float = 1.0, agent: UUID = RENARDE, **more: Any) -> Fragment:
    """Return something that an agent holds since `days` ago; the same for the same."""
    at = NOW - timedelta(days=days)
    named = uuid5(agent, f"{content}/{days}/{more.get('kind')}/{more.get('speaker')}")
    given: dict[str, Any] = {
        "id": named,
        "agent": agent,
        "kind": "episode",
        "content": content,
        "at": at,
        "last_used": at,
        "valid_from": at,
        "derived_from": (uuid5(named, "event"),),
    }
    return Fragment(**(given | more))


async def keep(store: MemoryStore, fragments: Iterable[Fragment]) -> None:
    """Store fragments as they are given, with vectors if the store has a model of them."""
    added = list(fragments)
    for name in ("renarde", "electra"):
        store.names.identify(name)

    async def build(head: Head) -> Change:
        change = Change(added=list(added))
        if store.embedder.model is not None:
            change.embeddings = [
                (each, Embedding(fragment_id=each.id, model=MODEL, vector=vector(each.content)))
                for each in added
            ]
        return change

    await store.writer.commit(build)


async def everything(store: MemoryStore) -> dict[UUID, Fragment]:
    """Return all fragments in a store, as they are, but for the number of their commit."""
    ids = await store.database.query("SELECT VALUE record::id(id) FROM fragment")
    found = await store.fragments.fetch(ids, EVERYTHING)
    return {each: replace(one, rev=0) for each, one in found.items()}


async def dreams(store: MemoryStore) -> int:
    """Return how many rows of dreams there are."""
    return len(await store.database.query("SELECT VALUE record::id(id) FROM dream"))


type Answer = str | Callable[[ChatRequest], str] | Literal["hang", "fail", "crash"]


@dataclass(kw_only=True)
class ScriptedModel:
    """Stands for the house's models. By default it answers with what it was given, shortened."""

    answers: list[Answer] = field(default_factory=list)
    """One after another; the last one for ever."""
    agents: frozenset[str] = frozenset({"renarde", "electra"})
    asked: list[tuple[str, ChatRequest]] = field(default_factory=list)

    def has_model(self, agent_id: str, role: ModelRole) -> bool:
        assert role == "lite"
        return agent_id in self.agents

    async def complete(self, agent_id: str, request: ChatRequest) -> str:
        assert agent_id in self.agents
        assert request.role == "lite"
        assert [each.role for each in request.messages] == ["system", "user"]
        ChatRequest.model_validate_json(request.model_dump_json())
        self.asked.append((agent_id, request))
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1] if self.answers else echo
        if callable(answer):
            return answer(request)
        match answer:
            case "hang":
                await asyncio.Event().wait()
            case "fail":
                raise HairemError("the model is away", hint="Start it.")
            case "crash":
                raise KeyError("choices")
        return answer


def echo(request: ChatRequest) -> str:
    """Return what was said, in one paragraph: the same for the same."""
    said = [each.partition(": ")[2] for each in request.messages[-1].content.splitlines()]
    return " ".join(said[:8])


class Archive:
    """A real archive in a file, with its mover."""

    def __init__(self, cold: ColdArchive, mover: ArchiveMover) -> None:
        self.cold = cold
        self.mover = mover

    @classmethod
    async def open(cls, store: MemoryStore, path: Path) -> Archive:
        cold = await ColdArchive.open(f"sqlite+aiosqlite:///{path}")
        return cls(cold, ArchiveMover(store.database, store.writer, store.fragments, cold))

    async def all(self) -> dict[UUID, Fragment]:
        ids = [each async for page in self.cold.all_ids() for each in page]
        found = await self.cold.fetch(ids, EVERYTHING)
        return {each: replace(one, rev=0) for each, (one, _) in found.items()}

    async def close(self) -> None:
        await self.cold.close()


def dreamer(store: MemoryStore, archive: Archive | None = None, **more: Any) -> Dreamer:
    """Return a dreamer of a store."""
    parts: dict[str, Any] = {"config": DreamConfig(time_zone="Europe/Paris")}
    if archive is not None:
        parts |= {"mover": archive.mover, "archive": archive.cold}
    return Dreamer(store=store, **(parts | more))


async def furnish(
    store: MemoryStore, *, seed: int = 7, things: int = 12, weeks: int = 6, talk: int = 150
) -> None:
    """Fill a store with duplicates, contradictions, clusters and what has faded."""
    chance = random.Random(seed)
    for number in range(30):
        await store.record(said(f"event {number}", at=NOW - timedelta(hours=30 - number)))
    made: list[Fragment] = []
    for agent in (RENARDE, ELECTRA):
        for number in range(things):
            text = f"the key number {number} of the old garden shed hangs behind the kitchen door"
            days = 3.0 + number
            made += [
                fragment(text, days=days, agent=agent, kind="note", uses=number),
                fragment(f"{text}.", days=days - 1, agent=agent, kind="note", importance=0.9),
                fragment(text.upper(), days=days - 2, agent=agent, kind="note", about=("shed",)),
            ]
            for age, colour in ((9.0, "blue"), (6.0, "green"), (3.0, "red")):
                made.append(
                    fragment(
                        f"the favourite colour of person {number} is {colour}",
                        days=age,
                        agent=agent,
                        kind="fact",
                        subject=f"person {number}",
                        slot="favourite colour",
                    )
                )
        for week in range(weeks):
            for number in range(6):
                what = chance.choice(("tomatoes", "beans", "roses", "apples"))
                made.append(
                    fragment(
                        f"we planted {what} in bed {number} of garden {week}",
                        days=40 + 20 * week + number / 10,
                        agent=agent,
                        about=(f"garden {week}",),
                        importance=0.3,
                    )
                )
        made += [
            fragment(f"small talk {number} {chance.random()}", days=300 + number, agent=agent)
            for number in range(talk)
        ]
    chance.shuffle(made)
    await keep(store, made)
