import asyncio
import os
import signal
from pathlib import Path

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
