"""The `hairem` command: wrong input ends with exit code 2 and one clear error."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from hairem_core.cli.client import BridgeClient, BridgeError
from hairem_core.cli.places import Places
from hairem_core.memory.store import MemoryStore
from tests.memory.messages import said
from tests.support.command import (
    RunningCore,
    hairem,
)
from tests.support.core import write_agent
from tests.support.old_redis import OldRedis


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def core(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningCore]:
    async with RunningCore(tmp_path_factory.mktemp("core") / "data") as core:
        yield core


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_it_answers(core: RunningCore) -> None:
    done = await hairem("ask", "electra", "Bonsoir", "--language", "fr", "--data", core.data)
    assert done.code == 0
    assert "llm.chat.model" in done.out, "the offline brain says what would make it clever"


async def test_an_answer_given_whole_is_printed(tmp_path: Path) -> None:
    logic = """
from hairem_core.sdk import *

class Agent(BaseAgent):
    async def on_utterance(self, message):
        await self.ctx.bus.answer(message, topic=Topic.NARRATIVE_TEXT, content="All at once [1].")
"""
    bundle = write_agent(tmp_path / "agents", "clock", logic)
    with (bundle / "manifest.yaml").open("a") as manifest:
        manifest.write("description: {en: 'Matches ^[a-z]{0,3}$'}\n")
    config = tmp_path / "system.yaml"
    config.write_text(f"agents:\n  folders: [{tmp_path / 'agents'}]\n")
    async with RunningCore(tmp_path / "data", config) as core:
        done = await hairem("ask", "clock", "hello", "--data", core.data)
        assert (done.code, done.out) == (0, "All at once [1].\n")
        assert "^[a-z]{0,3}$" in (await hairem("agents", "--data", core.data)).out


async def test_agents_are_listed(core: RunningCore) -> None:
    done = await hairem("agents", "--json", "--data", core.data)
    assert [agent["id"] for agent in json.loads(done.out)] == ["alfred", "electra", "renarde"]
    assert "Renarde" in (await hairem("agents", "--data", core.data)).out


async def test_the_journal_can_be_read(core: RunningCore) -> None:
    await hairem("ask", "electra", "a word for the journal", "--data", core.data)
    done = await hairem("bus", "tail", "--no-follow", "--data", core.data)
    assert "user:house > agent:electra: a word for the journal" in done.out
    assert (await hairem("bus", "dead", "--data", core.data)).out == "No dead letters.\n"


async def test_doctor_finds_a_healthy_house(core: RunningCore) -> None:
    done = await hairem("doctor", "--json", "--data", core.data)
    findings = {each["what"]: each["status"] for each in json.loads(done.out)}
    assert done.code == 0, done.out
    assert findings["H-Core"] == findings["agent electra"] == findings["Redis"] == "ok"
    assert findings["memory"] == findings["archive"] == "ok"
    assert findings["language model"] == "note"


async def test_doctor_tells_where_memory_is_without_the_password(tmp_path: Path) -> None:
    path = tmp_path / "system.yaml"
    path.write_text("memory:\n  url: ws://root:hunter2@127.0.0.1:1\n")
    where = ("--config", path, "--data", tmp_path / "data")
    done = await hairem("doctor", "--json", *where)
    rows = {each["what"]: each["how"] for each in json.loads(done.out)}
    assert rows["memory"].startswith("ws://127.0.0.1:1; cannot be opened: ")
    assert "hunter2" not in done.out + done.err
    assert "hunter2" not in (await hairem("doctor", *where)).out


async def test_doctor_looks_into_the_memory_of_a_house_that_is_stopped(tmp_path: Path) -> None:
    async def row() -> tuple[str, str]:
        done = await hairem("doctor", "--json", "--data", tmp_path)
        found = {each["what"]: each for each in json.loads(done.out)}["memory"]
        return found["status"], found["how"]

    assert await row() == ("ok", "embedded, in the data folder (made at the first start)")
    store = await MemoryStore.open(f"surrealkv://{tmp_path / 'memory'}")
    await store.record(said("the key is under the mat"))
    assert await row() == ("note", "embedded, in the data folder; is in use by another process")
    await store.close()
    assert await row() == ("ok", "embedded, in the data folder")
    (log,) = (tmp_path / "memory" / "clog").iterdir()
    log.write_bytes(log.read_bytes().replace(b"under the mat", b"UNDER THE MAT"))
    status, how = await row()
    assert status == "wrong"
    assert how.startswith("embedded, in the data folder; its log is damaged: of the ")
    (tmp_path / "memory.whole").unlink()
    as_it_is = log.read_bytes()
    for _ in range(2):
        status, how = await row()
        assert (status, "cannot be read" in how) == ("wrong", True)
    assert log.read_bytes() == as_it_is
    assert not list(tmp_path.glob("memory*-*"))


async def test_health_has_a_row_for_each_part(core: RunningCore, tmp_path: Path) -> None:
    done = await hairem("health", "--data", core.data)
    status, *rows = done.out.splitlines()
    assert (done.code, status) == (0, "up")
    assert [row.split() for row in rows] == [
        ["redis", "up"],
        ["memory", "up"],
        ["llm", "offline"],
        ["agents", "up"],
    ]
    (tmp_path / "address").write_text((core.data / "address").read_text())
    done = await hairem("health", "--data", tmp_path)
    assert (done.code, done.out) == (0, "up\n"), "it has no token, and is told no more"


@asynccontextmanager
async def answering(
    data: Path, body: Mapping[str, object], status: str = "200 OK"
) -> AsyncIterator[None]:
    """Stand for an H-Core on a data folder: it tells `body` to who has the command's token."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        content = json.dumps(body if b"Bearer hairem_x\r\n" in asked else {"status": "up"}).encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode())
        writer.write(content)
        writer.close()

    (data / "command.token").write_text("hairem_x\n")
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        (data / "address").write_text(f"127.0.0.1:{port}\n")
        yield


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            "503 x",
            {"status": "down", "parts": {"redis": {"status": "down", "error": "a\nway"}}},
            "down\nredis  down  a way\n",
        ),
        (
            "200 OK",
            {"status": "up", "parts": {"memory": {"status": "up", "chain_error": "cut"}}},
            "up\nmemory  up  the chain of events is broken: cut\n",
        ),
        (
            "200 OK",
            {
                "status": "up",
                "parts": {
                    "agents": {
                        "status": "up",
                        "states": {
                            "electra": "live",
                            "fern": "crashed",
                            "alfred": "stopped",
                            "odd": "rejected",
                        },
                    }
                },
            },
            "up\nagents  up  fern: crashed, odd: rejected\n",
        ),
        (
            "200 OK",
            {"status": "up", "parts": {"memory": {"status": "down", "error": "disk \x1b full é"}}},
            "up\nmemory  down  disk ? full ?\n",
        ),
        ("200 OK", {"status": "up", "parts": {"agents": None, "redis": {}}}, "up\n"),
        ("200 OK", {"status": "up", "parts": ["x"]}, "up\n"),
    ],
)
async def test_health_says_what_is_wrong(
    tmp_path: Path, status: str, body: dict[str, object], told: str
) -> None:
    async with answering(tmp_path, body, status):
        done = await hairem("health", "--data", tmp_path, PYTHONIOENCODING="ascii")
    is_up = status.startswith("200")
    assert (done.code, done.out, done.err) == ((0, told, "") if is_up else (1, "", told))


async def test_doctor_tells_of_a_memory_that_writes_no_more(tmp_path: Path) -> None:
    body = {"status": "up", "parts": {"memory": {"status": "down", "error": "disk full"}}}
    async with answering(tmp_path, body):
        done = await hairem("doctor", "--json", "--data", tmp_path)
    row = {each["what"]: each for each in json.loads(done.out)}["memory"]
    assert (done.code, row["status"]) == (1, "wrong")
    assert row["how"].endswith("; disk full")


async def test_a_token_can_be_made_and_revoked(core: RunningCore) -> None:
    token = (await hairem("token", "new", "kitchen", "--data", core.data)).out.strip()
    assert token.startswith("hairem_")
    assert "kitchen" in (await hairem("token", "list", "--data", core.data)).out
    again = await hairem("token", "new", "kitchen", "--data", core.data)
    assert (again.code, again.out) == (2, "")
    assert (await hairem("token", "revoke", "kitchen", "--data", core.data)).code == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("ask", "nobody", "hi"), "there is no agent 'nobody'; known: alfred, electra, renarde"),
        (("ask", "renarde", ""), "the text is empty"),
        (("ask", "renarde", "  \n"), "the text is empty"),
        (("bus", "dead", "show", "1-1"), "there is no dead letter '1-1'"),
        (("bus", "dead", "resend", "1-1"), "there is no dead letter '1-1'"),
        (("up", "--port", "0"), "is in use by another H-Core"),
        (("bench", "nonsense"), "there is no benchmark 'nonsense'"),
    ],
)
async def test_wrong_input_beside_a_running_core(
    core: RunningCore, arguments: tuple[str, ...], complaint: str
) -> None:
    done = await hairem(*arguments, HAIREM_DATA=str(core.data))
    assert done.code == 2, done
    assert complaint in done.err
    assert "Traceback" not in done.err


async def test_what_is_no_text(core: RunningCore) -> None:
    for place in range(4):
        arguments = ["ask", "renarde", "caf\u00e9", "--language", "fr", "--conversation", "c"]
        where = (1, 2, 4, 6)[place]
        arguments[where] = "caf\udce9"  # the byte E9 by itself
        done = await hairem(*arguments, HAIREM_DATA=str(core.data))
        assert done.code == 2
        assert "is no text: it is not in the encoding of this terminal" in done.err


async def test_h_core_cannot_read_a_command(core: RunningCore) -> None:
    places = Places(data=core.data, config_file=None)
    async with BridgeClient.connect(places) as client, asyncio.timeout(10):
        with pytest.raises(BridgeError) as refused:
            await client.command("converse", agent_id="renarde", text="caf\udce9")
    assert refused.value.code == "invalid_format"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("api:\n  port: eighty\n", ":2: api.port: input should be a valid integer"),
        ("api:\n  port: 70000\n", ":2: api.port: input should be less than or equal to 65535"),
        ("api:\n  prot: 1\n", ":2: api.prot: there is no such key"),
        ("house:\n\tname: x\n", ":2: a tab"),
        ("house:\n  name: a\n  name: b\n", ":3: found duplicate key"),
        ("house: [1\n", ":2: "),
        ("just words\n", ":1: holds a single value"),
        ("house:\n  language: de\n", ":2: house.language: input should be 'en' or 'fr' (got 'de')"),
        ("redis:\n  url: http://x\n", ":2: redis.url: a Redis address starts with redis://"),
        ("memory:\n  url: ws://\n", ":2: memory.url: a SurrealDB server's address is ws://"),
        ("agents:\n  folders: []\n", ":2: agents.folders: list should have at least 1 item"),
        ("llm:\n  chat:\n    api_base: x\n", ":2: llm.chat.model: is missing"),
        ("llm:\n  agents:\n    Bad Id: {}\n", "llm.agents.Bad Id"),
        ("a: &x [*x]\nb: \xff\n", ":1: a: there is no such key"),
    ],
)
async def test_a_wrong_configuration_names_key_and_line(
    tmp_path: Path, content: str, complaint: str
) -> None:
    path = tmp_path / "system.yaml"
    path.write_text(content, encoding="utf-8")
    done = await hairem("up", "--config", path, "--data", tmp_path / "data")
    assert done.code == 2
    assert f"{path}" in done.err
    assert complaint in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "data").exists()


async def test_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    done = await hairem("up", "--config", tmp_path / "none.yaml", "--data", tmp_path / "data")
    assert done.code == 2
    assert "none.yaml: cannot be read" in done.err
    (tmp_path / "latin.yaml").write_bytes(b"house:\n  name: caf\xe9\n")
    done = await hairem("up", "--config", tmp_path / "latin.yaml", "--data", tmp_path / "data")
    assert (done.code, "is not UTF-8" in done.err) == (2, True)


async def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = await hairem("up", "--port", str(port), "--data", tmp_path / "data")
    assert done.code == 2
    assert f"api.port: address 127.0.0.1:{port} is in use" in done.err


async def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    done = await hairem("up", "--host", "192.0.2.1", "--port", "0", "--data", tmp_path / "data")
    assert done.code == 2
    assert "api.host: address 192.0.2.1:0 cannot be used" in done.err


async def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    done = await hairem("up", "--port", "0", "--data", tmp_path / "data")
    assert done.code == 2
    assert "data: cannot be used" in done.err


async def test_a_data_folder_without_permission(tmp_path: Path) -> None:
    """/proc takes no folders from anyone; an ordinary user is also refused one without rights."""
    folder = Path("/proc/hairem")
    if os.geteuid() != 0:
        folder = tmp_path / "closed" / "data"
        folder.parent.mkdir(mode=0o500)
    done = await hairem("up", "--port", "0", "--data", folder)
    assert done.code == 2
    assert f"{folder}: cannot be used" in done.err


async def test_a_redis_that_is_too_old_or_away(tmp_path: Path) -> None:
    path = tmp_path / "system.yaml"
    async with OldRedis("6.2.14") as old:
        path.write_text(f"redis:\n  url: {old.url}\n")
        done = await hairem("up", "--port", "0", "--config", path, "--data", tmp_path / "data")
    assert done.code == 2
    assert "Redis 6.2.14 is too old" in done.err
    path.write_text("redis:\n  url: redis://127.0.0.1:1\n")
    done = await hairem("up", "--port", "0", "--config", path, "--data", tmp_path / "data")
    assert done.code == 2
    assert "Redis cannot be reached" in done.err


async def test_without_a_running_core_it_says_how_to_start_one(tmp_path: Path) -> None:
    for command in (("ask", "renarde", "hi"), ("agents",), ("bus", "tail"), ("bus", "dead")):
        done = await hairem(*command, HAIREM_DATA=str(tmp_path))
        assert done.code == 2
        assert "no H-Core runs on this data folder. Start it with `hairem up`" in done.err


async def test_an_address_left_by_a_dead_core_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "address").write_text("127.0.0.1:1\n")
    (tmp_path / "command.token").write_text("hairem_x\n")
    done = await hairem("agents", HAIREM_DATA=str(tmp_path))
    assert done.code == 2
    assert "H-Core does not answer" in done.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_cleanly(tmp_path: Path, number: int) -> None:
    core = RunningCore(tmp_path / "data")
    await core.start()
    assert await core.stop(number) == 0
    assert not (tmp_path / "data" / "address").exists()
    assert not (tmp_path / "data" / "redis" / "address").exists()
