"""A house in which one secret word was left everywhere, and where to look for it."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid7

from surrealdb import RecordID

from hairem_core.hlink.bus import Bus
from hairem_core.hlink.dead import bury
from hairem_core.hlink.eraser import Eraser
from hairem_core.hlink.errors import BusUnavailable
from hairem_core.memory.archive.selection import Selection
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.chain import ChainCheck
from hairem_core.memory.forget.forgetter import Forgetter
from hairem_core.memory.fragment import Embedding, Entity, Fragment, Relation
from hairem_core.memory.interpret.entities import entity_key
from hairem_core.memory.recall.text import TextIndex
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from hairem_core.sdk.message import Message, MessageType, Priority, Topic
from tests.support.bus import connect, running_redis

THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""When the secret was spoken of."""
OTHER_DAY = THEN - timedelta(days=30)


@dataclass(kw_only=True)
class House:
    """Everything that keeps memories, for real."""

    folder: Path
    store: MemoryStore
    archive: ColdArchive
    bus: Bus
    forgetter: Forgetter
    note: UUID | None = None
    """Id of the note that holds the secret."""


class AwayBus:
    """Stands for a bus that cannot be reached, and then can: it holds three messages."""

    reaches_files = True

    def __init__(self) -> None:
        self.is_away = True
        self.erased = 0

    async def count(self, matches: object, words: object) -> int:
        return 0

    async def erase(self, matches: object, words: object) -> int:
        if self.is_away:
            raise BusUnavailable("Redis cannot be reached")
        self.erased += 3
        return 3


@asynccontextmanager
async def open_house(
    folder: Path, url: str | None = None, archive_url: str | None = None
) -> AsyncGenerator[House]:
    """Yield a house that keeps its memories under `folder`."""
    async with running_redis(folder) as server:
        bus = connect(server.url)
        store = await MemoryStore.open(
            url or f"surrealkv://{folder / 'memory'}", index_folder=folder / "recall"
        )
        archive = await ColdArchive.open(
            archive_url or f"sqlite+aiosqlite:///{folder / 'archive.db'}"
        )
        traces = Eraser(bus.redis, is_private=True)
        forgetter = Forgetter(store, archive=archive, traces=traces)
        house = House(folder=folder, store=store, archive=archive, bus=bus, forgetter=forgetter)
        try:
            yield house
        finally:
            await archive.close()
            await store.close()
            await bus.close()


def spoken(
    content: str,
    *,
    by: str,
    to: str,
    at: datetime,
    name: str | None = None,
    topic: Topic = Topic.USER_UTTERANCE,
    parent: UUID | None = None,
    data: dict[str, Any] | None = None,
) -> Message:
    """Return something said."""
    message = Message.create(
        sender=by,
        recipient=to,
        type=MessageType.RAW,
        topic=topic,
        content=content,
        data={**({"speaker_name": name} if name else {}), **(data or {})},
        priority=Priority.P2,
        conversation_id="c1",
    )
    header = message.header.model_copy(update={"timestamp": at, "parent_id": parent})
    return message.model_copy(update={"header": header})


async def plant(house: House, secret: str) -> None:
    """Leave `secret` everywhere: said by and of one person, to one agent, on one day."""
    store, archive = house.store, house.archive
    keeper = "agent:keeper"
    agent = store.names.identify("keeper")
    key = entity_key(secret)
    question = spoken(
        f"My name is {secret} and I hide keys",
        by="user:u77",
        to=keeper,
        at=THEN,
        name=secret,
        data={"history": [{"text": f"as {secret} said"}]},
    )
    answer = spoken(
        f"Hello {secret}!",
        by=keeper,
        to="user:u77",
        at=THEN + timedelta(seconds=2),
        topic=Topic.NARRATIVE_TEXT,
        parent=question.header.msg_id,
    )
    for message in (question, answer):
        await store.record(message)
        await house.bus.publish(message)
    await house.bus.register("keeper")
    await house.bus.publish(question.model_copy(update={"header": question.header}))
    await bury(house.bus.redis, question.model_dump_json(), reason=f"failed over {secret}")
    origin = (question.header.msg_id,)

    def fragment(content: str, **more: Any) -> Fragment:
        values: dict[str, Any] = {
            "id": uuid7(),
            "agent": agent,
            "kind": "fact",
            "content": content,
            "at": THEN,
            "last_used": THEN,
            "valid_from": THEN,
            "derived_from": origin,
        }
        return Fragment(**(values | more))

    fact = fragment(f"{secret} hides keys", subject=key, about=(key,), slot="habit")
    older = fragment(
        f"{secret} hides nothing", subject=key, about=(key,), valid_to=THEN, replaced_by=fact.id
    )
    note = fragment(
        f"{secret.upper()} is a spy", kind="note", derived_from=(), about=(key,), speaker=None
    )
    house.note = note.id
    synthesis = fragment(
        f"All about {secret}", kind="synthesis", sources=(fact.id, note.id), at=THEN
    )
    archived = fragment(f"{secret} was here", subject=key, about=(key,))

    async def build(head: Head) -> Change:
        return Change(
            added=[fact, older, note, synthesis],
            embeddings=[(fact, Embedding(fragment_id=fact.id, model="m", vector=b"\1\2" * 8))],
            entities=[Entity(agent=agent, key=key, name=secret, kind="person", last_at=THEN)],
            relations=[
                Relation(
                    agent=agent,
                    kind="knows",
                    source=key,
                    target="name:rex",
                    last_at=THEN,
                    derived_from=(fact.id,),
                )
            ],
            statements=[
                Statement(
                    text="UPSERT $id CONTENT $row RETURN NONE",
                    variables={
                        "id": RecordID("dream", uuid7()),
                        "row": {
                            "state": "done",
                            "started_at": THEN,
                            "progress": json.dumps({"n": 1}),
                            "digest": json.dumps(
                                {
                                    "learned": [
                                        {
                                            "fragment_id": str(fact.id),
                                            "content": f"{secret} hides keys",
                                        },
                                        {"fragment_id": str(note.id), "content": f"{secret} spies"},
                                        {"fragment_id": str(uuid7()), "content": "rex barks"},
                                    ]
                                }
                            ),
                        },
                    },
                )
            ],
        )

    await store.writer.commit(build)
    await archive.put([(archived, None)])
    await store.set_state("keeper", "friends", {"list": [f"good old {secret}"]})
    await store.index.save()


async def plant_others(house: House) -> None:
    """Say what nobody wants forgotten."""
    store = house.store
    question = spoken(
        "Rex buried the bone", by="user:bob", to="agent:renarde", at=OTHER_DAY, name="Bob"
    )
    for message in (
        question,
        spoken(
            "Which bone?",
            by="agent:renarde",
            to="user:bob",
            at=OTHER_DAY,
            topic=Topic.NARRATIVE_TEXT,
            parent=question.header.msg_id,
        ),
    ):
        await store.record(message)
        await house.bus.publish(message)
    agent = store.names.identify("renarde")
    fact = Fragment(
        id=uuid7(),
        agent=agent,
        kind="fact",
        content="Rex has a bone",
        at=OTHER_DAY,
        last_used=OTHER_DAY,
        valid_from=OTHER_DAY,
        subject="name:rex",
        about=("name:rex",),
        derived_from=(question.header.msg_id,),
    )

    async def build(head: Head) -> Change:
        return Change(
            added=[fact],
            entities=[Entity(agent=agent, key="name:rex", name="Rex", last_at=OTHER_DAY)],
        )

    await store.writer.commit(build)
    await store.set_state("renarde", "mood", "calm")
    await house.archive.put(
        [
            (
                Fragment(
                    id=uuid7(),
                    agent=agent,
                    kind="note",
                    content="an old bone",
                    at=OTHER_DAY,
                    last_used=OTHER_DAY,
                    valid_from=OTHER_DAY,
                ),
                None,
            )
        ]
    )


def forms_of(secret: str) -> set[bytes]:
    """Return the bytes by which the secret would be found in a file."""
    words = {secret, secret.lower(), secret.upper(), json.dumps(secret)[1:-1]}
    index = TextIndex(None)
    for analyzer in index._analyzers.values():
        words |= set(analyzer.analyze(secret))
    index.close()
    return {word.encode(code) for word in words for code in ("utf-8", "utf-16-le", "utf-16-be")}


def files_with(folder: Path, secret: str) -> list[str]:
    """Return the files that hold the secret in any of its forms."""
    found, forms = [], forms_of(secret)
    for path in folder.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            found += [f"{path.relative_to(folder)}: {form!r}" for form in forms if form in held]
    return found


async def rows_with(house: House, secret: str) -> list[str]:
    """Return what the databases hold of the secret."""
    database, found = house.store.database, []
    for table in (await database.query("INFO FOR DB"))["tables"]:
        rows = [str(row) for row in await database.query(f"SELECT * FROM {table}")]
        found += [f"{table}: {row}" for row in rows if secret.lower() in row.lower()]
    async for items in house.archive.select(Selection()):
        found += [str(item) for item in items if secret.lower() in str(item).lower()]
    async for key in house.bus.redis.scan_iter():
        if secret.lower().encode() in (await house.bus.redis.dump(key) or b"").lower():
            found.append(f"redis: {key!r}")
    return found


async def others_are_there(house: House) -> None:
    """Fail if anything of what nobody wanted forgotten is missing."""
    store = house.store
    (found,) = await store.recall("renarde", "who has the bone?", limit=8, kinds=["fact"])
    assert found.content == "Rex has a bone"
    turns = await store.recent("renarde", conversation_id="c1", limit=8)
    assert [each.content for each in turns] == ["Rex buried the bone", "Which bone?"]
    assert await store.get_state("renarde", "mood") == "calm"
    names = await store.database.query("SELECT VALUE name FROM entity")
    assert "Rex" in names, names
    statistics = await house.archive.statistics()
    assert statistics["fragments"] == 1, statistics
    journal: Any = await house.bus.redis.xrange("hlink:journal")
    said = [Message.model_validate_json(each[b"m"]).payload.content for _, each in journal]
    assert said == ["Which bone?"], said
    assert isinstance(await store.events.verify(), ChainCheck)
