"""A house that remembers a few things, and ways to spoil what it remembers."""

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hairem_core.memory.fragment import Entity, Relation
from hairem_core.memory.statement import Statement
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from tests.memory.messages import answered, said

KEY = "The spare key lies under the blue flowerpot."
LAST_MONTH = (datetime.now(UTC) - timedelta(days=30)).replace(
    hour=14, minute=0, second=0, microsecond=0
)
"""Long ago, and not so long that a dream would archive it."""


async def seed(store: MemoryStore) -> dict[str, str]:
    """Record what renarde and electra were told; return ids of fragments by name."""
    words = said(KEY, at=LAST_MONTH)
    await store.record(words)
    await store.record(answered(words, "I shall not forget the flowerpot."))
    await store.record(said("The boiler hums at night.", to="agent:electra", at=LAST_MONTH))
    tea = await store.remember("renarde", "Anna drinks tea.", about="Anna")
    coffee = await store.remember(
        "renarde", "Anna drinks coffee.", about="Anna", replaces=tea.fragment_id
    )
    shared = await store.remember("electra", "The boiler is from 1998.", shared=True)
    agent = store.names.identify("renarde")

    async def build(head: Head) -> Change:
        common: Any = {"agent": agent, "last_at": LAST_MONTH}
        return Change(
            entities=[
                Entity(key="name:anna", name="Anna", kind="person", mentions=3, **common),
                Entity(key="name:lyon", name="Lyon", kind="place", **common),
                Entity(key="thing:boiler", name="boiler", **common),
            ],
            relations=[
                Relation(kind="lives_in", source="name:anna", target="name:lyon", **common),
            ],
        )

    await store.writer.commit(build)
    return {
        "tea": str(tea.fragment_id),
        "coffee": str(coffee.fragment_id),
        "shared": str(shared.fragment_id),
    }


async def seeded(folder: Path) -> dict[str, str]:
    """Put such a memory into a data folder, and return the ids."""
    folder.mkdir(parents=True, exist_ok=True)
    store = await MemoryStore.open(
        f"surrealkv://{folder / 'memory'}", index_folder=folder / "recall"
    )
    try:
        return await seed(store)
    finally:
        await store.close()


async def tamper(store: MemoryStore, number: int) -> None:
    """Alter what was said in an event, as root of the database can."""
    info = await store.database.query("INFO FOR TABLE raw_event")
    fields = [each for each in info["fields"] if "[" not in each]
    await store.database.transact(
        [
            Statement(text="REMOVE EVENT append_only ON raw_event"),
            *(Statement(text=f"REMOVE FIELD {each} ON raw_event") for each in fields),
            Statement(text="DEFINE TABLE OVERWRITE raw_event TYPE NORMAL SCHEMALESS"),
            Statement(
                text="UPDATE raw_event SET content = $words WHERE number = $number RETURN NONE",
                variables={"words": "The key is lost.", "number": number},
            ),
        ]
    )


async def large_export(megabytes: int) -> AsyncIterator[bytes]:
    """Yield an export of so many megabytes: values that an agent keeps."""
    header = {
        "line": "header",
        "format": "hairem-memory",
        "version": 1,
        "hairem": "0.1.0",
        "made_at": (LAST_MONTH + timedelta(days=1)).isoformat(),
    }
    digest, count = hashlib.sha256(), megabytes * 16
    for number in range(-1, count):
        value = json.dumps(chr(97 + number % 26) * 65_000)
        line = {"line": "state", "agent": "renarde", "key": f"k{number}", "value": value}
        written = json.dumps(header if number < 0 else line).encode() + b"\n"
        digest.update(written)
        yield written
    counts = {"header": 1, "state": count}
    end = {"line": "end", "counts": counts, "number": 0, "sha256": digest.hexdigest()}
    yield json.dumps(end).encode() + b"\n"
