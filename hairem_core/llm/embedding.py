"""Vectors for texts, by the model that the configuration names for it, each of them checked."""

import asyncio
import base64
import binascii
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hairem_core.config.system import EmbeddingConfig
from hairem_core.llm import _litellm
from hairem_core.llm.breaker import COUNTED, CircuitBreaker
from hairem_core.llm.errors import (
    ModelError,
    ModelRefusedError,
    ModelRubbishError,
    ModelTimeoutError,
    ModelUnreachableError,
)
from hairem_core.llm.usage import Usage

_LOGGER = logging.getLogger(__name__)
_LONGEST = 6_000
"""Characters of a text that count. About 2,000 tokens, which most models take; a longer text would
be refused, and all that came with it in one request.
"""
_EMPTY = "-"
"""Stands for a text without a word, which providers refuse."""
_NO_KEY_TO_OLLAMA = (
    "LiteLLM sends no key to Ollama for embeddings. Through a proxy that wants one, use Ollama's "
    "other protocol: openai/<model>, with an api_base that ends in /v1."
)
_SPARE = 5.0
"""Seconds that LiteLLM's own timeout is longer than ours, so that ours is the one that speaks."""


class ModelEmbedder:
    """Turns texts into vectors. `ModelGateway.embedder` is one."""

    def __init__(
        self,
        config: EmbeddingConfig | None,
        load: Callable[[], Awaitable[_litellm.LiteLlm]],
        *,
        redact: Callable[[str], str] | None = None,
    ) -> None:
        """`load` returns LiteLLM; `redact` takes secrets out of a text before it leaves."""
        self._config = config
        self._load = load
        self._redact = redact
        self._breaker = CircuitBreaker()
        self._last_error: dict[str, str] | None = None
        self._usage = Usage()
        self._as_base64 = config is not None and _litellm.speaks_openai(config)
        self.dimensions: int | None = config.dimensions if config else None
        """How long a vector is; None until the first one came."""

    @property
    def model(self) -> str | None:
        """Name of the space that the vectors lie in; None where no model is configured.

        Vectors under two names cannot be compared: a length that the configuration chooses is part
        of it, as in `openai/text-embedding-3-small@512`.
        """
        if self._config is None:
            return None
        chosen = self._config.dimensions
        return f"{self._config.model}@{chosen}" if chosen else self._config.model

    async def embed(self, texts: Sequence[str], *, timeout: float) -> list[bytes]:
        """Return for each text, in their order, a vector of length 1: float16, little-endian.

        Of each text the first 6,000 characters count. `timeout` is in seconds, for all of them
        together. Raises ModelError: ModelTimeoutError, ModelUnreachableError (also while a server
        that failed repeatedly is left alone, and with no model configured), ModelRefusedError, or
        ModelRubbishError for vectors that are not what was asked for. Nothing comes in part.
        """
        config = self._config
        if config is None:
            raise ModelUnreachableError(
                "no embedding model is configured",
                where="llm.embedding",
                hint="Set llm.embedding.model in config/system.yaml, or HAIREM_EMBEDDING_MODEL.",
            )
        if not texts:
            return []
        end = asyncio.get_running_loop().time() + timeout
        client = await self._loaded(config, end)
        self._usage.requests += 1
        if not self._breaker.allow():
            self._usage.failures += 1
            last = (self._last_error or {}).get("message", "unknown")
            raise ModelUnreachableError(
                f"left alone for {self._breaker.retry_in:.0f} s more, after failing repeatedly",
                where=config.model,
                hint=f"Its last error was: {last}",
            )
        told = False
        try:
            clean = [self._clean(text) for text in texts]
            vectors = await self._in_time(client, config, clean, end, timeout)
            self._breaker.succeeded()
            self._last_error = None
            told = True
        except ModelError as err:
            self._usage.failures += 1
            self._last_error = {"code": err.code, "message": str(err)}
            if err.code in COUNTED:
                self._breaker.failed()
                told = True
            raise
        except asyncio.CancelledError:
            self._usage.cancelled += 1
            raise
        finally:
            if not told:
                self._breaker.abandoned()
        return vectors

    def describe(self) -> dict[str, Any]:
        """Return what health says of it; never a key.

        `status` is `offline` with no model, `degraded` while it last failed or its breaker is open,
        else `ok`.
        """
        described: dict[str, Any] = {"model": self.model, "status": "offline"}
        if self._config is None:
            return described
        described |= {
            "status": "ok",
            "dimensions": self.dimensions,
            "breaker": self._breaker.state,
            "usage": asdict(self._usage),
        }
        if self._last_error is not None:
            described |= {"status": "degraded", "error": self._last_error}
        return described

    async def warm_up(self) -> None:
        """Load what the first embedding needs, in a thread."""
        if self._config is not None:
            client = await self._load()
            await asyncio.to_thread(client.warm_up_embedding, self._config.model)

    def _clean(self, text: str) -> str:
        # Before the cut, which could leave half of a secret that nobody knows again.
        text = self._redact(text) if self._redact else text
        return text.strip()[:_LONGEST] or _EMPTY

    async def _loaded(self, config: EmbeddingConfig, end: float) -> _litellm.LiteLlm:
        try:
            async with asyncio.timeout_at(end):
                return await self._load()
        except TimeoutError as err:
            # No fault of the server's: its breaker hears nothing of it.
            raise ModelTimeoutError(
                "LiteLLM is still loading",
                where=config.model,
                hint="Ask again in some seconds.",
            ) from err

    async def _in_time(
        self,
        client: _litellm.LiteLlm,
        config: EmbeddingConfig,
        texts: list[str],
        end: float,
        timeout: float,
    ) -> list[bytes]:
        found: list[bytes] = []
        try:
            async with asyncio.timeout_at(end):
                for start in range(0, len(texts), config.batch):
                    batch = texts[start : start + config.batch]
                    found += await self._batch(client, config, batch, timeout + _SPARE)
        except TimeoutError as err:
            raise ModelTimeoutError(
                f"gave no vectors for {len(texts)} texts within {timeout:g} s",
                where=config.model,
                hint="Look at the model server's load, or lower llm.embedding.batch.",
            ) from err
        return found

    async def _batch(
        self, client: _litellm.LiteLlm, config: EmbeddingConfig, texts: list[str], timeout: float
    ) -> list[bytes]:
        """Return the vectors of what goes into one request."""
        try:
            embedded = await self._ask(client, config, texts, timeout)
        except client.errors as err:
            failure, cause = client.translate(err, config, role="embedding")
            if isinstance(failure, ModelRefusedError) and _keyless(config):
                failure.hint = _NO_KEY_TO_OLLAMA
            raise failure from cause
        self._usage.prompt_tokens += embedded.prompt_tokens
        rows = _in_order(embedded, len(texts), config.model)
        vectors = [_vector(row, config.model) for row in rows]
        self._check_dimensions(vectors, config)
        return [vector.astype("<f2").tobytes() for vector in vectors]

    async def _ask(
        self, client: _litellm.LiteLlm, config: EmbeddingConfig, texts: list[str], timeout: float
    ) -> _litellm.Embedded:
        if self._as_base64:
            try:
                return await client.embed(config, texts, as_base64=True, timeout=timeout)
            except client.errors as err:
                if not client.is_bad_request(err):
                    raise
            # Some servers know floats only; if this one takes them, it is not asked again.
            embedded = await client.embed(config, texts, as_base64=False, timeout=timeout)
            _LOGGER.debug("%s knows no encoding_format base64", config.model)
            self._as_base64 = False
            return embedded
        return await client.embed(config, texts, as_base64=False, timeout=timeout)

    def _check_dimensions(
        self, vectors: list[NDArray[np.float32]], config: EmbeddingConfig
    ) -> None:
        sizes = {vector.size for vector in vectors}
        expected = self.dimensions or next(iter(sizes))
        if sizes != {expected}:
            got = ", ".join(str(size) for size in sorted(sizes - {expected}))
            raise ModelRubbishError(
                f"a vector has {got} dimensions, not {expected}",
                where=config.model,
                hint="Take llm.embedding.dimensions out: this model has no choice."
                if config.dimensions
                else "Another model answers under this name: restart H-Core if that is meant.",
            )
        self.dimensions = expected


def _keyless(config: EmbeddingConfig) -> bool:
    return config.api_key is not None and config.model.startswith(("ollama/", "ollama_chat/"))


def _in_order(embedded: _litellm.Embedded, count: int, where: str) -> list[Any]:
    """Return the vectors in the order of the texts. Raises ModelRubbishError."""
    found = embedded.vectors
    if len(found) != count:
        raise _rubbish(f"{len(found)} vectors came for {count} texts", where)
    indices = [index for index, _ in found]
    if all(index is None for index in indices):
        return [vector for _, vector in found]
    by_index = dict(found) if all(isinstance(index, int) for index in indices) else {}
    if by_index.keys() != set(range(count)):
        raise _rubbish("the vectors are not numbered as the texts are", where)
    return [by_index[index] for index in range(count)]


def _vector(row: Any, where: str) -> NDArray[np.float32]:
    """Return a vector of length 1 from numbers or base64. Raises ModelRubbishError."""
    try:
        if isinstance(row, str):
            values = np.frombuffer(base64.b64decode(row, validate=True), "<f4")
        elif isinstance(row, list) and not any(isinstance(each, str) for each in row):
            values = np.asarray(row, np.float64)
        else:
            raise _rubbish("a vector is neither numbers nor base64", where)
    except (ValueError, TypeError, OverflowError, binascii.Error) as err:
        raise _rubbish(f"a vector cannot be read ({err})", where) from err
    if values.ndim != 1 or not values.size:
        raise _rubbish("a vector is empty", where)
    peak = np.abs(values).max()
    if not np.isfinite(peak):
        raise _rubbish("a vector is not finite", where)
    if peak == 0:
        raise _rubbish("a vector is zero", where)
    # By its largest number first: the squares of very large or small ones do not fit.
    scaled = (values / peak).astype(np.float32)
    unit: NDArray[np.float32] = scaled / np.linalg.norm(scaled)
    return unit


def _rubbish(what: str, where: str) -> ModelRubbishError:
    return ModelRubbishError(
        what,
        where=where,
        hint="Check that llm.embedding.model is a model of embeddings, and its server's log.",
    )
