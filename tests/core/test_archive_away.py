"""What the command says while the archive is away: on a running house, and on a stopped one."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.command import Outcome, RunningCore, hairem
from tests.support.memory_house import KEY, seeded

pytestmark = pytest.mark.asyncio(loop_scope="module")
_AWAY = "mysql://127.0.0.1:1/db: "


class House:
    """A house whose archive's server is not there."""

    def __init__(self, folder: Path, *, is_running: bool) -> None:
        self.data, self.config = folder / "data", folder / "system.yaml"
        self.is_running = is_running
        url = "mysql+aiomysql://u:secret@127.0.0.1:1/db"
        self.config.write_text(f"memory:\n  archive_url: {url}\n")

    async def run(self, *arguments: str | Path) -> Outcome:
        return await hairem(*arguments, "--data", self.data, "--config", self.config)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["running", "stopped"])
async def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    house = House(tmp_path_factory.mktemp("away"), is_running=request.param == "running")
    await seeded(house.data)
    if not house.is_running:
        yield house
        return
    async with RunningCore(house.data, house.config):
        yield house


async def test_a_search_of_it_says_that_it_is_left_out(house: House) -> None:
    done = await house.run("memory", "search", "spare key", "--archived")
    assert KEY in done.out
    assert done.code == 1
    assert _told(done.err).startswith(f"hairem: the archive was not searched: {_AWAY}")
    done = await house.run("memory", "search", "spare key", "--archived", "--json")
    assert (done.code, json.loads(done.out)[0]["content"]) == (1, KEY)
    done = await house.run("memory", "search", "spare key")
    assert (done.code, done.err) == (0, "")


async def test_an_export_says_why_it_ended(house: House, tmp_path: Path) -> None:
    for target in ("-", tmp_path / "x.ndjson"):
        done = await house.run("memory", "export", target)
        assert done.code == 1
        told = f"hairem: the answer broke off before its end: {_AWAY}"
        assert _told(done.err).startswith(told)
    assert list(tmp_path.iterdir()) == []


async def test_verifying_says_that_it_bears_no_witness(house: House) -> None:
    done = await house.run("memory", "verify")
    assert (done.code, done.out) == (0, "The chain is whole: 3 events.\n")
    assert _told(done.err) == "hairem: the archive cannot be reached, and bears no witness to it"


async def test_doctor_has_a_row(house: House) -> None:
    done = await house.run("doctor", "--json")
    rows = {each["what"]: each for each in json.loads(done.out)}
    assert rows["memory"]["status"] == "ok"
    assert rows["archive"]["status"] == "note"
    assert rows["archive"]["how"].startswith(f"away: {_AWAY}")
    assert (done.code, "secret" in done.out) == (0, False)


async def test_doctor_tells_of_an_archive_that_is_no_database(tmp_path: Path) -> None:
    data, config = tmp_path / "data", tmp_path / "system.yaml"
    config.write_text("memory:\n  archive_url: sqlite+aiosqlite:///old.sqlite3\n")
    doctor = ("doctor", "--json", "--data", data, "--config", config)

    async def archive() -> tuple[int, dict[str, str]]:
        done = await hairem(*doctor)
        return done.code, {each["what"]: each for each in json.loads(done.out)}["archive"]

    code, row = await archive()
    assert (code, row["status"], list(tmp_path.iterdir())) == (0, "ok", [config])
    await seeded(data)
    (data / "old.sqlite3").write_bytes(b"garbled" * 1_000)
    told = f"away: {data / 'old.sqlite3'}: file is not a database"
    code, row = await archive()
    assert (code, row["status"]) == (1, "wrong")
    assert row["how"].startswith(told)
    async with RunningCore(data, config):
        code, row = await archive()
        assert (code, row["status"]) == (1, "wrong")
        assert row["how"].startswith(told)
        # As one that is damaged where nobody has asked yet.
        (data / "old.sqlite3").unlink()
        await hairem("memory", "export", "-", "--data", data)
        assert (await archive())[1]["status"] == "ok"
        with (data / "old.sqlite3").open("r+b") as file:
            file.seek(4096)
            file.write(b"garbled" * 1_000)
        code, row = await archive()
        assert (code, row["status"]) == (1, "wrong")
    (data / "old.sqlite3").write_bytes(b"")
    code, row = await archive()
    assert (code, row["status"], row["how"]) == (0, "ok", str(data / "old.sqlite3"))


async def test_an_archive_that_leads_nowhere_is_a_wrong_configuration(tmp_path: Path) -> None:
    data, config = tmp_path / "data", tmp_path / "system.yaml"
    for rest in ("127.0.0.1:99999/h", "127.0.0.1:3306", "w@127.0.0.1/h"):
        config.write_text(f"memory:\n  archive_url: mysql+aiomysql://u:SeCrEt@{rest}\n")
        told = "memory.archive_url: an archive's address is "
        done = await hairem("doctor", "--json", "--data", data, "--config", config)
        row = {each["what"]: each for each in json.loads(done.out)}["configuration"]
        assert (done.code, row["status"]) == (1, "wrong")
        assert told in row["how"]
        up = await hairem("up", "--port", "0", "--data", data, "--config", config)
        assert up.code == 2
        assert told in up.err
        assert not any(each in f"{done} {up}" for each in ("SeCrEt", "Traceback"))


async def test_health_has_a_row(house: House) -> None:
    if not house.is_running:
        return
    done = await house.run("memory", "search", "spare key", "--archived")
    assert done.code == 1
    for command in (("health", "--data", house.data), ("health",)):
        done = await hairem(*command, HAIREM_DATA=str(house.data))
        assert (done.code, done.err) == (0, "")
        status, *rows = done.out.splitlines()
        assert status == "up"
        parts = dict(row.split(maxsplit=1) for row in rows)
        assert parts["redis"] == "up"
        assert parts["memory"].startswith(f"up       the archive is away: {_AWAY}")
        assert list(parts) == ["redis", "memory", "llm", "agents"]
        assert "secret" not in done.out


def _told(err: str) -> str:
    """Return the one line of standard error."""
    assert err.count("\n") == 1, err
    assert "secret" not in err
    return err.rstrip()
