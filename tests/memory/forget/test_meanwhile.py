"""What is learned of somebody while they are being forgotten goes too, down to the name."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.forget.forgetter import Forgetter
from hairem_core.memory.forget.ledger import Ledger
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.forget.tombstones import Tombstones
from hairem_core.memory.fragment import Entity, Fragment, Relation
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Change, Head
from tests.memory.forget.test_forget import AT, add, fact_of
from tests.memory.learning import interpreter_of
from tests.memory.messages import said

type Work = Callable[[], Awaitable[Any]]
type Meanwhile = Callable[..., None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Have things done while somebody is forgotten.

    The first once it is decided what goes, the others each time that more was found, and before
    any of it is erased.
    """

    def set_up(*works: Work) -> None:
        extend, left = Ledger.extend, list(works)

        async def late(self: Ledger, *args: Any) -> None:
            if left:
                await left.pop(0)()
            await extend(self, *args)

        monkeypatch.setattr(Ledger, "extend", late)

    return set_up


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncGenerator[ColdArchive]:
    opened = await ColdArchive.open(f"sqlite+aiosqlite:///{tmp_path / 'archive.db'}")
    yield opened
    await opened.close()


async def ids(store: MemoryStore, table: str) -> list[Any]:
    return [row["id"].id for row in await store.database.query(f"SELECT * FROM {table}")]


async def put(store: MemoryStore, change: Change) -> None:
    async def build(head: Head) -> Change:
        return change

    await store.writer.commit(build)


async def test_what_the_interpreter_makes_of_it(store: MemoryStore, meanwhile: Meanwhile) -> None:
    await store.record(said("My sister Zebulon lives in Quimper"))
    meanwhile(interpreter_of(store).settle)

    receipt = await Forgetter(store).forget(Selector(subject="Zebulon"), vacuum=False)

    # Quimper too: nothing speaks of it any more.
    for table in ("fragment", "entity", "relation"):
        assert await ids(store, table) == []
    assert receipt.is_complete
    assert receipt.counts["entities"] > 0
    assert receipt.counts["relations"] > 0
    agent = store.names.identify("renarde")
    key = (agent, "name:zebulon")
    assert await Tombstones(store.database).of("entity", [key]) == {key}


async def test_a_name_that_is_there_again(store: MemoryStore, meanwhile: Meanwhile) -> None:
    agent = store.names.identify("renarde")
    zebulon = Entity(agent=agent, key="name:zebulon", name="Zebulon", last_at=AT)
    await put(store, Change(entities=[zebulon]))

    # Said once it is decided that the name goes, and learned of once it has gone.
    meanwhile(
        lambda: store.record(said("My sister Zebulon lives in Quimper")),
        interpreter_of(store).settle,
    )
    await Forgetter(store).forget(Selector(subject="Zebulon"), vacuum=False)

    assert await ids(store, "entity") == []


async def test_who_is_named_by_something_else_stays(
    store: MemoryStore, meanwhile: Meanwhile, archive: ColdArchive
) -> None:
    agent = store.names.identify("renarde")
    names = {"name:zebulon": "Zebulon", "name:rex": "Rex", "name:tom": "Tom", "name:ann": "Ann"}

    def about(content: str, *keys: str) -> Fragment:
        return replace(fact_of(store, content), about=keys)

    await add(store, about("Rex barks", "name:rex"))
    await archive.put([(about("Ann sings", "name:ann"), None)])
    late = about("Zebulon knows them all", *names)
    meanwhile(
        lambda: put(
            store,
            Change(
                added=[late],
                entities=[
                    Entity(agent=agent, key=key, name=name, last_at=AT)
                    for key, name in names.items()
                ],
            ),
        )
    )

    await Forgetter(store, archive=archive).forget(Selector(subject="Zebulon"), vacuum=False)

    kept = {each[1] for each in await ids(store, "entity")}
    assert kept == {"name:rex", "name:ann"}


async def test_what_takes_the_place_of_it_points_at_nothing(
    store: MemoryStore, meanwhile: Meanwhile
) -> None:
    old = fact_of(store, "Zebulon has the key")
    await add(store, old)
    new = replace(fact_of(store, "Rex has the key"), replaces_id=old.id)
    meanwhile(lambda: add(store, new))

    await Forgetter(store).forget(Selector(subject="Zebulon"), vacuum=False)

    (kept,) = await store.database.query("SELECT * FROM fragment")
    assert (kept["content"], kept.get("replaces_id")) == (new.content, None)


async def test_a_relation_goes_with_the_last_that_it_rests_on(
    store: MemoryStore, meanwhile: Meanwhile
) -> None:
    agent = store.names.identify("renarde")
    liar, dog = fact_of(store, "Zebulon is a liar"), fact_of(store, "Rex is a dog")
    await add(store, liar, dog)

    def knows(target: str, *facts: Fragment) -> Relation:
        return Relation(
            agent=agent,
            kind="knows",
            source="name:rex",
            target=target,
            last_at=AT,
            weight=2.0,
            derived_from=tuple(each.id for each in facts),
        )

    meanwhile(
        lambda: put(
            store, Change(relations=[knows("name:tom", liar), knows("name:ann", liar, dog)])
        )
    )

    receipt = await Forgetter(store).forget(Selector(subject="Zebulon"), vacuum=False)

    (row,) = await store.database.query("SELECT * FROM relation")
    assert row["id"].id == [agent, "name:rex", "knows", "name:ann"]
    assert (row["derived_from"], row["weight"]) == ([dog.id], 1.0)
    assert receipt.counts["relations"] == 1
    key = (agent, "name:rex", "knows", "name:tom")
    assert await Tombstones(store.database).of("relation", [key]) == {key}
