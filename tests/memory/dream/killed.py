"""Dreams that are killed: run as a program, which forks for each life, so that none costs a start.

`killed.py <template> <folder> <seed> <rounds>`: for each round the template (a store and an
archive) is copied, dreamt of by a child that kills itself with SIGKILL at some point, then by
another one to the end. Prints one JSON line for each round: what there is in the end.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hairem_core.memory.archive.store import Item
from hairem_core.memory.database import Database
from hairem_core.memory.dream.journal import Journal
from hairem_core.memory.store import MemoryStore
from tests.memory.dream.scene import (
    Archive,
    Clock,
    Embedder,
    ScriptedModel,
    dreamer,
    everything,
)


class Doom:
    """Counts the moments at which a process can die, and dies at one of them."""

    def __init__(self, at: int | None) -> None:
        self._at = at
        self.count = 0

    def moment(self) -> None:
        self.count += 1
        if self.count == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def _doomed(doom: Doom) -> None:
    """Let a process die before or after any transaction, and around every hand-over."""
    transact = Database.transact

    async def fateful(self: Database, statements: Any) -> None:
        doom.moment()
        await transact(self, statements)
        doom.moment()

    Database.transact = fateful  # type: ignore[method-assign]


async def _dream(folder: Path, doom: Doom | None) -> dict[str, Any]:
    store = await MemoryStore.open(
        f"surrealkv://{folder / 'memory'}", clock=Clock(), embedder=Embedder()
    )
    archive = await Archive.open(store, folder / "archive.sqlite3")
    if doom is not None:
        _doomed(doom)
        put = archive.cold.put

        async def fateful_put(items: Sequence[Item]) -> None:
            doom.moment()
            await put(items)
            doom.moment()

        archive.cold.put = fateful_put  # type: ignore[method-assign]
    house = dreamer(store, archive, model=ScriptedModel())
    journal = await Journal.load(store.database, store.writer)
    done = journal.latest()
    # Killed after its last commit, it was done.
    digest = done.progress.digest if done is not None else await house.dream()
    await store.embeddings.settle()
    found = {
        "store": _digest(await everything(store)),
        "archive": _digest(await archive.all()),
        "told": digest.model_dump_json(exclude={"dream_id", "model_calls"}),
        "dreams": len(await store.database.query("SELECT VALUE record::id(id) FROM dream")),
        "moments": doom.count if doom is not None else 0,
    }
    await archive.close()
    await store.close()
    return found


def _digest(fragments: dict[Any, Any]) -> str:
    lines = sorted(repr(each) for each in fragments.values())
    return f"{len(lines)} {hashlib.sha256('\n'.join(lines).encode()).hexdigest()}"


def _in_a_child(work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """Return what `work` returns in a forked process; None if that one was killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        code = 1
        with contextlib.suppress(BaseException):
            os.write(write, json.dumps(work()).encode())
            code = 0
        os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    assert os.waitstatus_to_exitcode(status) == 0, "a dream failed"
    result: dict[str, Any] = json.loads(told)
    return result


def main() -> None:
    template, folder = Path(sys.argv[1]), Path(sys.argv[2])
    chance, rounds = random.Random(int(sys.argv[3])), int(sys.argv[4])

    def dream(name: str, at: int | None, *, lives: int = 1) -> dict[str, Any]:
        home = folder / name
        shutil.copytree(template, home)
        killed = 0
        for _ in range(lives):
            doom = Doom(at)
            if _in_a_child(lambda doom=doom: asyncio.run(_dream(home, doom))) is None:  # type: ignore[misc]
                killed += 1
        result = _in_a_child(lambda: asyncio.run(_dream(home, Doom(None))))
        assert result is not None
        shutil.rmtree(home)
        return {**result, "killed": killed, "at": at}

    whole = dream("whole", None, lives=0)
    sys.stdout.write(f"{json.dumps(whole)}\n")
    for number in range(rounds):
        at = chance.randint(1, whole["moments"])
        # Every fifth dies three times over before it may end.
        lives = 3 if number % 5 == 0 else 1
        sys.stdout.write(f"{json.dumps(dream(f'round {number}', at, lives=lives))}\n")


if __name__ == "__main__":
    main()
