import aiohttp
import pytest

from hairem_core.core import Core


async def test_a_stranger_learns_only_that_it_is_up(core: Core) -> None:
    async with aiohttp.ClientSession(f"http://{core.address}") as session:
        async with session.get("/api/health") as response:
            assert response.status == 200
            assert await response.json() == {"status": "up"}
        for path in ("/api/agents", "/docs", "/redoc", "/openapi.json", "/"):
            async with session.get(path) as response:
                assert response.status in (401, 404), path


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "unknown_route"),
        ("GET", "/api/memory/nothing", 404, "unknown_route"),
        ("GET", "/api/memory/forget", 405, "method_not_allowed"),
        ("DELETE", "/api/health", 405, "method_not_allowed"),
        ("GET", "/api/backup/hold", 405, "method_not_allowed"),
    ],
)
async def test_no_such_route(core: Core, method: str, path: str, status: int, code: str) -> None:
    async with (
        aiohttp.ClientSession(f"http://{core.address}") as session,
        session.request(method, path) as response,
    ):
        assert response.status == status
        assert list(await response.json()) == ["error"]
        assert (await response.json())["error"]["code"] == code
        assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("header", ["Bearer wrong", "Basic {token}", "Bearer", "{token}"])
async def test_a_wrong_token_is_refused(core: Core, header: str) -> None:
    headers = {"Authorization": header.format(token=core.new_token)}
    async with (
        aiohttp.ClientSession(f"http://{core.address}", headers=headers) as session,
        session.get("/api/agents") as response,
    ):
        assert response.status == 401
        assert (await response.json())["error"]["code"] == "invalid_token"


async def test_a_client_sees_the_agents_and_every_part(core: Core) -> None:
    headers = {"Authorization": f"Bearer {core.new_token}"}
    async with aiohttp.ClientSession(f"http://{core.address}", headers=headers) as session:
        async with session.get("/api/agents") as response:
            agents = (await response.json())["agents"]
        assert [(agent["id"], agent["state"]) for agent in agents] == [
            ("alfred", "live"),
            ("electra", "live"),
            ("renarde", "live"),
        ]
        async with session.get("/api/health") as response:
            health = await response.json()
        assert set(health["parts"]) == {"redis", "memory", "llm", "agents"}
        assert health["parts"]["memory"]["recall"] == "lexical"
