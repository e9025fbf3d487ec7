"""The gateway's embedder, for benchmarks that are given a server of embeddings."""

import argparse
import time
from collections.abc import Sequence

import numpy as np
from pydantic import SecretStr

from hairem_core.config.system import EmbeddingConfig, LlmConfig
from hairem_core.llm.gateway import ModelGateway
from hairem_core.memory.arrays import Vectors
from hairem_core.memory.embedding import Embedder, as_vector

_MODEL = "openai/all-minilm-l6-v2"
_KEY = SecretStr("no-key")
"""Servers on one's own machine want none; the client wants one."""
_SECONDS = 600.0


def add_options(parser: argparse.ArgumentParser, without: str) -> None:
    """Add the options that name a server and its model. `without` says what happens with none."""
    parser.add_argument(
        "--embedding-base",
        metavar="URL",
        help=f"OpenAI-compatible server of embeddings, ending in /v1; without it, {without}",
    )
    parser.add_argument("--embedding-model", default=_MODEL, help="as LiteLLM names it")


async def through_gateway(options: argparse.Namespace) -> TimedEmbedder:
    """Return the embedder that the options name, with all loaded that it needs."""
    config = EmbeddingConfig(
        model=options.embedding_model, api_base=options.embedding_base, api_key=_KEY, batch=64
    )
    embedder = ModelGateway(LlmConfig(embedding=config)).embedder
    await embedder.warm_up()
    return TimedEmbedder(embedder)


class TimedEmbedder:
    """An embedder, and the seconds that it took."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.seconds = 0.0

    @property
    def model(self) -> str | None:
        """Its name."""
        return self._embedder.model

    async def embed(self, texts: Sequence[str], *, timeout: float) -> list[bytes]:
        """Return a vector of length 1 for each text: float16, little-endian."""
        started = time.perf_counter()
        try:
            return await self._embedder.embed(texts, timeout=timeout)
        finally:
            self.seconds += time.perf_counter() - started


async def vectors_of(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """Return vectors of length 1; shape (texts, dimensions). Raises ModelError."""
    packed = await embedder.embed(texts, timeout=_SECONDS)
    return np.array([as_vector(each) for each in packed], np.float32)
