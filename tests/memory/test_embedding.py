"""Vectors come after the words, whatever their model does; what was of use is counted."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hairem_core.memory import embedding
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.store import MemoryStore
from tests.memory.messages import answered, said


class Model:
    """A model of embeddings that does what a test tells it to."""

    def __init__(self, model: str = "one", dimensions: int = 8) -> None:
        self.model = model
        self.dimensions = dimensions
        self.is_broken = False
        self.hangs = False
        self.asked = 0

    async def embed(self, texts: Sequence[str], *, timeout: float) -> list[bytes]:
        self.asked += len(texts)
        if self.is_broken:
            raise MemoryUnavailable("no answer", where=self.model, hint="Wait.")
        if self.hangs:
            await asyncio.Event().wait()
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> bytes:
        values = np.zeros(self.dimensions)
        values[len(text) % self.dimensions] = 1.0
        return values.astype("<f2").tobytes()


async def embedded(store: MemoryStore) -> int:
    await store.embeddings.settle()
    return int(store.index.statistics()["embedded"])


async def test_what_the_model_missed_it_gets_when_it_is_back(folder_url: str) -> None:
    model = Model()
    model.is_broken = True
    store = await MemoryStore.open(folder_url, embedder=model)
    await store.record(said("the umbrella is in the hall"))
    assert await embedded(store) == 0
    assert store.embeddings.failure is not None
    (found,) = await store.recall("renarde", "umbrella", limit=3)
    assert found.why is not None
    assert found.why.meaning == 0
    await store.close()

    model.is_broken = False
    store = await MemoryStore.open(folder_url, embedder=model)
    assert await embedded(store) == 1
    (found,) = await store.recall("renarde", "umbrella", limit=3)
    assert found.content == "the umbrella is in the hall"
    await store.close()


async def test_a_model_that_hangs_holds_up_neither_words_nor_the_end(folder_url: str) -> None:
    model = Model()
    model.hangs = True
    store = await MemoryStore.open(folder_url, embedder=model)
    assert await store.record(said("the umbrella is in the hall"))
    await store.close()


async def test_vectors_of_another_model_or_length_are_not_mixed(folder_url: str) -> None:
    for count, model in enumerate((Model(), Model("two"), Model("two", 16)), 1):
        store = await MemoryStore.open(folder_url, embedder=model)
        await store.record(said(f"the umbrella number {count} is in the hall"))
        assert await embedded(store) == count
        (columns,) = store.index.columns().values()
        assert columns.dimensions == model.dimensions
        await store.close()
    rows_store = await MemoryStore.open(folder_url)
    rows = await rows_store.database.query("SELECT model, vector FROM embedding")
    assert {(row["model"], len(row["vector"])) for row in rows} == {("two", 32)}
    await rows_store.close()


async def test_vectors_outlast_a_start_without_the_model(folder_url: str, tmp_path: Path) -> None:
    model, index = Model(), tmp_path / "recall"
    store = await MemoryStore.open(folder_url, index_folder=index, embedder=model)
    for number in range(20):
        await store.record(said(f"the umbrella number {number}", conversation_id=f"c{number}"))
    assert await embedded(store) == 20
    await store.close()

    store = await MemoryStore.open(folder_url, index_folder=index)
    await store.record(said("the kettle"))
    assert store.index.statistics()["embedded"] == 0
    await store.close()

    store = await MemoryStore.open(folder_url, index_folder=index, embedder=model)
    assert await embedded(store) == 21
    assert model.asked == 21
    await store.close()


async def test_whatever_goes_wrong_it_goes_on(folder_url: str) -> None:
    class Odd(Model):
        async def embed(self, texts: Sequence[str], *, timeout: float) -> list[bytes]:
            found = await super().embed(texts, timeout=timeout)
            if self.asked == 1:
                raise OSError("a pipe broke")
            return found if self.asked > 2 else [*found, b"one too many"]

    model = Odd()
    store = await MemoryStore.open(folder_url, embedder=model)
    await store.record(said("the umbrella"))
    assert await embedded(store) == 0
    assert store.embeddings.failure == "a pipe broke"
    async with asyncio.timeout(20):
        while not store.index.statistics()["embedded"]:
            await asyncio.sleep(0.05)
    await store.close()


async def test_a_vector_without_a_direction_is_asked_for_once(folder_url: str) -> None:
    class Silent(Model):
        def _vector(self, text: str) -> bytes:
            return bytes(2 * self.dimensions)

    model = Silent()
    store = await MemoryStore.open(folder_url, embedder=model)
    await store.record(said("hm"))
    assert await embedded(store) == 1
    assert model.asked == 1
    await store.close()


async def test_a_model_that_changes_under_way_is_not_asked_for_ever(folder_url: str) -> None:
    model = Model()
    store = await MemoryStore.open(folder_url, embedder=model)
    model.model = "two"
    await store.record(said("the umbrella is in the hall"))
    await store.embeddings.settle()
    assert store.embeddings.failure is not None
    assert model.asked <= embedding._BATCH
    await store.close()


async def test_what_is_of_use_is_counted(store: MemoryStore) -> None:
    await store.record(said("the umbrella is in the hall"))
    for is_use in (False, True, True):
        await store.recall("renarde", "umbrella", limit=3, is_use=is_use)
    await store._uses.flush()
    assert await store.database.query("SELECT VALUE uses FROM fragment") == [1]
    await store.recall("renarde", "umbrella", limit=3, is_use=True)
    await store._uses.flush()
    assert await store.database.query("SELECT VALUE uses FROM fragment") == [2]


async def test_what_is_only_said_again_is_no_news(store: MemoryStore) -> None:
    await store.record(said("The umbrella hangs in the hall behind the clock"))
    question = said("Where is my umbrella?")
    await store.record(question)
    await store.recall("renarde", "umbrella", limit=3, is_use=True)
    echo = answered(question, "Your umbrella hangs in the hall, behind the clock.")
    news = answered(question, "Marta borrowed it yesterday and brings it back on Sunday.")
    for message in (echo, news):
        assert await store.record(message)

    contents = await store.database.query("SELECT VALUE content FROM fragment")
    assert echo.payload.content not in contents
    assert news.payload.content in contents
    # It was said all the same.
    recent = await store.recent("renarde", conversation_id="c1", limit=9)
    assert echo.payload.content in {each.content for each in recent}
