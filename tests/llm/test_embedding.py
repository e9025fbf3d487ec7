"""Vectors through LiteLLM, over both protocols: in order, of length 1, and every fault told."""

import asyncio
import importlib
import logging
import traceback
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import numpy as np
import psutil
import pytest

from hairem_core.config.system import EmbeddingConfig, LlmConfig, load_config
from hairem_core.llm.embedding import ModelEmbedder
from hairem_core.llm.errors import (
    ModelError,
    ModelRefusedError,
    ModelRubbishError,
    ModelTimeoutError,
    ModelUnreachableError,
)
from hairem_core.llm.gateway import ModelGateway
from tests.llm.conftest import KEY, MakeGateway, target
from tests.support.bus import until
from tests.support.scripted_embedding import bag_of_words
from tests.support.scripted_errors import HTTP_FAULTS
from tests.support.scripted_model import EmbeddingRule, ScriptedModel

TEXTS = ("The lamp in the kitchen is red", "Anna likes tea", "La lampe de la cuisine")
PROTOCOLS = ("openai", "ollama")


@pytest.fixture
async def model() -> AsyncGenerator[ScriptedModel]:
    """A server that wants no key: LiteLLM sends none to Ollama for embeddings."""
    async with ScriptedModel() as server:
        yield server


def embedding(model: ScriptedModel, protocol: str, **changes: Any) -> dict[str, Any]:
    """Return the configuration of the scripted server's embeddings."""
    if protocol == "ollama":
        return {"model": "ollama/scripted", "api_base": model.url} | changes
    return target(model, **changes)


def arrays(vectors: Sequence[bytes]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return vectors as rows."""
    return np.stack([np.frombuffer(vector, "<f2").astype(np.float64) for vector in vectors])


async def embedder_of(
    make_gateway: MakeGateway, model: ScriptedModel, protocol: str, **changes: Any
) -> ModelEmbedder:
    gateway = await make_gateway(embedding=embedding(model, protocol, **changes))
    return gateway.embedder


async def failure(embedder: ModelEmbedder, texts: Sequence[str] = TEXTS) -> ModelError:
    """Return how embedding failed."""
    with pytest.raises(ModelError) as caught:
        await embedder.embed(texts, timeout=5)
    return caught.value


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_each_text_has_its_vector_in_order(
    make_gateway: MakeGateway, model: ScriptedModel, protocol: str
) -> None:
    embedder = await embedder_of(make_gateway, model, protocol, batch=2)
    texts = [*TEXTS, "one more", TEXTS[0]]
    vectors = arrays(await embedder.embed(texts, timeout=5))
    expected = np.array([bag_of_words(text) for text in texts])
    assert vectors.shape == expected.shape
    assert np.abs(vectors - expected).max() < 1e-3
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-3
    assert [each.body["input"] for each in model.requests] == [texts[:2], texts[2:4], texts[4:]]
    assert {(each.protocol, each.kind) for each in model.requests} == {(protocol, "embedding")}
    assert embedder.dimensions == 256


async def test_base64_is_asked_of_openai_and_floats_taken_all_the_same(
    make_gateway: MakeGateway, model: ScriptedModel
) -> None:
    embedder = await embedder_of(make_gateway, model, "openai")
    by_base64 = await embedder.embed(TEXTS, timeout=5)
    assert model.requests[-1].body["encoding_format"] == "base64"
    # A server that refuses it is asked for floats, and from then on for nothing else.
    model.embeddings.rules.append(EmbeddingRule(fault="no_base64"))
    assert await embedder.embed(TEXTS, timeout=5) == by_base64
    await embedder.embed(TEXTS, timeout=5)
    assert [each.body.get("encoding_format", "float") for each in model.requests] == [
        *("base64", "base64", "float", "float"),
    ]
    assert embedder.describe()["status"] == "ok"


async def test_a_bad_request_is_refused_whatever_the_encoding(
    make_gateway: MakeGateway, model: ScriptedModel
) -> None:
    embedder = await embedder_of(make_gateway, model, "openai")
    model.embeddings.rules.append(EmbeddingRule(fault="http_400", times=2))
    err = await failure(embedder)
    assert isinstance(err, ModelRefusedError)
    assert "llm.embedding.model" in str(err)
    # It was not the encoding, which is asked for again.
    await embedder.embed(TEXTS, timeout=5)
    asked = [each.body.get("encoding_format", "float") for each in model.requests]
    assert asked == ["base64", "float", "base64"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_no_text_and_empty_texts(
    make_gateway: MakeGateway, model: ScriptedModel, protocol: str
) -> None:
    embedder = await embedder_of(make_gateway, model, protocol)
    assert await embedder.embed([], timeout=5) == []
    assert not model.requests
    vectors = await embedder.embed(["", "lamp", " \n"], timeout=5)
    assert len(vectors) == 3
    assert vectors[0] == vectors[2] != vectors[1]


async def test_a_long_text_is_cut(make_gateway: MakeGateway, model: ScriptedModel) -> None:
    embedder = await embedder_of(make_gateway, model, "openai")
    await embedder.embed(["word " * 10_000], timeout=5)
    assert len(model.requests[0].body["input"][0]) == 6_000


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_dimensions_are_chosen_and_part_of_the_name(
    make_gateway: MakeGateway, model: ScriptedModel, protocol: str
) -> None:
    embedder = await embedder_of(make_gateway, model, protocol, dimensions=64)
    (vector,) = await embedder.embed(["lamp"], timeout=5)
    assert len(vector) == 2 * 64
    assert model.requests[0].body["dimensions"] == 64
    assert embedder.model == f"{protocol}/scripted@64"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("drop", "model_unreachable", "llm.embedding.api_base"),
        ("http_401", "model_refused", "HTTP 401"),
        ("http_404", "model_refused", "HTTP 404"),
        ("http_429", "model_refused", "quota"),
        ("http_500", "model_unreachable", "HTTP 500"),
        ("bad_json", "model_rubbish", "not the protocol"),
        ("no_vectors", "model_rubbish", ""),
        ("short_list", "model_rubbish", "2 vectors came for 3 texts"),
        ("long_list", "model_rubbish", "4 vectors came for 3 texts"),
        ("nan", "model_rubbish", "not finite"),
        ("infinite", "model_rubbish", "not finite"),
        ("zero", "model_rubbish", "is zero"),
        ("empty_vector", "model_rubbish", "is empty"),
        ("words", "model_rubbish", "a vector"),
        ("longer_vectors", "model_rubbish", "264 dimensions, not 256"),
    ],
)
async def test_a_fault_has_its_code_and_is_asked_once(
    make_gateway: MakeGateway,
    model: ScriptedModel,
    protocol: str,
    fault: Any,
    code: str,
    words: str,
) -> None:
    embedder = await embedder_of(make_gateway, model, protocol)
    await embedder.embed(["before"], timeout=5)
    model.requests.clear()
    model.embeddings.rules.append(EmbeddingRule(fault=fault))
    err = await failure(embedder)
    assert err.code == code
    assert words in str(err)
    assert "Traceback" not in str(err)
    assert err.where == f"{protocol}/scripted"
    assert err.hint
    assert len(model.requests) == 1
    described = embedder.describe()
    assert (described["status"], described["error"]["code"]) == ("degraded", code)
    model.embeddings.rules.clear()
    await embedder.embed(["after"], timeout=5)
    assert embedder.describe()["status"] == "ok"


async def test_vectors_may_come_in_another_order_with_their_numbers(
    make_gateway: MakeGateway, model: ScriptedModel
) -> None:
    embedder = await embedder_of(make_gateway, model, "openai")
    expected = await embedder.embed(TEXTS, timeout=5)
    model.embeddings.rules.append(EmbeddingRule(fault="reversed"))
    assert await embedder.embed(TEXTS, timeout=5) == expected


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_one_bad_batch_of_several_and_nothing_comes(
    make_gateway: MakeGateway, model: ScriptedModel, protocol: str
) -> None:
    embedder = await embedder_of(make_gateway, model, protocol, batch=1)
    model.embeddings.rules.append(EmbeddingRule(match="tea", fault="nan"))
    assert isinstance(await failure(embedder), ModelRubbishError)
    assert len(model.requests) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_hanging_server_is_left_in_time(
    make_gateway: MakeGateway, model: ScriptedModel, protocol: str
) -> None:
    embedder = await embedder_of(make_gateway, model, protocol)
    model.embeddings.rules.append(EmbeddingRule(fault="hang"))
    with pytest.raises(ModelTimeoutError, match=r"3 texts within 0\.3 s"):
        await embedder.embed(TEXTS, timeout=0.3)
    await model.wait_for(lambda requests: requests[0].cancelled)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_cancelling_closes_the_request(
    make_gateway: MakeGateway, model: ScriptedModel, protocol: str
) -> None:
    embedder = await embedder_of(make_gateway, model, protocol)
    model.embeddings.rules.append(EmbeddingRule(fault="hang"))
    task = asyncio.create_task(embedder.embed(TEXTS, timeout=30))
    await model.wait_for(bool)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await model.wait_for(lambda requests: requests[0].cancelled)
    described = embedder.describe()
    assert (described["usage"]["cancelled"], described["status"]) == (1, "ok")


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_dead_server_is_left_alone_and_chat_is_not(
    make_gateway: MakeGateway, model: ScriptedModel, protocol: str
) -> None:
    gateway = await make_gateway(embedding=embedding(model, protocol))
    model.embeddings.rules.append(EmbeddingRule(fault="http_500"))
    for _ in range(3):
        await failure(gateway.embedder)
    with pytest.raises(ModelUnreachableError, match=r"left alone.*HTTP 500"):
        await gateway.embedder.embed(TEXTS, timeout=5)
    assert len(model.requests) == 3
    described = gateway.describe()
    assert described["embedding"]["breaker"] == "open"
    assert described["status"] == "ok"


async def test_strange_answers_and_refusals_do_not_open_the_breaker(
    make_gateway: MakeGateway, model: ScriptedModel
) -> None:
    embedder = await embedder_of(make_gateway, model, "openai")
    model.embeddings.rules.append(EmbeddingRule(fault="nan", times=2))
    model.embeddings.rules.append(EmbeddingRule(fault="http_401", times=2))
    for _ in range(4):
        await failure(embedder)
    assert await embedder.embed(TEXTS, timeout=5)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_usage_is_counted(
    make_gateway: MakeGateway, model: ScriptedModel, protocol: str
) -> None:
    gateway = await make_gateway(embedding=embedding(model, protocol, batch=1))
    await gateway.embedder.embed(["one two", "three"], timeout=5)
    model.embeddings.rules.append(EmbeddingRule(fault="http_429"))
    await failure(gateway.embedder)
    usage = gateway.describe()["embedding"]["usage"]
    assert (usage["requests"], usage["failures"], usage["prompt_tokens"]) == (2, 1, 3)


async def test_secrets_leave_before_the_text_is_cut(model: ScriptedModel) -> None:
    secret = "correct-horse-battery"
    gateway = ModelGateway(
        LlmConfig.model_validate({"embedding": embedding(model, "openai")}),
        redact=lambda text: text.replace(secret, "***"),
    )
    try:
        await gateway.embedder.embed([f"It is {secret}", "x" * 5_990 + secret], timeout=30)
    finally:
        await gateway.close()
    assert model.requests[0].body["input"] == ["It is ***", "x" * 5_990 + "***"]


async def test_a_key_goes_to_the_server_and_nowhere_else(
    make_gateway: MakeGateway,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = "aa11bb22cc33-not-shaped-like-a-key"
    # A provider that repeats the key in its refusal, as some do.
    answer = (401, f"Incorrect API key provided: {other}", "invalid_api_key")
    monkeypatch.setitem(HTTP_FAULTS, "http_401", answer)
    async with ScriptedModel(api_key=KEY) as guarded:
        embedder = await embedder_of(make_gateway, guarded, "openai")
        await embedder.embed(TEXTS, timeout=5)
        assert guarded.requests[0].authorization == f"Bearer {KEY}"
        with caplog.at_level(logging.DEBUG):
            wrong = await embedder_of(make_gateway, guarded, "openai", api_key=other)
            err = await failure(wrong)
            ollama = await embedder_of(make_gateway, guarded, "ollama", api_key=other)
            second = await failure(ollama)
    assert "***" in str(err)
    assert "llm.embedding.api_key" in str(err)
    assert "openai/<model>" in str(second)
    shown = "".join(traceback.format_exception(err) + traceback.format_exception(second))
    assert other not in shown + str(wrong.describe()) + str(ollama.describe()) + caplog.text


async def test_ollama_by_the_name_that_chat_has(
    make_gateway: MakeGateway, model: ScriptedModel
) -> None:
    chat_name = {"model": "ollama_chat/scripted", "api_base": model.url}
    embedder = (await make_gateway(embedding=chat_name)).embedder
    assert await embedder.embed(TEXTS, timeout=5)
    assert model.requests[0].protocol == "ollama"


async def test_nobody_listens(make_gateway: MakeGateway, model: ScriptedModel) -> None:
    for protocol in PROTOCOLS:
        base = "http://127.0.0.1:9/v1"
        embedder = await embedder_of(make_gateway, model, protocol, api_base=base)
        err = await failure(embedder)
        assert err.code == "model_unreachable"
        assert "llm.embedding.api_base" in str(err)


async def test_without_a_model_nothing_is_embedded() -> None:
    gateway = ModelGateway(LlmConfig())
    assert gateway.embedder.model is None
    assert gateway.describe()["embedding"] == {"model": None, "status": "offline"}
    with pytest.raises(ModelUnreachableError, match="HAIREM_EMBEDDING_MODEL"):
        await gateway.embedder.embed(["x"], timeout=1)


async def test_a_library_that_still_loads_is_not_the_servers_fault(model: ScriptedModel) -> None:
    async def never() -> Any:
        await asyncio.Event().wait()

    config = EmbeddingConfig.model_validate(embedding(model, "openai"))
    embedder = ModelEmbedder(config, never)
    for _ in range(4):
        with pytest.raises(ModelTimeoutError, match="still loading"):
            await embedder.embed(["x"], timeout=0.01)
    assert embedder.describe()["breaker"] == "closed"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_closing_closes_the_connections_the_second_time_too(
    model: ScriptedModel, protocol: str
) -> None:
    port = int(model.url.rpartition(":")[2])

    def connected() -> bool:
        found = psutil.Process().net_connections("tcp")
        return any(each.status == "ESTABLISHED" and each.raddr.port == port for each in found)

    for _ in range(3):
        config = LlmConfig.model_validate({"embedding": embedding(model, protocol)})
        gateway = ModelGateway(config)
        await gateway.warm_up()
        await gateway.embedder.embed(TEXTS, timeout=5)
        assert connected()
        await gateway.close()
        await until(lambda: not connected())


async def test_embeddings_alone_warm_up(model: ScriptedModel) -> None:
    config = LlmConfig.model_validate({"embedding": embedding(model, "ollama")})
    gateway = ModelGateway(config)
    # Ollama's client, which takes long to make, is there before the first text.
    clients = vars(importlib.import_module("litellm"))
    assert "module_level_aclient" not in clients
    await gateway.warm_up()
    assert "module_level_aclient" in clients
    assert not gateway.has_model("renarde", "chat")
    await gateway.close()


def test_the_environment_names_the_model() -> None:
    environ = {"HAIREM_EMBEDDING_MODEL": "ollama/x", "HAIREM_EMBEDDING_API_BASE": "http://h:1"}
    found = load_config(None, environ).llm.embedding
    assert found is not None
    assert (found.model, found.api_base, found.batch) == ("ollama/x", "http://h:1", 32)
    assert load_config(None, {"HAIREM_EMBEDDING_API_BASE": "http://h:1"}).llm.embedding is None
