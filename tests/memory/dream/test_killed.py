"""Killed at any moment and started again, a dream ends as if nothing had happened."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from hairem_core.memory.store import MemoryStore
from tests.memory.dream.scene import Archive, Clock, Embedder, furnish

_ROUNDS = int(os.environ.get("HAIREM_KILLS", "8"))
"""`scripts/soak` has many more."""


@pytest.mark.timeout(60 + 30 * _ROUNDS)
async def test_killed_at_random_moments_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    template = tmp_path / "template"
    store = await MemoryStore.open(
        f"surrealkv://{template / 'memory'}", clock=Clock(), embedder=Embedder()
    )
    archive = await Archive.open(store, template / "archive.sqlite3")
    await furnish(store, things=5, weeks=3, talk=30)
    await archive.close()
    await store.close()

    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.memory.dream.killed",
        str(template),
        str(tmp_path / "rounds"),
        "20260601",
        str(_ROUNDS),
        cwd=Path(__file__).parents[3],
        # A killed process loses nothing that the system has; only a power cut would.
        env={**os.environ, "SURREAL_SYNC_DATA": "false"},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await program.communicate()
    assert program.returncode == 0
    whole, *rounds = [json.loads(line) for line in told.decode().splitlines()]

    assert len(rounds) == _ROUNDS
    assert all(each["killed"] for each in rounds)
    assert len({each["at"] for each in rounds}) > _ROUNDS / 2
    for each in rounds:
        where = f"killed at moment {each['at']} of {whole['moments']}"
        assert each["store"] == whole["store"], where
        assert each["archive"] == whole["archive"], where
        assert each["told"] == whole["told"], where
        assert each["dreams"] == 1, where
