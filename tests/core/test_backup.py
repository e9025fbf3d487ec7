"""A data folder that is copied file by file while people talk: what is in the copy fits."""

import asyncio
import hashlib
import random
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from hairem_core.backup import Backup, CannotHold
from hairem_core.config.system import MemoryConfig
from hairem_core.core import Core
from hairem_core.hlink import keys
from hairem_core.hlink.connection import create_client
from hairem_core.hlink.server import PrivateRedis
from hairem_core.memory.chain import ChainCheck
from hairem_core.memory.scope import Scope
from hairem_core.memory.service import MemoryService
from tests.memory.messages import said
from tests.support.bus import until
from tests.support.core import Client, running_core, write_agent

EVERYBODY = Scope(agent=None)

type Order = Callable[[str], Awaitable[dict[str, Any]]]


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    async with running_core(tmp_path, agents_config={"turn_timeout": 2.0}) as core:
        yield core


@asynccontextmanager
async def ordering(core: Core) -> AsyncIterator[Order]:
    """Yield what gives an order of `/api/backup`, with the token of the command."""
    token = (core._data.path / "command.token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=f"http://{core.address}", headers=headers, timeout=60
    ) as http:

        async def order(name: str) -> dict[str, Any]:
            response = await http.post(f"/api/backup/{name}")
            assert response.status_code == 200, response.text
            told: dict[str, Any] = response.json()
            return told

        yield order


class Load:
    """People who talk, fragments that are recorded, archived and brought back; without a pause."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._tasks: list[asyncio.Task[None]] = []
        self.begun: set[UUID] = set()
        self.acknowledged: set[UUID] = set()
        self.moves = 0
        self.turns = 0

    async def __aenter__(self) -> Load:
        works = [self._record(), self._record(), self._talk(), self._talk(), self._move()]
        self._is_over = False
        self._tasks = [asyncio.create_task(each) for each in works]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True
        await asyncio.gather(*self._tasks)

    def has_failed(self) -> bool:
        """Return False; raise what ended one of them."""
        for each in self._tasks:
            if each.done():
                each.result()
        return False

    async def _record(self) -> None:
        number = 0
        while not self._is_over:
            number += 1
            message = said(f"the drawer number {number} holds {random.random()}")
            self.begun.add(message.header.msg_id)
            assert await self._core.memory.record(message)
            self.acknowledged.add(message.header.msg_id)

    async def _talk(self) -> None:
        assert self._core.new_token is not None
        async with Client.connect(self._core.address, self._core.new_token) as client:
            await client.receive()
            while not self._is_over:
                events = await client.turn("renarde", f"Remember that {self.turns} is a number")
                assert events[-1]["kind"] == "done", events
                self.turns += 1

    async def _move(self) -> None:
        service = self._core._remembering
        while not self._is_over:
            ids = [each async for each in _episodes(self._core, 5)]
            fragments = await service.store.fragments.fetch(ids, EVERYBODY)
            moved = await service.mover.archive(list(fragments.values()))
            await service.mover.restore(ids[:2])
            self.moves += moved


async def _episodes(core: Core, count: int) -> AsyncIterator[UUID]:
    ids = await core.memory.database.query("SELECT VALUE id FROM fragment LIMIT 40")
    for each in random.sample(ids, min(count, len(ids))):
        yield each.id


def copy(source: Path, target: Path) -> None:
    """Copy file by file, in no order, now and then with a pause, in pieces."""
    files = [each for each in source.rglob("*") if each.is_file()]
    random.shuffle(files)
    for each in files:
        path = target / each.relative_to(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        time.sleep(random.choice((0, 0, 0.001, 0.01)))
        # The index of recall is derived: its files may go while they are copied.
        with suppress(*(FileNotFoundError,) if "recall" in each.parts else ()):
            shutil.copy2(each, path)


def state_of(data: Path) -> dict[str, str]:
    """Return the digests of the files that must not change."""
    files = [*data.glob("memory/**/*"), *data.glob("archive.sqlite3*"), *data.glob("*.json")]
    manifest = data.glob("redis/**/*.manifest")
    return {
        str(each): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in (*files, *manifest)
        if each.is_file()
    }


async def check(data: Path, acknowledged: set[UUID], begun: set[UUID]) -> None:
    connection = sqlite3.connect(data / "archive.sqlite3")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    assert not (data / "archive.sqlite3-journal").exists()
    redis = PrivateRedis(data / "redis")
    await redis.start()
    client = create_client(redis.url)
    names: Any = await client.zrange(keys.done("renarde"), 0, -1)
    handled = {UUID(each.decode()) for each in names}
    await client.aclose()
    await redis.stop()

    service = await MemoryService.open(data, MemoryConfig())
    found = await service.store.events.verify()
    assert isinstance(found, ChainCheck), found
    rows = await service.store.database.query("SELECT * FROM raw_event")
    there = {row["id"].id for row in rows}
    assert found.checked == len(rows)
    assert acknowledged <= there
    ours = {row["id"].id for row in rows if row["content"].startswith("the drawer")}
    assert ours <= begun
    # No event without its episodes: in the store or in the archive, and in one of them.
    stored = set(await service.store.database.query("SELECT VALUE record::id(id) FROM fragment"))
    archived = {each async for page in service.archive.all_ids() for each in page}
    assert not stored & archived
    for row in rows:
        for agent in row["agents"] if row["sender"].startswith("user:") else ():
            episode = service.store.episodes.episode({**row, "id": row["id"].id}, agent)
            assert episode.id in stored | archived
    # Nothing counts as handled that memory has not got.
    assert handled
    assert handled <= there
    await service.close()


@pytest.mark.parametrize("attempt", range(3))
async def test_what_is_copied_under_load_fits_together(
    core: Core, tmp_path: Path, attempt: int
) -> None:
    data, target = core._data.path, tmp_path / "restored" / "data"
    async with ordering(core) as order, Load(core) as load:
        await until(lambda: load.has_failed() or (load.moves > 10 and load.turns > 5), seconds=60)
        known, moved = set(load.acknowledged), load.moves
        assert await order("hold") == {"prolonged": False, "seconds": 600.0}
        in_flight = set(load.begun)
        before, files = state_of(data), sorted((data / "redis").rglob("*.aof"))
        await asyncio.to_thread(copy, data, target)
        assert state_of(data) == before
        assert sorted((data / "redis").rglob("*.aof")) == files
        assert load.moves >= moved
        assert (await order("release"))["state"] == "released"
        more = len(load.acknowledged) + 20
        await until(lambda: load.has_failed() or len(load.acknowledged) > more, seconds=30)
    await check(target, known, in_flight)
    async with running_core(tmp_path / "restored") as restored:
        assert (await restored.health())["status"] == "up"
        found = await restored.memory.recall("renarde", "the drawer number 1", limit=3)
        assert found


async def test_who_speaks_meanwhile_is_answered_afterwards_however_long_it_takes(
    core: Core,
) -> None:
    assert core.new_token is not None
    async with (
        ordering(core) as order,
        Client.connect(core.address, core.new_token) as client,
    ):
        await client.receive()
        await client.turn("renarde", "Remember that the spare key is under the red pot")
        await order("hold")
        asked = asyncio.create_task(client.turn("renarde", "Where is the spare key?"))
        # Longer than turns may last in this house, which is 2 seconds.
        await until(lambda: core._backup.paused() > 3)
        assert not asked.done()
        found = await core.memory.recall("renarde", "spare key", limit=1)
        assert "red pot" in found[0].content
        assert (await core.health())["status"] == "up"
        await order("release")
        events = await asked
        assert events[-1]["kind"] == "done", events
        assert "red pot" in events[-1]["text"]
        paused = core._backup.paused()
        await client.turn("renarde", "Good evening")
        assert core._backup.paused() == paused


async def test_the_limit_of_a_turn_holds_when_nothing_is_held(tmp_path: Path) -> None:
    logic = (
        "import asyncio\nfrom hairem_core.sdk import *\n\n"
        "class Agent(BaseAgent):\n"
        "    async def on_utterance(self, utterance):\n"
        "        await asyncio.Event().wait()\n"
    )
    write_agent(tmp_path / "agents", "sleeper", logic)
    limits = {"turn_timeout": 0.3}
    async with (
        running_core(tmp_path, agents=tmp_path / "agents", agents_config=limits) as core,
        ordering(core) as order,
    ):
        assert core.new_token is not None
        async with Client.connect(core.address, core.new_token) as client:
            await client.receive()
            await order("hold")
            asked = asyncio.create_task(client.turn("sleeper", "Hello?"))
            await until(lambda: core._backup.paused() > 1)
            assert not asked.done()
            await order("release")
            assert (await asked)[-1]["error"]["code"] == "turn_timeout"


async def test_a_hold_ends_by_itself_and_says_so(core: Core, caplog: Any) -> None:
    backup = Backup({"memory": core._remembering}, longest=0.5)
    assert await backup.hold() is False
    waiting = asyncio.create_task(core.memory.record(said("still here?")))
    await until(lambda: backup.paused() > 0.3)
    assert await backup.hold() is True  # from now on half a second again
    await until(lambda: backup.paused() > 0.6)
    assert backup.is_held
    assert not waiting.done()
    await waiting
    assert not backup.is_held
    assert "never said that it was over" in caplog.text
    assert await backup.release() == "expired"
    assert await backup.release() == "nothing_held"
    await backup.hold()
    assert await backup.release() == "released"


async def test_what_takes_too_long_is_told_and_nothing_is_held(core: Core) -> None:
    service = core._remembering
    forgetting, over = asyncio.Event(), asyncio.Event()

    async def forget() -> None:
        forgetting.set()
        await over.wait()

    long = asyncio.create_task(service._exclusively(forget))
    await forgetting.wait()
    backup = Backup({"memory": service}, patience=0.2)
    with pytest.raises(CannotHold, match=r"memory did not come to a stand within 0.2 seconds"):
        await backup.hold()
    assert not backup.is_held
    assert await core.memory.record(said("and on it goes"))
    assert await backup.release() == "nothing_held"
    patient = Backup({"memory": service})
    holding = asyncio.create_task(patient.hold())
    await asyncio.sleep(0)
    assert not holding.done()
    over.set()
    await long
    assert await holding is False
    await patient.release()


async def test_a_dream_stands_still_and_goes_on(core: Core) -> None:
    for number in range(40):
        await core.memory.record(said(f"the drawer number {number} holds a spoon"))
    backup, dreamer = Backup({"memory": core._remembering}), core._remembering.dreamer
    dreaming = asyncio.create_task(dreamer.dream())
    await until(lambda: dreamer.status()["state"] == "dreaming")
    await backup.hold()
    rev = core.memory.writer.head.rev
    before = state_of(core._data.path)
    await until(lambda: backup.paused() > 0.5)
    assert not dreaming.done()
    assert core.memory.writer.head.rev == rev
    assert state_of(core._data.path) == before
    await backup.release()
    digest = await dreaming
    assert digest.chain is not None
    assert digest.chain.is_whole


async def test_closing_lets_everything_go_on(core: Core) -> None:
    backup = Backup({"memory": core._remembering})
    await backup.hold()
    waiting = asyncio.create_task(core.memory.record(said("still here?")))
    await backup.close()
    assert await waiting
    # And one that waits for something long is broken off.
    over = asyncio.Event()
    long = asyncio.create_task(core._remembering._exclusively(over.wait))
    holding = asyncio.create_task(backup.hold())
    await asyncio.sleep(0.05)
    await backup.close()
    with pytest.raises(CannotHold, match="stopping"):
        await holding
    over.set()
    await long


async def test_strangers_and_other_methods_get_nothing(core: Core) -> None:
    async with httpx.AsyncClient(base_url=f"http://{core.address}") as http:
        for name in ("hold", "release"):
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                response = await http.post(f"/api/backup/{name}", headers=headers)
                assert response.status_code == 401
                assert response.json()["error"]["code"] == "invalid_token"
            assert (await http.get(f"/api/backup/{name}")).status_code == 405
    assert not core._backup.is_held
