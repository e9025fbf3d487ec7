"""`hairem memory forget` and `hairem dream`, with and without a terminal."""

import json
from pathlib import Path

import pytest

from tests.core.memory_command.house import House, at_a_terminal
from tests.support.command import RunningCore
from tests.support.memory_house import KEY, seeded

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_forgetting_without_a_terminal_only_tells(house: House) -> None:
    done = await house.memory("forget", "--subject", "flowerpot")
    assert done.code == 0, done
    assert KEY in done.out
    assert "Nothing was erased" in done.out
    plan = await house.json("forget", "--subject", "flowerpot")
    assert plan["counts"]["events"] == 2
    assert (await house.json("search", "spare key"))[0]["content"] == KEY
    done = await house.memory("forget", "--subject", "Methuselah")
    assert done.out.startswith("There is nothing to erase")


async def test_forgetting(tmp_path: Path) -> None:
    house = House(tmp_path)
    await seeded(house.data)
    refused = await house.memory("forget", "--subject", "flowerpot", "--yes")
    assert refused.code == 2
    assert "no H-Core runs" in refused.err
    async with RunningCore(house.data, house.config):
        code, out = await at_a_terminal(house, b"n\n", "memory", "forget", "--subject", "flowerpot")
        assert code == 1
        assert "Erase it for good?" in out
        assert "nobody said yes" in out
        assert (await house.json("search", "spare key"))[0]["content"] == KEY
        code, out = await at_a_terminal(house, b"y\n", "memory", "forget", "--subject", "flowerpot")
        assert code == 0, out
        assert "Erased: " in out
        contents = [each["content"] for each in await house.json("search", "spare key")]
        assert KEY not in contents
        receipt = await house.json("forget", "--agent", "electra", "--yes")
        assert receipt["unfinished"] == []
        assert (await house.memory("verify")).code == 0


async def test_dream(house: House) -> None:
    done = await house.run("dream")
    assert done.code == 0, done
    assert done.out.startswith("The night of ")
    assert "is whole" in done.out
    assert done.err == "", "no bar where nobody looks"
    done = await house.run("dream", "--json")
    assert json.loads(done.out)["reason"] == "asked"


async def test_a_dream_at_a_terminal_in_french(stopped: House) -> None:
    stopped.config.write_text(f"house:\n  language: fr\n{stopped.config.read_text()}")
    code, out = await at_a_terminal(stopped, b"", "dream")
    assert code == 0, out
    assert "La nuit du " in out
    assert "Dreaming: " in out
