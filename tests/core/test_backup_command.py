"""`hairem backup`, as Home Assistant's Supervisor calls it: before a copy, and after."""

import asyncio
import socket
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.support.bus import until
from tests.support.child import free_port
from tests.support.command import RunningCore, hairem

_HELD = (
    "hairem: everything stands still for a backup; this goes on when it is over "
    "(`hairem backup post`)\n"
)


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    core = RunningCore(tmp_path / "data")
    await core.start()
    yield core
    await core.end()


def _ask(core: RunningCore, text: str) -> asyncio.Task[object]:
    return asyncio.create_task(hairem("ask", "renarde", text, "--data", core.data))


async def test_before_and_after_a_copy(core: RunningCore) -> None:
    for words in ("Everything stands still", "Everything still stands still"):
        held = await hairem("backup", "pre", "--data", core.data)
        assert held.code == 0, held.err
        assert held.out.startswith(words)
    asked = _ask(core, "Remember that the spare key is under the red pot")
    health = await hairem("doctor", "--data", core.data, "--json")
    assert health.out.startswith("[")
    assert not asked.done()
    over = await hairem("backup", "post", "--data", core.data)
    assert (over.code, over.out) == (0, "Everything goes on.\n")
    await asked
    over = await hairem("backup", "post", "--data", core.data)
    assert (over.code, over.out) == (0, "Nothing was held.\n")
    assert await core.stop() == 0


async def test_a_command_that_waits_for_a_backup_says_so(core: RunningCore, tmp_path: Path) -> None:
    told = await hairem("ask", "renarde", "Remember: the red pot is old", "--data", core.data)
    assert told.code == 0
    file = tmp_path / "memory.ndjson"
    assert (await hairem("memory", "export", file, "--data", core.data)).code == 0
    assert (await hairem("backup", "pre", "--data", core.data)).code == 0
    commands = (
        ("memory", "forget", "--subject", "pot", "--yes"),
        ("memory", "import", str(file)),
        ("dream",),
    )
    waiting = [asyncio.create_task(hairem(*each, "--data", core.data)) for each in commands]
    found = await hairem("memory", "search", "pot", "--data", core.data)
    assert (found.code, found.err) == (0, "")
    await asyncio.sleep(6)
    assert not any(each.done() for each in waiting)
    assert (await hairem("backup", "post", "--data", core.data)).code == 0
    for done in await asyncio.gather(*waiting):
        assert done.code == 0, done
        assert done.err == _HELD


async def test_who_asks_an_agent_meanwhile_is_told(core: RunningCore) -> None:
    assert (await hairem("backup", "pre", "--data", core.data)).code == 0
    ask = ("ask", "renarde", "Remember: the red pot is old", "--data", core.data)
    asked = asyncio.create_task(hairem(*ask))
    await asyncio.sleep(6)
    assert not asked.done()
    health = await hairem("health", "--data", core.data)
    assert (health.code, health.out.splitlines()[:2]) == (
        0,
        ["up", "everything stands still for a backup"],
    )
    assert (await hairem("backup", "post", "--data", core.data)).code == 0
    done = await asked
    assert done.code == 0
    assert done.err == _HELD
    assert (await hairem(*ask)).err == ""


async def test_stopped_while_it_is_held_it_stops_in_time(core: RunningCore) -> None:
    assert (await hairem("backup", "pre", "--data", core.data)).code == 0
    asked = _ask(core, "Remember that the spare key is under the red pot")
    redis_log = core.data / "redis"
    size = _size(redis_log)
    await until(lambda: _size(redis_log) > size)  # what was asked is on the bus
    async with asyncio.timeout(10):
        assert await core.stop() == 0
    await asked
    over = await hairem("backup", "post", "--data", core.data)
    assert over.code == 0
    assert "nothing to let go: no H-Core runs on this data folder" in over.out


async def test_killed_while_it_is_held_it_starts_as_ever(core: RunningCore) -> None:
    told = await hairem("ask", "renarde", "Remember: the red pot is old", "--data", core.data)
    assert told.code == 0
    assert (await hairem("backup", "pre", "--data", core.data)).code == 0
    core.kill()
    await core.stop()
    # The address that it left behind leads nowhere.
    for order in ("pre", "post"):
        outcome = await hairem("backup", order, "--data", core.data)
        assert outcome.code == 0, outcome.err
        assert "no H-Core answers" in outcome.out
    await core.start()
    told = await hairem("ask", "renarde", "Remember: the blue pot is new", "--data", core.data)
    assert told.code == 0
    over = await hairem("backup", "post", "--data", core.data)
    assert (over.code, over.out) == (0, "Nothing was held.\n")


async def test_where_no_h_core_runs_a_backup_does_not_fail(tmp_path: Path) -> None:
    for data in (tmp_path / "nowhere", tmp_path):
        for order in ("pre", "post"):
            outcome = await hairem("backup", order, "--data", data)
            assert outcome.code == 0
            assert "no H-Core runs on this data folder" in outcome.out


@pytest.mark.parametrize(
    ("status", "body", "code", "told"),
    [
        (503, "{}", 0, "no H-Core runs here"),
        (404, "nothing", 0, "no H-Core runs here"),
        (503, '{"error": {"code": "bus_unavailable", "message": "Redis is away"}}', 1, "is away"),
        (409, '{"error": {"code": "cannot_hold", "message": "it is dreaming"}}', 1, "dreaming"),
        (401, '{"error": {"code": "invalid_token", "message": "send a token"}}', 1, "a token"),
        (500, "oops", 1, "answered with status 500"),
        (200, '{"state": "expired"}', 1, "make the backup again"),
    ],
)
async def test_what_another_answer_means(
    tmp_path: Path, status: int, body: str, code: int, told: str
) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = body.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "address").write_text(f"127.0.0.1:{server.server_port}\n")
    (tmp_path / "command.token").write_text("hairem_x\n")
    try:
        outcome = await hairem("backup", "post", "--data", tmp_path)
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
    assert outcome.code == code
    assert told in outcome.out + outcome.err


async def test_one_that_is_starting_is_waited_for(tmp_path: Path) -> None:
    import fcntl

    data = tmp_path / "data"
    data.mkdir()
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = asyncio.create_task(hairem("backup", "pre", "--data", data))
        done, _ = await asyncio.wait([waiting], timeout=3)
        assert not done
        (data / "command.token").write_text("hairem_x\n")
        (data / "address").write_text(f"127.0.0.1:{free_port()}\n")
        assert "no H-Core answers" in (await waiting).out


async def test_one_that_says_nothing_is_an_error(tmp_path: Path) -> None:
    """Whether it holds anything is not known then: the copy may be torn."""
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def hang_up() -> None:
            silent.accept()[0].close()

        answering = asyncio.create_task(asyncio.to_thread(hang_up))
        (tmp_path / "address").write_text(f"127.0.0.1:{silent.getsockname()[1]}\n")
        (tmp_path / "command.token").write_text("hairem_x\n")
        outcome = await hairem("backup", "pre", "--data", tmp_path)
        await answering
    assert outcome.code == 1
    assert "gave no answer" in outcome.err


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*.aof"))
