"""H-Core as a Home Assistant app: started by a Supervisor, a real MariaDB beside it or not."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hairem_core.supervisor import mysql
from tests.support.app import STRANGER, TRUSTED, RunningApp, environment_of
from tests.support.bus import until
from tests.support.child import ROOT, free_port
from tests.support.command import hairem
from tests.support.core import Client, write_agent
from tests.support.mariadb import USER, MariaDb
from tests.support.supervisor import TOKEN, FakeSupervisor

THIEF = """
import os
from hairem_core.sdk import *

class Agent(BaseAgent):
    async def on_utterance(self, message):
        with open("/proc/self/environ", "rb") as file:
            seen = file.read().decode() + repr(dict(os.environ)) + repr(self.ctx.secrets)
        content = "none" if not seen else seen
        await self.ctx.bus.answer(message, topic=Topic.NARRATIVE_TEXT, content=content)
"""


@pytest.fixture
async def supervisor() -> AsyncIterator[FakeSupervisor]:
    async with FakeSupervisor() as supervisor:
        yield supervisor


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    server = MariaDb(tmp_path_factory.mktemp("mariadb")).start()
    server.execute(f"GRANT ALL ON *.* TO {USER}@'127.0.0.1'")
    yield server
    server.stop()


def _published(server: MariaDb) -> dict[str, object]:
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "username": USER,
        "password": server.password,
    }


def _electra(app: RunningApp, supervisor: FakeSupervisor) -> None:
    """Give the app an Electra who may reach the stand-in's port, as the shipped one may port 80."""
    bundle = app.config / "agents" / "electra"
    shutil.copytree(ROOT / "agents" / "electra", bundle, ignore=shutil.ignore_patterns("__py*"))
    manifest = bundle / "manifest.yaml"
    text = manifest.read_text()
    assert "network: [8123, 443, 80]" in text
    manifest.write_text(text.replace("[8123, 443, 80]", f"[{supervisor.port}]"))


async def test_the_whole_start(tmp_path: Path, supervisor: FakeSupervisor) -> None:
    app = RunningApp(tmp_path, supervisor, language="fr", log_level="debug")
    write_agent(app.config / "agents", "visitor", permissions="[]")
    _electra(app, supervisor)
    async with app:
        config = (await supervisor.until_announced())["config"]
        assert (config["host"], config["port"]) == ("a1b2c3d4-hairem", app.port)
        async with Client.connect(f"127.0.0.1:{app.port}", config["token"]) as client:
            assert (await client.receive())["client_name"] == "home-assistant-app"

        # The token is Electra's and nobody else's.
        await until(lambda: bool(supervisor.home_assistant_tokens), 20)
        assert set(supervisor.home_assistant_tokens) == {TOKEN}
        assert len(app.processes()) >= 5, "redis-server, the forkserver, and the agents"
        for pid in (app.child.pid or 0, *app.processes()):
            assert TOKEN.encode() not in environment_of(pid)

        page = await app.page()
        for shown in ("Visitor", "Renarde", "Electra", "a1b2c3d4-hairem", "Home Assistant discov"):
            assert shown in page
        assert "hAIrem fonctionne" in await app.page("fr")
        assert "hAIrem fonctionne" in await app.page("de"), "the option's language"
        ingress = {"X-Ingress-Path": "/x", "X-Forwarded-For": TRUSTED}
        for source in (STRANGER, "127.0.0.1"):
            assert (await app.get("/", source=source, headers=ingress)).status_code == 404

        bearer = {"Authorization": f"Bearer {config['token']}"}
        shown = (await app.get("/api/health", headers=bearer)).text
        shown += (await app.get("/api/agents", headers=bearer)).text
        done = await hairem("health", HAIREM_DATA=str(app.data))
        assert (done.code, done.out.splitlines()[0]) == (0, "up"), done
        assert await app.child.stop() == 0
    for text in (page, shown, app.child.output):
        assert TOKEN not in text
    assert "DEBUG" in app.child.output, "the option's log level"
    assert "Token for" not in app.child.output, "nobody needs another one"
    for path in app.data.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
    assert (app.data / "app.token").stat().st_mode & 0o777 == 0o600


@pytest.mark.timeout(180)
async def test_the_clients_token_stays_until_it_is_revoked(
    tmp_path: Path, supervisor: FakeSupervisor
) -> None:
    app = RunningApp(tmp_path, supervisor)
    async with app:
        first = await supervisor.until_announced()
    supervisor.messages.clear()
    async with app:
        again = await supervisor.until_announced()
        assert again["config"]["token"] == first["config"]["token"]
        # The Supervisor passes on only what it has not passed on yet.
        assert again["config"]["started"] > first["config"]["started"]
        done = await hairem("token", "revoke", "home-assistant-app", HAIREM_DATA=str(app.data))
        assert done.code == 0, done
    supervisor.messages.clear()
    async with app:
        renewed = await supervisor.until_announced()
        assert renewed["config"]["token"] != first["config"]["token"]
        async with Client.connect(f"127.0.0.1:{app.port}", renewed["config"]["token"]) as client:
            assert (await client.receive())["type"] == "auth_ok"


async def test_an_agent_of_a_similar_name_gets_no_token(
    tmp_path: Path, supervisor: FakeSupervisor
) -> None:
    app = RunningApp(tmp_path, supervisor)
    for agent_id, secret in (("electra_ha", "TOKEN"), ("thief", "HA_TOKEN")):
        bundle = write_agent(app.config / "agents", agent_id, THIEF)
        with (bundle / "manifest.yaml").open("a") as manifest:
            manifest.write(f"secrets:\n  {secret}:\n")
    async with app:
        config = (await supervisor.until_announced())["config"]
        async with Client.connect(f"127.0.0.1:{app.port}", config["token"]) as client:
            await client.receive()
            for agent_id in ("electra_ha", "thief"):
                events = await client.turn(agent_id, "what do you see?")
                assert events[-1]["kind"] == "done", events
                assert "***" not in events[-1]["text"], "it was there, and was blacked out"
                assert TOKEN not in events[-1]["text"]


async def test_another_home_assistant_does_not_get_the_token(
    tmp_path: Path, supervisor: FakeSupervisor
) -> None:
    app = RunningApp(tmp_path, supervisor)
    _electra(app, supervisor)
    settings = {"agents": {"settings": {"electra": {"ha_url": supervisor.url}}}}
    app.config.mkdir(exist_ok=True)
    (app.config / "system.yaml").write_text(json.dumps(settings))
    async with app:
        await supervisor.until_announced()
        await app.child.wait_for_output("ELECTRA_HA_TOKEN")
        assert not supervisor.home_assistant_tokens


@pytest.mark.parametrize("mood", ["well", "slow", "rubbish", "broken", "starting"])
async def test_a_supervisor_that_is_away_or_unwell_at_the_start(tmp_path: Path, mood: str) -> None:
    """Away is the first of them: it is not started until H-Core listens."""
    supervisor = FakeSupervisor(mood=mood)  # type: ignore[arg-type]
    if mood != "well":
        await supervisor.start()
    try:
        app = RunningApp(tmp_path, supervisor)
        async with app:
            assert (await app.get("/api/health")).status_code == 200
            if mood != "slow":
                await app.child.wait_for_output("was not told of this H-Core yet")
                assert 'class="dim">Home Assistant was not told' in await app.page()
            assert "has not been told of it yet" in await app.page()
            if mood == "well":
                await supervisor.start()
            supervisor.mood = "well"
            await supervisor.until_announced()
            await until(lambda: "was told where to find" in app.child.output)
            page = await app.page()
            assert "was not told" not in page
            assert "open Settings" in page
            assert app.child.output.count("not told of this H-Core yet") <= 1, (
                "told again and again"
            )
    finally:
        await supervisor.stop()


@pytest.mark.parametrize("way", ["option", "file"])
async def test_what_is_wrong_is_named_while_the_app_stays(
    tmp_path: Path, supervisor: FakeSupervisor, way: str
) -> None:
    app = RunningApp(tmp_path, supervisor)
    app.config.mkdir()
    if way == "option":
        app.options = {"chat_model": "openai/x", "chat_api_key": "sk secret", "log_level": "loud"}
        keys = ["chat_api_key", "log_level"]
    else:
        (app.config / "system.yaml").write_text("house:\n  nmae: x\nmemory:\n  recent_turns: -1\n")
        keys = ["house.nmae", "memory.recent_turns"]
    await app.launch()
    try:
        await app.child.wait_for_output("waits on")
        page, french = await app.page(), await app.page("fr")
        for key in keys:
            assert f"<code>{key}</code>" in page
            assert f"<code>{key}</code>" in french
            assert key in app.child.output
        assert "secret" not in page + french + app.child.output
        assert TOKEN not in page + app.child.output
        assert (await app.get("/", source=STRANGER)).status_code == 404
        health = await app.get("/api/health", source=STRANGER)
        assert (health.status_code, health.json()) == (503, {"status": "misconfigured"})
        done = await hairem("health", HAIREM_DATA=str(app.data), HAIREM_PORT=str(app.port))
        assert (done.code, done.out) == (0, "misconfigured\n"), done
        assert not supervisor.messages, "there is nothing to connect to"
        assert TOKEN.encode() not in environment_of(app.child.pid or 0)
        assert await app.child.stop() == 0
        app.options = {}
        (app.config / "system.yaml").unlink(missing_ok=True)
        await app.start()
        assert (await app.get("/api/health")).status_code == 200
    finally:
        await app.child.stop()


@pytest.mark.timeout(180)
async def test_what_fades_goes_to_mariadb(
    tmp_path: Path, supervisor: FakeSupervisor, mariadb: MariaDb
) -> None:
    mariadb.execute(f"DROP DATABASE IF EXISTS {mysql.DATABASE}")
    supervisor.mysql = _published(mariadb)
    app = RunningApp(tmp_path, supervisor)
    async with app:
        config = (await supervisor.until_announced())["config"]
        await _dream(app, config["token"])
        page = await app.page()
    assert ("hairem_fragment",) in mariadb.execute(f"SHOW TABLES IN {mysql.DATABASE}")
    assert not (app.data / "archive.sqlite3").exists()
    assert mariadb.password not in page + app.child.output

    # The service goes, and what is archived there is not forgotten.
    supervisor.mysql = None
    async with app:
        assert "mariadb" in (await app.page()).lower()
        await app.child.wait_for_output("no app offers it now")
    app.options = {"use_mariadb": False}
    async with app:
        await app.child.wait_for_output("what is archived in MariaDB stays there")
        assert (app.data / "archive.sqlite3").exists()


@pytest.mark.timeout(180)
async def test_without_mariadb_a_file_serves_and_goes_on_serving(
    tmp_path: Path, supervisor: FakeSupervisor, mariadb: MariaDb
) -> None:
    mariadb.execute(f"DROP DATABASE IF EXISTS {mysql.DATABASE}")
    app = RunningApp(tmp_path, supervisor)
    async with app:
        config = (await supervisor.until_announced())["config"]
        await _dream(app, config["token"])
        assert "MariaDB" not in await app.page()
    file = app.data / "archive.sqlite3"
    with closing(sqlite3.connect(file)) as database, database:
        columns = database.execute("PRAGMA table_info(hairem_fragment)").fetchall()
        values = [
            1 if column[2].upper().startswith(("BIGINT", "INT")) else "x" for column in columns
        ]
        marks = ", ".join("?" * len(values))
        database.execute(f"INSERT INTO hairem_fragment VALUES ({marks})", values)
    supervisor.mysql = _published(mariadb)
    async with app:
        assert "archived in a file already" in await app.page()
    assert (mysql.DATABASE,) not in mariadb.execute("SHOW DATABASES")


async def test_a_mariadb_that_comes_later(
    tmp_path: Path, supervisor: FakeSupervisor, mariadb: MariaDb
) -> None:
    mariadb.execute(f"DROP DATABASE IF EXISTS {mysql.DATABASE}")
    mariadb.kill()
    supervisor.mysql = _published(mariadb)
    app = RunningApp(tmp_path, supervisor)
    try:
        async with app:
            await supervisor.until_announced()
            assert "MariaDB cannot be reached" in await app.page()
            mariadb.start()
            await until(lambda: (mysql.DATABASE,) in mariadb.execute("SHOW DATABASES"), 30)
    finally:
        mariadb.kill()
        mariadb.start()
    assert mariadb.password not in app.child.output


async def test_a_signal_while_the_supervisor_is_silent(tmp_path: Path) -> None:
    async with FakeSupervisor(mood="slow") as supervisor:
        app = RunningApp(tmp_path, supervisor)
        await app.launch()
        await until(lambda: bool(supervisor.asked), 20)
        assert await app.child.stop(timeout=10) == 0
        assert "listens on" not in app.child.output
        assert "Traceback" not in app.child.output


async def test_a_signal_while_it_is_told_to_the_supervisor(tmp_path: Path) -> None:
    supervisor = FakeSupervisor()
    app = RunningApp(tmp_path, supervisor)
    async with app:
        await app.child.wait_for_output("was not told of this H-Core yet")
        assert await app.child.stop(timeout=10) == 0
    assert "Traceback" not in app.child.output


async def test_a_core_without_a_redis_is_refused(tmp_path: Path) -> None:
    done = await hairem("up", "--role", "core", "--port", "0", "--data", tmp_path / "data")
    assert done.code == 2
    assert "redis.url: role core has no Redis of its own" in done.err
    assert not (tmp_path / "data").exists()
    done = await hairem("up", "--role", "host", "--data", tmp_path / "data")
    assert done.code == 2


async def test_health_of_nothing_is_none(tmp_path: Path) -> None:
    done = await hairem("health", HAIREM_DATA=str(tmp_path), HAIREM_PORT=str(free_port()))
    assert (done.code, done.out) == (1, "")
    (tmp_path / "address").write_text("nonsense")
    assert (await hairem("health", "--data", tmp_path)).code == 1
    assert (await hairem("health", "--colour", "red")).code == 2


def test_health_starts_with_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['hairem', 'health', '--help']\n"
        "from hairem_core.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'asyncio', 'httpx', 'pydantic', 'typer', 'rich', 'hairem_core.config'}\n"
        "print(*heavy & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == ""


async def _dream(app: RunningApp, token: str) -> None:
    """Have the archive opened: a dream looks into it."""
    async with Client.connect(f"127.0.0.1:{app.port}", token) as client:
        await client.receive()
        await client.turn("renarde", "Good evening")
        command = await client.send("memory/dream")
        while True:
            frame = await client.receive_for(command)
            assert frame["type"] != "result" or frame["success"], frame
            if frame["type"] == "event" and frame["event"]["kind"] == "dream_done":
                return
