"""What `hairem memory` and `hairem dream` show harms no terminal, and a full disk is told of."""

import json

import pytest

from hairem_core.memory.store import MemoryStore
from tests.core.memory_command.house import House
from tests.memory.learning import learn
from tests.memory.messages import said
from tests.support.command import hairem, hairem_on_a_full_disk

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_full_disk_takes_no_output(house: House) -> None:
    for command in (("search", "spare key"), ("stats",), ("export", "-")):
        done = await hairem_on_a_full_disk("memory", *command, **house.environment)
        what = "hairem: the output cannot be written: No space left on device\n"
        assert (done.code, done.err) == (1, what)


async def test_what_was_said_does_not_steer_the_terminal(stopped: House) -> None:
    store = await MemoryStore.open(f"surrealkv://{stopped.data / 'memory'}")
    await store.record(said("My bike code is \x1b[31m77\x1b[0m\u202e.", to="agent:renarde"))
    await learn(store)
    await store.close()
    done = await stopped.run("dream")
    assert "renarde, of user:anna: My bike code is ?[31m77?[0m?" in done.out
    found = await stopped.json("search", "bike code")
    assert "My bike code is \x1b[31m77\x1b[0m\u202e" in [each["content"] for each in found]
    fact = next(each["id"] for each in found if each["kind"] == "fact")
    for command in (
        ("dream", "--json"),
        *(("memory", *each) for each in (("search", "bike"), ("search", "bike", "--json"))),
        *(("memory", *each) for each in (("show", fact), ("show", fact, "--json"))),
        *(("memory", "forget", "--person", "user:anna", *each) for each in ((), ("--json",))),
    ):
        done = await stopped.run(*command)
        assert done.code == 0, done
        assert not any(each in done.out for each in ("\x1b", "\u202e")), command


async def test_letters_that_the_terminal_does_not_have(stopped: House) -> None:
    store = await MemoryStore.open(f"surrealkv://{stopped.data / 'memory'}")
    await store.remember("renarde", "The emoji of the house is \U0001f3e1.")
    await store.close()
    search = ("memory", "search", "emoji")
    where = ("--data", stopped.data, "--config", stopped.config)
    latin = "latin-1:strict"
    done = await hairem(*search, *where, PYTHONIOENCODING=latin)
    assert (done.code, done.err) == (0, "")
    assert "The emoji of the house is ?." in done.out
    done = await hairem(*search, "--json", *where, PYTHONIOENCODING=latin)
    assert json.loads(done.out)[0]["content"] == "The emoji of the house is \U0001f3e1."
