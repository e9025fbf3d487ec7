"""`/api/memory` on a real H-Core: for its owner everything, for a stranger nothing."""

import asyncio
import json
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from hairem_core.api import memory as memory_api
from hairem_core.core import Core
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.scope import Scope
from tests.memory.messages import said
from tests.support.core import Client, running_core
from tests.support.memory_house import KEY, LAST_MONTH, large_export, seed, tamper

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVERYBODY = Scope(agent=None)


class House:
    """A running H-Core that remembers a few things, and its owner's way to it."""

    def __init__(self, core: Core, ids: dict[str, str], http: httpx.AsyncClient) -> None:
        self.core = core
        self.ids = ids
        self.http = http

    async def get(self, path: str, status: int = 200, **params: Any) -> Any:
        response = await self.http.get(f"/api/memory{path}", params=params or None)
        assert response.status_code == status, response.text
        return response.json()

    async def post(self, path: str, status: int = 200, **body: Any) -> Any:
        response = await self.http.post(f"/api/memory{path}", json=body)
        assert response.status_code == status, response.text
        return response.json()

    async def found(self, q: str, **params: Any) -> list[str]:
        """Return the contents of what a search finds."""
        return [each["content"] for each in (await self.get("/search", q=q, **params))["results"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    (folder / "agents").mkdir()
    async with running_core(folder, agents=folder / "agents") as core:
        ids = await seed(core.memory)
        headers = {"Authorization": f"Bearer {core.new_token}"}
        async with httpx.AsyncClient(
            base_url=f"http://{core.address}", headers=headers, timeout=60
        ) as http:
            yield House(core, ids, http)


_NOBODYS = "8d6b2f0e-43a5-4c57-9a6e-0a0f5d0c7b11"
ROUTES = [
    ("GET", "/stats"),
    ("GET", "/search?q=key"),
    ("GET", "/search"),
    ("GET", f"/fragments/{_NOBODYS}"),
    ("GET", "/fragments/x"),
    ("GET", f"/fragments/{_NOBODYS}/history"),
    ("GET", "/graph"),
    ("GET", "/dream"),
    ("GET", "/export"),
    ("POST", "/verify"),
    ("POST", "/forget"),
    ("POST", "/dream"),
    ("POST", "/import"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic x"])
async def test_a_stranger_gets_nothing(
    house: House, method: str, path: str, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    body = b'{"subject": "Anna", "dry_run": false' if method == "POST" else None
    async with httpx.AsyncClient(base_url=f"http://{house.core.address}") as http:
        response = await http.request(method, f"/api/memory{path}", headers=headers, content=body)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_token"
    assert list(response.json()) == ["error"]


async def test_every_route_is_among_those_that_refuse_strangers() -> None:
    router = memory_api.memory_router(_nobody(), _nobody(), lambda _: False)
    asked = {path.partition("?")[0].split("/")[1] for _, path in ROUTES}
    served = {
        str(getattr(route, "path", "")).removeprefix("/api/memory/").split("/")[0]
        for route in router.routes
    }
    assert served == asked


async def test_the_owner_finds_what_every_agent_holds(house: House) -> None:
    results = (await house.get("/search", q="where is the spare key?"))["results"]
    first = results[0]
    assert first["content"] == KEY
    assert (first["agent"], first["kind"], first["speaker"]) == ("renarde", "episode", "user:anna")
    assert datetime.fromisoformat(first["at"]) == LAST_MONTH
    assert first["at"].endswith("T14:00:00.000Z")
    assert (first["archived"], first["valid_to"], first["visibility"]) == (False, None, "private")
    assert first["score"] > 0
    assert set(first["why"]) == {"words", "meaning", "strength", "is_answer"}
    assert 0 <= first["strength"] <= 1
    assert "The boiler is from 1998." in await house.found("boiler")


async def test_filters(house: House) -> None:
    assert KEY not in await house.found("spare key", agent="electra")
    assert KEY in await house.found("spare key", agent="renarde")
    assert await house.found("Anna drinks", kind="note") == ["Anna drinks coffee."]
    assert await house.found("boiler", kind=["note", "fact"]) == ["The boiler is from 1998."]
    assert await house.found("drinks", about="Anna") == ["Anna drinks coffee."]
    assert await house.found("drinks", about="name:nobody") == []
    assert len(await house.found("the boiler key coffee", limit=1)) == 1
    assert KEY in await house.found(
        "key", since=LAST_MONTH.isoformat(), until=LAST_MONTH.isoformat()
    )
    later = (LAST_MONTH + timedelta(seconds=1)).isoformat()
    assert KEY not in await house.found("key", since=later)
    assert await house.found("boiler", until=(LAST_MONTH - timedelta(seconds=1)).isoformat()) == []


async def test_what_was_held_then(house: House) -> None:
    tea = await house.get(f"/fragments/{house.ids['tea']}")
    assert "Anna drinks tea." not in await house.found("Anna drinks")
    assert "Anna drinks tea." in await house.found("Anna drinks", as_of=tea["valid_from"])


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"q": ""},
        {"q": "x" * 5000},
        {"q": "x", "limit": 0},
        {"q": "x", "limit": 101},
        {"q": "x", "limit": "many"},
        {"q": "x", "kind": "rumour"},
        {"q": "x", "since": "2026-05-01T10:00:00"},
        {"q": "x", "since": "someday"},
        {"q": "x", "since": "1000000000"},
        {"q": "x", "as_of": "1000000000"},
        {"q": "x", "since": "2026-05-02T00:00:00Z", "until": "2026-05-01T00:00:00Z"},
        {"q": "x", "colour": "green"},
        {"q": "x", "archived": "perhaps"},
    ],
)
async def test_a_question_that_makes_no_sense(house: House, params: dict[str, Any]) -> None:
    error = (await house.get("/search", 400, **params))["error"]
    assert error["code"] == "invalid_format"
    assert error["message"]
    assert "x" * 100 not in error["message"], "what was sent is not sent back"


async def test_nobody_of_that_name(house: House) -> None:
    for path in ("/search?q=x&agent=nobody", "/graph?agent=nobody", "/export?agent=nobody"):
        error = (await house.get(path, 404))["error"]
        assert error["code"] == "unknown_agent"
    known = set((await house.get("/stats"))["agents"])
    assert "nobody" not in known, "asking after an agent does not make one"


async def test_a_fragment_and_its_history(house: House) -> None:
    coffee = await house.get(f"/fragments/{house.ids['coffee']}")
    assert (coffee["content"], coffee["replaces_id"]) == ("Anna drinks coffee.", house.ids["tea"])
    for each in ("tea", "coffee"):
        chain = (await house.get(f"/fragments/{house.ids[each]}/history"))["fragments"]
        assert [link["content"] for link in chain] == ["Anna drinks tea.", "Anna drinks coffee."]
        assert [link["valid_to"] is None for link in chain] == [False, True]
    for path in (f"/fragments/{uuid4()}", f"/fragments/{uuid4()}/history"):
        assert (await house.get(path, 404))["error"]["code"] == "unknown_fragment"
    assert (await house.get("/fragments/x", 400))["error"]["code"] == "invalid_format"


async def test_the_graph(house: House) -> None:
    whole = await house.get("/graph")
    assert whole["entities"][0]["key"] == "name:anna"
    keys = {each["key"] for each in whole["entities"]}
    assert {"name:anna", "name:lyon", "thing:boiler"} <= keys
    part = await house.get("/graph", agent="renarde", about="Lyon")
    assert {each["key"] for each in part["entities"]} == {"name:anna", "name:lyon"}
    (relation,) = part["relations"]
    assert (relation["source"], relation["kind"], relation["target"]) == (
        "name:anna",
        "lives_in",
        "name:lyon",
    )
    assert await house.get("/graph", about="Nobody") == {"entities": [], "relations": []}
    assert (await house.get("/graph", 400, limit=0))["error"]["code"] == "invalid_format"


async def test_the_figures(house: House) -> None:
    found = await house.get("/stats")
    assert found["agents"]["renarde"]["note"] == 2
    assert found["agents"]["electra"]["shared"] == 1
    total = sum(each["fragments"] for each in found["agents"].values())
    assert total == found["memory"]["fragments"]
    assert found["archive"]["status"] == "up"


async def test_what_is_archived_is_found_when_asked_for_and_always_shown(house: House) -> None:
    store, service = house.core.memory, house.core._remembering
    await store.record(said("Grandmother's recipe takes seven eggs.", at=LAST_MONTH))
    (hit,) = (await house.get("/search", q="recipe eggs", limit=1))["results"]
    fragments = await store.fragments.fetch([UUID(hit["id"])], EVERYBODY)
    assert await service.mover.archive(list(fragments.values())) == 1
    assert "Grandmother's recipe takes seven eggs." not in await house.found("recipe eggs")
    found = (await house.get("/search", q="recipe eggs", archived=True))["results"]
    assert {each["id"] for each in found if each["archived"]} == {hit["id"]}
    # It still holds: whoever asks what held at a time asks the archive too.
    held = (await house.get("/search", q="recipe eggs", as_of=hit["at"]))["results"]
    assert {each["id"] for each in held if each["archived"]} == {hit["id"]}
    assert (await house.get(f"/fragments/{hit['id']}"))["archived"] is True
    (alone,) = (await house.get(f"/fragments/{hit['id']}/history"))["fragments"]
    assert alone["id"] == hit["id"]


async def test_two_dreams_at_once_are_one(house: House) -> None:
    started = await asyncio.gather(*(house.http.post("/api/memory/dream") for _ in range(2)))
    assert [each.status_code for each in started] == [202, 202]
    while (found := await house.get("/dream"))["status"]["state"] == "dreaming":
        await asyncio.sleep(0.02)
    assert found["error"] is None
    assert found["digest"]["reason"] == "asked"
    assert found["text"].splitlines()
    rows = await house.core.memory.database.query("SELECT VALUE id FROM dream")
    assert len(rows) == 1


async def test_a_dream_is_followed_over_the_bridge(house: House) -> None:
    assert house.core.new_token is not None
    async with Client.connect(house.core.address, house.core.new_token) as client:
        assert (await client.receive())["type"] == "auth_ok"
        command = await client.send("memory/dream")
        result = await client.receive_for(command)
        assert result["success"]
        events = [(await client.receive_for(command))["event"]]
        while events[-1]["kind"] == "dream_progress":
            events.append((await client.receive_for(command))["event"])
    assert events[-1]["kind"] == "dream_done"
    assert events[-1]["text"]
    told = [each["fraction"] for each in events[:-1]]
    assert told == sorted(told)
    assert {each["dream_id"] for each in events[:-1]} == {events[-1]["digest"]["dream_id"]}
    latest = await house.get("/dream")
    assert latest["digest"]["dream_id"] == events[-1]["digest"]["dream_id"]


async def test_forgetting_is_first_told_and_then_done(house: House) -> None:
    await house.core.memory.record(said("Zebulon owes me twelve ducats.", at=LAST_MONTH))
    told = await house.post("/forget", subject="Zebulon")
    assert told["plan"]["counts"]["events"] == 1
    assert told["receipt"] is None
    assert await house.found("Zebulon ducats", limit=1) == ["Zebulon owes me twelve ducats."]
    done = await house.post("/forget", subject="Zebulon", dry_run=False)
    assert done["plan"] is None
    assert done["receipt"]["counts"]["events"] == 1
    assert done["text"]
    assert "Zebulon owes me twelve ducats." not in await house.found("Zebulon ducats")
    assert (await house.post("/verify"))["whole"], "what was erased on purpose breaks no chain"


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"dry_run": False},
        {"subject": "!!", "dry_run": False},
        {"fragment": "x", "dry_run": False},
        {"since": "2026-05-02T00:00:00Z", "until": "2026-05-01T00:00:00Z", "dry_run": False},
        {"subjekt": "Anna", "dry_run": False},
        *({"subject": "Anna", "dry_run": each} for each in ("perhaps", "no", "false", 0, None)),
        *({"until": each, "dry_run": False} for each in (1e10, 10_000_000_000, "10000000000")),
        {"until": "9000-01-01", "dry_run": False},
        {"until": "9000-01-01T00:00:00", "dry_run": False},
        {"until": "9000-01-01T00:00Z", "dry_run": False},
    ],
)
async def test_an_order_that_makes_no_sense_erases_nothing(
    house: House, order: dict[str, Any]
) -> None:
    error = (await house.post("/forget", 400, **order))["error"]
    assert error["code"] == "invalid_format"
    assert "Anna drinks coffee." in await house.found("Anna drinks")


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain"])
async def test_an_order_is_json_whatever_it_is_called(house: House, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    for body, status in ((b'{"subject": "flowerpot"}', 200), (b"subject=flowerpot", 400)):
        done = await house.http.post("/api/memory/forget", content=body, headers=headers)
        assert done.status_code == status, done.text
        if status == 200:
            assert done.json()["plan"]["counts"]["events"] == 2
        else:
            assert done.json()["error"]["message"].startswith("Invalid JSON")


async def test_an_agent_that_is_unknown_is_not_forgotten(house: House) -> None:
    for dry_run in (True, False):
        error = (await house.post("/forget", 404, agent="nobody", dry_run=dry_run))["error"]
        assert error["code"] == "unknown_agent"


async def _in_bytes(slowly: bytes, rest: bytes) -> AsyncIterator[bytes]:
    for number in slowly:
        yield bytes([number])
    yield rest


async def test_what_is_exported_can_be_imported(house: House, tmp_path: Path) -> None:
    exported = (await house.http.get("/api/memory/export")).content
    lines = [json.loads(each) for each in exported.splitlines()]
    assert (lines[0]["line"], lines[-1]["line"]) == ("header", "end")
    assert KEY in {each.get("content") for each in lines if each["line"] == "event"}
    alone = (await house.http.get("/api/memory/export", params={"agent": "electra"})).content
    assert KEY not in alone.decode()
    for content in (
        exported,
        BOM_UTF8 + exported,
        _in_bytes(BOM_UTF8 + exported[:9], exported[9:]),
    ):
        again = (await house.http.post("/api/memory/import", content=content)).json()
        assert (again["added"], again["whole"], again["problems"]) == (0, True, [])
    (tmp_path / "agents").mkdir()
    async with running_core(tmp_path, agents=tmp_path / "agents") as other:
        headers = {"Authorization": f"Bearer {other.new_token}"}
        async with httpx.AsyncClient(
            base_url=f"http://{other.address}", headers=headers, timeout=60
        ) as http:
            report = (await http.post("/api/memory/import", content=exported)).json()
            assert (report["whole"], report["chain"]) == (True, "kept"), report
            there = House(other, {}, http)
            assert (await there.found("where is the spare key?"))[0] == KEY
            assert (await there.post("/verify"))["whole"]


async def test_who_sends_rubbish_hears_so_however_much_it_is(house: House) -> None:
    async def rubbish() -> AsyncGenerator[bytes]:
        for _ in range(200):
            yield b"rubbish " * 8192 + b"\n"

    response = await house.http.post("/api/memory/import", content=rubbish())
    assert response.status_code == 400
    assert "no export" in response.json()["error"]["message"]


async def test_nothing_is_taken_in_while_somebody_is_forgotten(house: House) -> None:
    exported = (await house.http.get("/api/memory/export")).content
    over = asyncio.Event()
    forgetting = asyncio.create_task(house.core._remembering.mover.exclusively(over.wait))

    importing = asyncio.create_task(house.http.post("/api/memory/import", content=exported))

    await asyncio.wait([importing], timeout=1)
    assert not importing.done()
    over.set()
    assert (await importing).json()["whole"]
    assert await forgetting


async def test_one_import_at_a_time(house: House) -> None:
    goes_on = asyncio.Event()

    async def slowly() -> AsyncGenerator[bytes]:
        async for piece in large_export(1):
            yield piece
            if not goes_on.is_set():
                await under_way()
                await goes_on.wait()

    async def under_way() -> None:
        second = await house.http.post("/api/memory/import", content=b"x\n")
        if second.status_code == 409:
            assert second.json()["error"]["code"] == "import_under_way"
            goes_on.set()
        else:
            # The first one's request may not have arrived yet.
            assert second.status_code == 400
            await asyncio.sleep(0.01)
            await under_way()

    first = await house.http.post("/api/memory/import", content=slowly())
    assert first.status_code == 200, first.text
    assert first.json()["whole"]


async def test_an_upload_that_breaks_off_is_no_fault_of_ours(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks_off() -> AsyncGenerator[bytes]:
        async for piece in large_export(1):
            yield piece
            raise RuntimeError("the client died")

    while "left in the middle" not in caplog.text and "ERROR" not in caplog.text:
        caplog.set_level("INFO")
        with pytest.raises(RuntimeError, match="the client died"):
            await house.http.post("/api/memory/import", content=breaks_off())
        await asyncio.sleep(0.05)
    assert not [each for each in caplog.records if each.levelname == "ERROR"]
    assert (await house.http.post("/api/memory/import", content=b"x\n")).status_code == 400


async def test_an_export_that_fails_on_the_way_does_not_look_whole(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: Any, **__: Any) -> AsyncGenerator[bytes]:
        yield b'{"line": "header"}\n'
        raise MemoryUnavailable("the disk is on fire", where="/data")

    monkeypatch.setattr(memory_api, "export", failing)
    received = b""

    async def receive() -> None:
        nonlocal received
        async with house.http.stream("GET", "/api/memory/export") as response:
            async for piece in response.aiter_raw():
                received += piece

    with pytest.raises(httpx.RemoteProtocolError):
        await receive()
    assert json.loads(received.splitlines()[-1])["error"]["code"] == "memory_unavailable"


async def test_an_export_that_fails_at_once_is_an_error(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: Any, **__: Any) -> AsyncGenerator[bytes]:
        raise MemoryUnavailable("the disk is on fire", where="/data")
        yield b""

    monkeypatch.setattr(memory_api, "export", failing)
    error = (await house.get("/export", 503))["error"]
    assert (error["code"], "on fire" in error["message"]) == ("memory_unavailable", True)


async def test_a_slow_reader_is_not_run_ahead_of(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    piece = b"x" * 65_536

    async def endless(*_given: Any, **__: Any) -> AsyncGenerator[bytes]:
        nonlocal made
        for _ in range(4_096):
            made += 1
            yield piece
            await asyncio.sleep(0)

    monkeypatch.setattr(memory_api, "export", endless)
    async with house.http.stream("GET", "/api/memory/export") as response:
        pieces = response.aiter_raw()
        await anext(pieces)
        before = -1
        while made != before:
            before = made
            await asyncio.sleep(0.2)
        assert made < 1_024, "a quarter of it was made for nobody"
        received = [len(each) async for each in pieces]
    assert made == 4_096
    assert sum(received) > 3_000 * len(piece)


async def test_what_was_altered_is_told(house: House) -> None:
    """The last one: what it does cannot be undone."""
    whole = await house.post("/verify")
    assert whole["whole"]
    assert whole["checked"] == house.core.memory.writer.head.number
    await tamper(house.core.memory, 2)
    broken = await house.post("/verify")
    assert (broken["whole"], broken["number"]) == (False, 2)
    assert "altered" in broken["what"]


def _nobody() -> Any:
    class Nobody:
        language = "en"
        store = None

    return Nobody()
