"""Ten thousand fragments: done in a bounded number of commits, and nobody waits for it."""

from collections.abc import Iterator
from itertools import batched

import pytest

from hairem_core.memory.dream import merge
from hairem_core.memory.dream.clusters import Clusters
from hairem_core.memory.dream.run import Run
from hairem_core.memory.dream.similar import Text, duplicates
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.store import MemoryStore
from tests.memory.dream.scene import (
    Archive,
    ScriptedModel,
    dreamer,
    fragment,
    keep,
)
from tests.support.calls import ThreadWatch

_TEXT = "lamp door garden kettle violin carpet window letter bicycle mirror blanket candle"
_WORDS = _TEXT.split()


@pytest.fixture
def url(folder_url: str) -> str:
    return folder_url


def _fragments() -> Iterator[Fragment]:
    for number in range(10_000):
        one, two = _WORDS[number % 12], _WORDS[(number // 12) % 12]
        # Every tenth one was said before, in other letters.
        text = f"the {one} beside the {two} has number {number - number % 10}"
        text = f"{text} and mark {number}" if number % 10 else text
        text = text.upper() if number % 20 == 10 else text
        days = 400 - number / 40
        yield fragment(text, days=days, kind="note", importance=0.3 if number < 3_000 else 0.9)
        if number % 20 == 10:
            yield fragment(text.lower(), days=days - 0.5, kind="note", importance=0.3)


@pytest.mark.timeout(300)
async def test_ten_thousand_fragments(
    archive: Archive, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for some in batched(_fragments(), 500, strict=False):
        await keep(store, some)
    revision = store.writer.head.rev
    threads = ThreadWatch(monkeypatch)
    for owner, name in ((merge, "_pairs"), (Clusters, "find"), (Run, "strengths")):
        threads.watch(owner, name)

    digest = await dreamer(store, archive, model=ScriptedModel()).dream()

    assert digest.failures == []
    assert digest.merged_count == 500
    assert digest.archived_count > 1_000
    # A commit for each batch, not for each fragment.
    assert store.writer.head.rev - revision < 200
    # What computes over all of them would hold up the loop for seconds.
    assert threads.called == {"_pairs", "find", "strengths"}
    assert not threads.on_the_loop


def test_near_duplicates_are_found_without_comparing_each_with_each() -> None:
    texts = [Text.of(each.content) for each in _fragments()]
    asked = 0

    def cosine(one: int, other: int) -> float:
        nonlocal asked
        asked += 1
        return 1.0

    found = dict(duplicates(texts, cosine))
    assert len(found) >= 500
    assert asked < 10 * len(texts)
