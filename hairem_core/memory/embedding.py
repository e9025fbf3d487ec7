"""Vectors: of fragments, made in the background after these were stored, and of questions."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

import numpy as np

from hairem_core.errors import HairemError
from hairem_core.memory.arrays import Floats
from hairem_core.memory.errors import MemoryRefused
from hairem_core.memory.fragment import Embedding, Fragment
from hairem_core.memory.fragments import FragmentStore
from hairem_core.memory.scope import Scope
from hairem_core.memory.writer import Change, Head, Writer

_LOGGER = logging.getLogger(__name__)
_BATCH = 64
"""Fragments that get their vectors in one commit."""
_TIMEOUT = 60.0
_REFUSED = "model_refused"
_LONGEST_PAUSE = 300.0
"""Seconds between two attempts while the model does not answer."""
_QUESTION_SECONDS = 2.0
"""How long a question waits for its embedding before it goes by words alone."""


class Embedder(Protocol):
    """The model of embeddings."""

    @property
    def model(self) -> str | None:
        """Its name; None where there is none."""
        ...

    async def embed(self, texts: Sequence[str], *, timeout: float) -> list[bytes]:
        """Return a vector of length 1 for each text: float16, little-endian."""
        ...


class NoEmbedder:
    """Stands for a house without a model of embeddings."""

    model = None

    async def embed(self, texts: Any, *, timeout: float) -> list[bytes]:
        """Never called: there is no model."""
        raise AssertionError("there is no model")


class QuestionEmbedder:
    """Gives questions their vectors, as far as the model has them in time."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.has_failed = False
        """Whether the last question got none from its model."""

    async def vector(self, text: str) -> Floats | None:
        """Return a vector of length 1, shape (dimensions,); None where words alone must do.

        The log tells of a model that fails, once until it has answered again.
        """
        if self._embedder.model is None:
            return None
        try:
            (packed,) = await self._embedder.embed([text], timeout=_QUESTION_SECONDS)
            vector = as_vector(packed)
        except HairemError as err:
            if not self.has_failed:
                _LOGGER.warning("Recall goes by words alone: %s", err)
            self.has_failed = True
            return None
        self.has_failed = False
        return vector


class EmbeddingQueue:
    """Gives every fragment a vector of the model, the newest first."""

    def __init__(
        self,
        embedder: Embedder,
        writer: Writer,
        fragments: FragmentStore,
        missing: Callable[[], Iterable[UUID]],
    ) -> None:
        """`missing` tells which fragments have none."""
        self._embedder = embedder
        self._writer = writer
        self._fragments = fragments
        self._missing = missing
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._refused: set[UUID] = set()
        """Fragments that the model would not take, since the start."""
        self.failure: str | None = None
        """Why the last attempt failed; None after one that did not."""

    def start(self) -> None:
        """Begin, with what is there."""
        self._writer.observe(self._committed)
        self._wanted.set()
        self._task = asyncio.create_task(self._run(), name="embedding")

    async def stop(self) -> None:
        """End; what has no vector yet gets one after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def settle(self) -> None:
        """Wait until every fragment has a vector, or the model failed."""
        while self._task is not None and (self._wanted.is_set() or not self._idle.is_set()):
            if self.failure is not None:
                return
            await asyncio.sleep(0.005)

    def _committed(self, change: Change, head: Head) -> None:
        if change.added:
            self._idle.clear()
            self._wanted.set()

    async def _run(self) -> None:
        pause = 1.0
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                while await self._embed_some():
                    pause = 1.0
            except Exception as err:  # whatever it is, what comes after it wants its vector too
                if self.failure is None:
                    unforeseen = None if isinstance(err, HairemError) else err
                    _LOGGER.warning(
                        "Recall goes by words alone for what is new: %s", err, exc_info=unforeseen
                    )
                self.failure = str(err) or type(err).__name__
                self._wanted.set()
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)
                continue
            self.failure = None
            if not self._wanted.is_set():
                self._idle.set()

    async def _embed_some(self) -> bool:
        """Embed a batch; return False when nothing was left to do."""
        ids = list(islice((each for each in self._missing() if each not in self._refused), _BATCH))
        model = self._embedder.model
        if not ids or model is None:
            return False
        found = await self._fragments.fetch(ids, Scope(agent=None))
        made = await self._embed(list(found.values()))

        async def build(head: Head) -> Change:
            # Some may have been archived or forgotten meanwhile.
            there = await self._fragments.fetch(list(found), Scope(agent=None))
            return Change(
                embeddings=[
                    (there[each], Embedding(fragment_id=each, model=model, vector=vector))
                    for each, vector in made.items()
                    if each in there
                ]
            )

        await self._writer.commit(build)
        if not found.keys().isdisjoint(islice(self._missing(), _BATCH)):
            # It would go on for ever, at somebody's expense.
            raise MemoryRefused(
                f"vectors of {model} are not taken in",
                where="llm.embedding.model",
                hint="If the model was changed while H-Core ran, restart H-Core.",
            )
        return bool(found)

    async def _embed(self, fragments: Sequence[Fragment]) -> dict[UUID, bytes]:
        """Return vectors by fragment. What the model refuses is found, and set aside."""
        try:
            texts = [each.content for each in fragments]
            vectors = await self._embedder.embed(texts, timeout=_TIMEOUT)
        except HairemError as err:
            if err.code != _REFUSED:
                raise
            # A wrong key refuses everything; then it is not the text's fault.
            await self._embedder.embed(["-"], timeout=_TIMEOUT)
            if len(fragments) == 1:
                _LOGGER.warning("Fragment %s is found by words alone: %s", fragments[0].id, err)
                self._refused.add(fragments[0].id)
                return {}
            middle = len(fragments) // 2
            first = await self._embed(fragments[:middle])
            return first | await self._embed(fragments[middle:])
        return dict(zip((each.id for each in fragments), vectors, strict=True))


def as_vector(packed: bytes) -> Floats:
    """Return a packed vector as float32, of length 1; shape (dimensions,)."""
    values = np.frombuffer(packed, "<f2").astype(np.float32)
    length = float(np.linalg.norm(values))
    return values / length if length else values
