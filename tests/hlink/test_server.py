import asyncio
import os
import shutil
import signal
from pathlib import Path
from shutil import ignore_patterns

import pytest

from hairem_core.hlink.connection import check_server, create_client
from hairem_core.hlink.errors import BusUnavailable, RedisServerError, RedisTooOld
from hairem_core.hlink.server import PrivateRedis
from tests.support.bus import until
from tests.support.old_redis import OldRedis


async def test_it_serves_on_a_unix_socket_and_keeps_what_it_was_given(tmp_path: Path) -> None:
    for expected in (None, b"kept"):
        server = PrivateRedis(tmp_path / "redis")
        await server.start()
        client = create_client(server.url)
        assert (await check_server(client)) >= "7"
        assert await client.get("key") == expected
        await client.set("key", "kept")
        await client.aclose()
        await server.stop()


async def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    server = PrivateRedis(tmp_path / ("x" * 120) / "redis")
    await server.start()
    client = create_client(server.url)
    assert await client.ping()
    await client.aclose()
    await server.stop()


async def test_a_killed_server_is_started_again(tmp_path: Path) -> None:
    server = PrivateRedis(tmp_path / "redis")
    await server.start()
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await until(lambda: server.pid != killed)
    client = create_client(server.url)
    assert await client.ping()
    await client.aclose()
    await server.stop()


async def test_the_server_of_a_killed_h_core_is_ended_first(tmp_path: Path) -> None:
    left_over = PrivateRedis(tmp_path / "redis")
    await left_over.start()
    assert left_over._watcher is not None
    left_over._watcher.cancel()
    process = left_over._process
    assert process is not None
    server = PrivateRedis(tmp_path / "redis")
    await server.start()
    assert await asyncio.wait_for(process.wait(), 5) == 0
    await server.stop()


async def test_without_a_binary_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RedisServerError, match="apt install redis-server"):
        await PrivateRedis(tmp_path / "redis").start()


async def test_a_folder_it_cannot_use_is_named(tmp_path: Path) -> None:
    (tmp_path / "redis" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "redis" / "appendonlydir" / "appendonly.aof.manifest").write_text("rubbish\n")
    with pytest.raises(RedisServerError, match=str(tmp_path)):
        await PrivateRedis(tmp_path / "redis").start()


@pytest.mark.parametrize(("version", "shown"), [("6.2.14", "6.2.14"), ("5.0.7", "before 6")])
async def test_a_redis_older_than_7_is_refused(version: str, shown: str) -> None:
    async with OldRedis(version=version) as old:
        client = create_client(old.url)
        with pytest.raises(RedisTooOld, match=rf"Redis {shown} is too old.*7\.0 or later"):
            await check_server(client)
        await client.aclose()


async def test_no_server_is_told_apart_and_the_password_stays_secret() -> None:
    client = create_client("redis://:secret@127.0.0.1:1", retries=0)
    with pytest.raises(BusUnavailable, match="cannot be reached") as caught:
        await check_server(client)
    assert "secret" not in str(caught.value)
    await client.aclose()


async def test_while_it_stands_still_its_files_only_grow(tmp_path: Path) -> None:
    server = PrivateRedis(tmp_path / "redis")
    await server.start()
    client = create_client(server.url)
    folder = tmp_path / "redis" / "appendonlydir"

    def names() -> set[str]:
        return {each.name for each in folder.iterdir()}

    async def write(count: int) -> None:
        for number in range(count):
            await client.set("key", f"{number} " * 2_000)

    # From a kilobyte on, each time it has doubled, the server would write its file anew.
    await client.config_set("auto-aof-rewrite-min-size", "1kb")
    before = names()
    async with server.standstill():
        await write(40)
        told = await client.info("persistence")
        assert not told["aof_rewrite_in_progress"]
        assert not told["aof_rewrite_scheduled"]
        assert told["aof_pending_bio_fsync"] == 0
        assert names() == before
        # What was acknowledged is in a copy, torn or not.
        await client.set("last", "kept")
        shutil.copytree(tmp_path / "redis", tmp_path / "copy", ignore=ignore_patterns("*.sock"))
        # One that dies meanwhile comes back as it was told to be.
        killed = server.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await until(lambda: server.pid not in (killed, None))
        other = create_client(server.url)
        assert await other.config_get("appendfsync") == {"appendfsync": "always"}
        assert await other.get("last") == b"kept"
        await other.config_set("auto-aof-rewrite-min-size", "1kb")
    assert await other.config_get("appendfsync") == {"appendfsync": "everysec"}
    await write(40)
    await until(lambda: names() != before)
    await client.aclose()
    await other.aclose()
    await server.stop()

    (incremental,) = (tmp_path / "copy" / "appendonlydir").glob("*.incr.aof")
    with incremental.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nla")  # copied while more was added
    (tmp_path / "copy" / "address").unlink()
    copy = PrivateRedis(tmp_path / "copy")
    await copy.start()
    client = create_client(copy.url)
    assert await client.get("last") == b"kept"
    await client.aclose()
    await copy.stop()


async def test_standing_still_waits_for_a_rewrite_under_way(tmp_path: Path) -> None:
    server = PrivateRedis(tmp_path / "redis")
    await server.start()
    client = create_client(server.url)
    await client.config_set("rdb-key-save-delay", "20000")  # microseconds for each key
    for number in range(20):
        await client.set(f"key {number}", "value")
    await client.bgrewriteaof()
    async with server.standstill():
        assert not (await client.info("persistence"))["aof_rewrite_in_progress"]
        manifest = (tmp_path / "redis" / "appendonlydir" / "appendonly.aof.manifest").read_text()
        assert ".2.base." in manifest
    await client.aclose()
    await server.stop()


async def test_without_a_server_nothing_stands_still(tmp_path: Path) -> None:
    server = PrivateRedis(tmp_path / "redis")
    await server.start()
    await server.stop()
    with pytest.raises(BusUnavailable):
        async with server.standstill():
            raise AssertionError("it is entered")
