"""A process with a store of its own, for `hairem bench memory`: to be started fresh, and killed.

`open FOLDER` opens the store, has all caught up, asks a few questions, and prints what that took as
one JSON object. `write FOLDER FIRST` records what is said from number FIRST on, for ever, and
prints how much of it is safe.
"""

import asyncio
import json
import sys
import time
from datetime import UTC
from pathlib import Path
from typing import Any

from benchmarks._house import AGENTS, WordVectors, agent_of, message, said
from hairem_core.memory.embedding import Embedder
from hairem_core.memory.store import MemoryStore

_AT_ONCE = 64
_MORE = 1_000_000


async def opened(folder: Path, embedder: Embedder, **options: Any) -> MemoryStore:
    """Return the store in a folder, the index beside it."""
    return await MemoryStore.open(
        f"surrealkv://{folder / 'memory'}",
        index_folder=folder / "index",
        embedder=embedder,
        zone=UTC,
        **options,
    )


async def fragments_in(store: MemoryStore) -> int:
    """Return how many fragments the store itself holds."""
    rows = await store.database.query("SELECT count() FROM fragment GROUP ALL")
    return int(rows[0]["count"]) if rows else 0


async def _open(folder: Path) -> None:
    before = _resident()
    started = time.perf_counter()
    store = await opened(folder, WordVectors())
    ready = time.perf_counter() - started
    after = _resident()
    await store.embeddings.settle()
    await store.index.flush()
    caught_up = time.perf_counter() - started
    for number in range(5):
        await store.recall(f"a{number % AGENTS}", "Where did I leave the piano?", limit=10)
    held = store.index.statistics()
    told = {
        "seconds": ready,
        "caught_up_seconds": caught_up,
        "resident_before_mb": before,
        "resident_mb": max(after, _resident()),
        "rebuilt": held["rebuilt"],
        "events": store.writer.head.number,
        "fragments": await fragments_in(store),
        "indexed": held["fragments"],
        "embedded": held["embedded"],
    }
    await store.close()
    print(json.dumps(told), flush=True)


async def _write(folder: Path, first: int) -> None:
    store = await opened(folder, WordVectors())
    batch = []
    for each in said(first + _MORE):
        if each.number < first:
            continue
        batch.append(message(each, agent_of(each)))
        if len(batch) == _AT_ONCE:
            await asyncio.gather(*(store.record(one) for one in batch))
            batch.clear()
            print(each.number + 1 - first, flush=True)


def _resident() -> float:
    """Return this process's memory in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def main(arguments: list[str]) -> None:
    """Do what the arguments say."""
    match arguments:
        case ["open", folder]:
            asyncio.run(_open(Path(folder)))
        case ["write", folder, first]:
            asyncio.run(_write(Path(folder), int(first)))
        case _:
            sys.exit(f"open FOLDER, or write FOLDER FIRST; not {arguments}")


if __name__ == "__main__":
    main(sys.argv[1:])
