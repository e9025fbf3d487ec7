"""The page that Home Assistant shows: for the Supervisor alone, and with nothing unescaped."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from hairem_core.api.ingress import Ingress, create_misconfigured_app, ingress_router
from hairem_core.api.ingress_words import WORDS
from hairem_core.api.server import WebServer, listen
from hairem_core.config.yaml_file import Problem
from hairem_core.core import Core
from hairem_core.hotplug.registry import AgentRecord, AgentRegistry, AgentState
from hairem_core.supervisor.app import AppStatus
from hairem_core.supervisor.options import OptionProblem

TRUSTED = "127.0.0.9"
STRANGER = "127.0.0.10"
NASTY = "<script>alert('x')</script>\"&"
INGRESS = {"X-Ingress-Path": "/api/hassio_ingress/abc"}
HEALTH = {
    "status": "up",
    "uptime_seconds": 90_000.0,
    "parts": {
        "redis": {"status": "up"},
        "memory": {"status": "up", "archive_error": NASTY},
        "llm": {"status": "degraded", "error": NASTY},
        "agents": {"status": "up", "states": {}},
    },
}


class _Page:
    def __init__(self, port: int) -> None:
        self.port = port

    async def get(
        self,
        headers: dict[str, str] = INGRESS,
        *,
        source: str = TRUSTED,
        path: str = "/",
        method: str = "GET",
    ) -> httpx.Response:
        transport = httpx.AsyncHTTPTransport(local_address=source)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            return await client.request(
                method, f"http://127.0.0.1:{self.port}{path}", headers=headers
            )


@asynccontextmanager
async def _served(app: FastAPI, host: str = "127.0.0.1") -> AsyncIterator[_Page]:
    listener = listen(host, 0)
    server = await WebServer.start(app, listener)
    try:
        yield _Page(listener.getsockname()[1])
    finally:
        await server.stop()


def _ingress(**fields: Any) -> Ingress:
    return Ingress(trusted=ip_address(TRUSTED), status=AppStatus(**fields))


def _running(ingress: Ingress, *agents: AgentRecord) -> FastAPI:
    registry = AgentRegistry()
    for each in agents:
        registry.put(each)

    async def health() -> dict[str, Any]:
        return HEALTH

    app = FastAPI(openapi_url=None)
    app.include_router(ingress_router(ingress, registry, health, port=8127))
    return app


def _agent(agent_id: str, **fields: Any) -> AgentRecord:
    return AgentRecord(id=agent_id, uuid=uuid4(), **{"name": agent_id, **fields})


def _misconfigured(*problems: Problem) -> FastAPI:
    return create_misconfigured_app(_ingress(), problems)


@pytest.mark.parametrize("app", [_running(_ingress()), _misconfigured()])
async def test_strangers_see_what_they_see_of_any_address(app: FastAPI) -> None:
    async with _served(app) as page:
        assert (await page.get()).status_code == 200
        nothing = await page.get({}, path="/nothing")
        forged = {
            **INGRESS,
            "X-Forwarded-For": TRUSTED,
            "X-Real-IP": TRUSTED,
            "Forwarded": f"for={TRUSTED}",
            "X-Remote-User-Id": "1",
        }
        for headers in ({}, INGRESS, forged, {"X-Forwarded-For": TRUSTED}):
            # The server's own address is whom proxies' headers are usually believed.
            for source in (STRANGER, "127.0.0.1"):
                answer = await page.get(headers, source=source)
                assert (answer.status_code, answer.text) == (404, nothing.text)
        bare = await page.get({})
        assert (bare.status_code, bare.text) == (404, nothing.text), "the header was not asked for"


async def test_ipv4_on_a_server_of_both_kinds() -> None:
    async with _served(_running(_ingress()), "::") as page:
        assert (await page.get()).status_code == 200
        assert (await page.get(source=STRANGER)).status_code == 404


async def test_nothing_is_fetched_run_or_kept() -> None:
    for app in (_running(_ingress()), _misconfigured()):
        async with _served(app) as page:
            answer = await page.get()
        policy = dict(
            each.strip().split(" ", 1)
            for each in answer.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["style-src"].startswith("'sha256-"), policy
        assert policy["frame-ancestors"] == "'self'"
        assert policy["base-uri"] == policy["form-action"] == "'none'"
        assert answer.headers["cache-control"] == "no-store"
        for external in ("http:", "https:", "//", "<script", "<img", "<link", "url(", " style="):
            assert external not in answer.text, external


async def test_everything_is_escaped() -> None:
    status = AppStatus(hostname=NASTY, notices={"supervisor_away": NASTY})
    agent = _agent(
        "x", name=NASTY, version=NASTY, reason=NASTY, progress=NASTY, state=AgentState.REJECTED
    )
    app = _running(Ingress(trusted=ip_address(TRUSTED), status=status), agent)
    async with _served(app) as page:
        text = (await page.get()).text
    assert text.count("&lt;script&gt;") == 7, text
    assert "<script" not in text
    problem = Problem(line=3, key=NASTY, what=NASTY, hint=NASTY)
    async with _served(_misconfigured(problem)) as page:
        text = (await page.get()).text
    assert text.count("&lt;script&gt;") == 3
    assert "<script" not in text
    assert "line 3" in text


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr"),
        ("en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("de, fr;q=0.5, en;q=0.4", "fr"),
        ("de", "en"),
        ("fr;q=0, en;q=0.1", "en"),
        ("fr;q=nonsense, *", "en"),
        (";;,,q=", "en"),
    ],
)
async def test_the_browsers_language(accept: str, language: str) -> None:
    async with _served(_running(_ingress())) as page:
        answer = await page.get({**INGRESS, "Accept-Language": accept})
    assert answer.headers["content-language"] == language
    assert f'<html lang="{language}">' in answer.text


async def test_the_options_language_where_the_browser_has_none() -> None:
    ingress = Ingress(trusted=ip_address(TRUSTED), language="fr", status=AppStatus())
    async with _served(_running(ingress)) as page:
        assert (await page.get()).headers["content-language"] == "fr"


def test_both_languages_say_the_same_things() -> None:
    assert WORDS["en"].keys() == WORDS["fr"].keys()
    for key, text in WORDS["en"].items():
        assert text.count("{}") == WORDS["fr"][key].count("{}"), key
    for state in AgentState:
        assert f"state_{state.value}" in WORDS["en"]


async def test_what_runs_and_how_to_connect() -> None:
    status = {"hostname": "a1b2c3d4-hairem", "is_announced": True}
    agents = (
        _agent("renarde", state=AgentState.LIVE),
        _agent("broken", state=AgentState.CRASHED, reason="it fell"),
        _agent("off", enabled=False, state=AgentState.STOPPED),
    )
    async with _served(_running(_ingress(**status), *agents)) as page:
        text = (await page.get()).text
    for shown in ("renarde 0.0.0", "ready", "crashed", "it fell", "disabled", "1 d"):
        assert shown in text, shown
    assert "a1b2c3d4-hairem:8127" in text
    assert WORDS["en"]["closed"].partition("'")[0] in text
    async with _served(_running(_ingress(**status, port_outside=9127), *agents)) as page:
        assert "to its port 9127" in (await page.get()).text
    async with _served(_running(_ingress())) as page:
        text = (await page.get()).text
    assert "has not been told of it yet" in text


async def test_wrong_options_in_the_readers_language() -> None:
    problem = OptionProblem(
        line=None,
        key="chat_api_base",
        what="is no address",
        hint="Write it.",
        what_fr="n'est pas une adresse",
        hint_fr="Écrivez-la.",
    )
    async with _served(_misconfigured(problem)) as page:
        english = (await page.get()).text
        french = (await page.get({**INGRESS, "Accept-Language": "fr"})).text
        health = await page.get({}, path="/api/health", source=STRANGER)
        assert (await page.get({}, path="/api/agents", source=STRANGER)).status_code == 404
    assert "<code>chat_api_base</code> is no address" in english
    assert "n&#x27;est pas une adresse" in french
    assert "Écrivez-la." in french
    assert (health.status_code, health.json()) == (503, {"status": "misconfigured"})


async def test_an_h_core_that_is_no_app_has_no_page(core: Core) -> None:
    port = int(core.address.rpartition(":")[2])
    for headers in ({}, INGRESS):
        assert (await _Page(port).get(headers, source="127.0.0.1")).status_code == 404
