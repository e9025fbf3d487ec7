"""The Supervisor's client, against a strict stand-in of its API."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from hairem_core.supervisor.client import SupervisorClient, SupervisorError
from tests.support.supervisor import SLUG, TOKEN, FakeSupervisor

STARTED = datetime(2026, 11, 21, 20, tzinfo=UTC)
MYSQL = {"host": "core-mariadb", "port": 3306, "username": "service", "password": "a/b@c:d"}


@pytest.fixture
async def supervisor() -> AsyncIterator[FakeSupervisor]:
    async with FakeSupervisor() as supervisor:
        yield supervisor


@pytest.fixture
async def client(supervisor: FakeSupervisor) -> AsyncIterator[SupervisorClient]:
    async with SupervisorClient(TOKEN, supervisor.url, timeout=2) as client:
        yield client


async def test_what_it_knows_of_the_app(client: SupervisorClient) -> None:
    info = await client.info()
    assert (info.slug, info.hostname) == (SLUG, "a1b2c3d4-hairem")
    assert info.port_outside(8127) is None
    assert info.model_copy(update={"network": {"8127/tcp": 9}}).port_outside(8127) == 9


async def test_mariadb_is_there_or_not(
    supervisor: FakeSupervisor, client: SupervisorClient
) -> None:
    assert await client.mysql() is None
    supervisor.mysql = MYSQL
    service = await client.mysql()
    assert service is not None
    assert service.password.get_secret_value() == "a/b@c:d"
    assert "a/b@c:d" not in repr(service)


async def test_a_service_that_the_app_may_not_see_is_no_missing_one(
    supervisor: FakeSupervisor, client: SupervisorClient
) -> None:
    supervisor.services = []
    with pytest.raises(SupervisorError, match="No access to mysql service") as caught:
        await client.mysql()
    assert caught.value.is_refusal


async def test_discovery_is_told_once_a_start(
    supervisor: FakeSupervisor, client: SupervisorClient
) -> None:
    first = await client.announce("a1b2c3d4-hairem", 8127, "hairem_x", STARTED)
    again = await client.announce("a1b2c3d4-hairem", 8127, "hairem_x", STARTED)
    assert first == again
    assert supervisor.messages["hairem"]["config"] == {
        "host": "a1b2c3d4-hairem",
        "port": 8127,
        "token": "hairem_x",
        "started": "2026-11-21T20:00:00+00:00",
    }
    later = STARTED + timedelta(hours=1)
    assert await client.announce("a1b2c3d4-hairem", 8127, "hairem_x", later) != first


async def test_a_service_that_the_configuration_does_not_list_is_refused(
    supervisor: FakeSupervisor, client: SupervisorClient
) -> None:
    supervisor.discovery = ["mqtt"]
    with pytest.raises(SupervisorError, match="must list services") as caught:
        await client.announce("x", 8127, "hairem_x", STARTED)
    assert caught.value.is_refusal
    assert not supervisor.messages


@pytest.mark.parametrize(
    ("mood", "complaint", "is_refusal"),
    [
        ("rubbish", "HTTP 200 and no JSON", False),
        ("broken", "HTTP 500", False),
        ("starting", "System is not ready", True),
    ],
)
async def test_answers_that_are_none(
    supervisor: FakeSupervisor,
    client: SupervisorClient,
    mood: str,
    complaint: str,
    is_refusal: bool,
) -> None:
    supervisor.mood = mood  # type: ignore[assignment]
    for ask in (client.info, client.mysql, lambda: client.announce("x", 1, "y", STARTED)):
        with pytest.raises(SupervisorError, match=complaint) as caught:
            await ask()
        assert caught.value.is_refusal is is_refusal


async def test_answers_that_lack_something(
    supervisor: FakeSupervisor, client: SupervisorClient
) -> None:
    supervisor.mysql = {"host": "core-mariadb", "port": 0, "password": "hush-hush"}
    with pytest.raises(SupervisorError, match="port, username") as caught:
        await client.mysql()
    assert "hush" not in repr(caught.value)
    assert caught.value.__cause__ is None


async def test_silence_has_an_end(supervisor: FakeSupervisor) -> None:
    supervisor.mood = "slow"
    async with SupervisorClient(TOKEN, supervisor.url, timeout=0.1) as client:
        with pytest.raises(SupervisorError, match=r"no answer to /services/mysql within 0\.1 s"):
            await client.mysql()


async def test_nobody_there(supervisor: FakeSupervisor, client: SupervisorClient) -> None:
    await supervisor.stop()
    with pytest.raises(SupervisorError, match="cannot be reached"):
        await client.info()


async def test_a_wrong_token_is_named_by_no_error(supervisor: FakeSupervisor) -> None:
    async with SupervisorClient("wrong-token-0123456789", supervisor.url) as client:
        with pytest.raises(SupervisorError, match="HTTP 403") as caught:
            await client.info()
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
    assert "wrong-token" not in shown


async def test_neither_a_proxy_nor_another_address_sees_the_token(
    supervisor: FakeSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    async def overhear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.read(4096)).decode(errors="replace"))
        target = f"http://127.0.0.1:{port}/elsewhere"
        head = f"HTTP/1.1 307 Away\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(overhear, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        async with SupervisorClient(TOKEN, supervisor.url) as client:
            await client.info()
        assert not heard, "the proxy was asked"
        async with SupervisorClient(TOKEN, f"http://127.0.0.1:{port}") as client:
            with pytest.raises(SupervisorError, match="HTTP 307"):
                await client.info()
        assert len(heard) == 1, "a redirection was followed"
