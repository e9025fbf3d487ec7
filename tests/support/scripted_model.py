"""A scripted model server. It stands for a paid language model, which a test cannot have.

It speaks OpenAI's protocol (`/v1/chat/completions`, `/v1/embeddings`, `/v1/models`, also without
`/v1`) and Ollama's (`/api/chat`, `/api/embed`, `/api/tags`, `/api/show`, `/api/version`,
`/api/pull`) as strictly as the strictest provider, does what its rules say (see
`scripted_rules.py`), plays a small scene otherwise (`scripted_scene.py`), and records every request
with whether the client hung up before the end. Embeddings, with rules of their own
(`model.embeddings.rules`), are in `scripted_embedding.py`.

In a test:

    async with ScriptedModel([Rule(match="hello", reply=["Good ", "day."])]) as model:
        ...  # model.openai_base, model.url, model.requests

From a shell, the first line printed is the address (add `/v1` or not for OpenAI's protocol):

    python -m tests.support.scripted_model --port 0 [--script FILE.yaml]
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from aiohttp import web

from tests.support.scripted_embedding import (
    EmbeddingFault,
    EmbeddingRequest,
    EmbeddingRule,
    EmbeddingScript,
    ollama_answer,
    openai_answer,
    read_ollama_embedding,
    read_openai_embedding,
)
from tests.support.scripted_errors import (
    HTTP_FAULTS,
    RecordedRequest,
    ollama_error,
    openai_error,
)
from tests.support.scripted_protocols import BadRequestError, read_ollama, read_openai
from tests.support.scripted_rules import Answer, Fault, Rule, Scene, Script, Turn, load_rules
from tests.support.scripted_scene import play
from tests.support.scripted_wire import OllamaEncoder, OpenAIEncoder

__all__ = [
    "Answer",
    "EmbeddingFault",
    "EmbeddingRule",
    "Fault",
    "RecordedRequest",
    "Rule",
    "ScriptedModel",
    "Turn",
]


class _DropError(Exception):
    """The script wants the connection cut."""


class ScriptedModel:
    """The server. `delay_first` and `delay_chunk` (seconds) hold where a rule names none.

    With `api_key` set, a request without that bearer key gets 401. `models` are those listed; with
    `strict_models` any other gets 404.
    """

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        *,
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        delay_first: float = 0.0,
        delay_chunk: float = 0.0,
        models: Sequence[str] = ("scripted:latest",),
        strict_models: bool = False,
        scene: Scene = play,
    ) -> None:
        self.script = Script(scene=scene, rules=list(rules))
        self.embeddings = EmbeddingScript()
        self.requests: list[RecordedRequest] = []
        self._api_key = api_key
        self._host, self._port = host, port
        self._delay_first, self._delay_chunk = delay_first, delay_chunk
        self._models = list(models)
        self._strict_models = strict_models
        self._runner: web.AppRunner | None = None
        self._closing = False

    @property
    def url(self) -> str:
        """The address, without a path: what Ollama's clients want."""
        return f"http://{self._host}:{self._port}"

    @property
    def openai_base(self) -> str:
        """The address that OpenAI's clients want as `base_url`."""
        return f"{self.url}/v1"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=32 * 2**20)
        for prefix in ("", "/v1"):
            app.router.add_post(f"{prefix}/chat/completions", self._openai_chat)
            app.router.add_post(f"{prefix}/embeddings", self._openai_embeddings)
            app.router.add_get(f"{prefix}/models", self._openai_models)
        app.router.add_post("/api/chat", self._ollama_chat)
        app.router.add_post("/api/embed", self._ollama_embed)
        app.router.add_get("/api/tags", self._ollama_tags)
        app.router.add_post("/api/show", self._ollama_show)
        app.router.add_post("/api/pull", self._ollama_pull)
        app.router.add_get("/api/version", self._ollama_version)
        app.router.add_get("/_requests", self._list_requests)
        app.router.add_delete("/_requests", self._clear_requests)
        self._closing = False
        # A handler is cancelled when its client hangs up: that is how `cancelled` is known at once.
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._closing = True
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def wait_for(
        self, condition: Callable[[list[RecordedRequest]], bool], timeout: float = 5.0
    ) -> None:
        """Return as soon as `condition(requests)` holds. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while not condition(self.requests):
                await asyncio.sleep(0.005)

    # OpenAI

    async def _openai_chat(self, request: web.Request) -> web.StreamResponse:
        body, record = await self._record(request, "openai")
        try:
            if (refusal := self._refusal(request, body)) is not None:
                return openai_error(record, *refusal)
            try:
                turn = read_openai(body)
            except BadRequestError as err:
                return openai_error(record, 400, err.message, "invalid_request_error", err.param)
            answer = self.script.answer(turn)
            if answer.fault in HTTP_FAULTS:
                return openai_error(record, *HTTP_FAULTS[answer.fault])
            encoder = OpenAIEncoder(
                turn.model, bool((body.get("stream_options") or {}).get("include_usage"))
            )
            if not body.get("stream", False):
                return await self._whole(record, answer, encoder)
            return await self._stream(request, record, answer, encoder, "text/event-stream")
        finally:
            record.ended = time.time()

    async def _openai_embeddings(self, request: web.Request) -> web.StreamResponse:
        body, record = await self._record(request, "openai", "embedding")
        try:
            if (refusal := self._refusal(request, body)) is not None:
                return openai_error(record, *refusal)
            try:
                asked = read_openai_embedding(body, self.embeddings.dimensions)
            except BadRequestError as err:
                return openai_error(record, 400, err.message, "invalid_request_error", err.param)
            fault = await self._embedding_fault(request, record, asked)
            if fault == "no_base64":
                message = "encoding_format base64 is not supported"
                return openai_error(record, 400, message, "invalid_request_error")
            if fault in HTTP_FAULTS:
                return openai_error(record, *HTTP_FAULTS[fault])
            return _embedded(record, openai_answer(asked, fault), fault)
        finally:
            record.ended = time.time()

    async def _openai_models(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._refusal(request, {})) is not None:
            return openai_error(None, *refusal)
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "scripted"}
            for name in self._models
        ]
        return web.json_response({"object": "list", "data": data})

    # Ollama

    async def _ollama_chat(self, request: web.Request) -> web.StreamResponse:
        body, record = await self._record(request, "ollama")
        try:
            if (refusal := self._refusal(request, body)) is not None:
                return ollama_error(record, refusal[0], refusal[1])
            try:
                turn = read_ollama(body)
            except BadRequestError as err:
                return ollama_error(record, 400, err.message)
            answer = self.script.answer(turn)
            if answer.fault in HTTP_FAULTS:
                return ollama_error(record, *HTTP_FAULTS[answer.fault][:2])
            encoder = OllamaEncoder(turn.model)
            if not body.get("stream", True):
                return await self._whole(record, answer, encoder)
            return await self._stream(request, record, answer, encoder, "application/x-ndjson")
        finally:
            record.ended = time.time()

    async def _ollama_embed(self, request: web.Request) -> web.StreamResponse:
        body, record = await self._record(request, "ollama", "embedding")
        try:
            if (refusal := self._refusal(request, body)) is not None:
                return ollama_error(record, refusal[0], refusal[1])
            try:
                asked = read_ollama_embedding(body, self.embeddings.dimensions)
            except BadRequestError as err:
                return ollama_error(record, 400, err.message)
            fault = await self._embedding_fault(request, record, asked)
            if fault in HTTP_FAULTS:
                return ollama_error(record, *HTTP_FAULTS[fault][:2])
            return _embedded(record, ollama_answer(asked, fault), fault)
        finally:
            record.ended = time.time()

    async def _ollama_tags(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._refusal(request, {})) is not None:
            return ollama_error(None, refusal[0], refusal[1])
        details = {"format": "gguf", "family": "scripted", "parameter_size": "0B"}
        models = [
            {"name": name, "model": name, "modified_at": _ISO_START, "size": 0, "digest": "0" * 64,
             "details": details}
            for name in self._models
        ]  # fmt: skip
        return web.json_response({"models": models})

    async def _ollama_show(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(
            {"details": {"family": "scripted"}, "model_info": {},
             "capabilities": ["completion", "tools", "embedding"]}
        )  # fmt: skip

    async def _ollama_pull(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "success"})

    async def _ollama_version(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"version": "0.13.0"})

    # Both

    async def _list_requests(self, request: web.Request) -> web.StreamResponse:
        return web.json_response([dataclasses.asdict(record) for record in self.requests])

    async def _clear_requests(self, request: web.Request) -> web.StreamResponse:
        self.requests.clear()
        return web.Response(status=204)

    async def _embedding_fault(
        self, request: web.Request, record: RecordedRequest, asked: EmbeddingRequest
    ) -> EmbeddingFault | None:
        """Return what goes wrong with an answer, after what comes before it."""
        rule = self.embeddings.rule(asked)
        try:
            if rule.fault == "hang":
                await asyncio.Event().wait()
            if rule.delay:
                await asyncio.sleep(rule.delay)
        except asyncio.CancelledError:
            record.cancelled = not self._closing
            raise
        if rule.fault == "drop" and request.transport is not None:
            request.transport.abort()
        return rule.fault

    async def _record(
        self,
        request: web.Request,
        protocol: Literal["openai", "ollama"],
        kind: Literal["chat", "embedding"] = "chat",
    ) -> tuple[Any, RecordedRequest]:
        raw = await request.read()
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        record = RecordedRequest(
            protocol=protocol,
            kind=kind,
            body=body,
            authorization=request.headers.get("Authorization"),
        )
        self.requests.append(record)
        return body, record

    def _refusal(self, request: web.Request, body: Any) -> tuple[int, str, str] | None:
        if self._api_key is not None:
            sent = request.headers.get("Authorization")
            if sent != f"Bearer {self._api_key}":
                return HTTP_FAULTS["http_401"]
        model = body.get("model") if isinstance(body, dict) else None
        if self._strict_models and isinstance(model, str) and model not in self._models:
            return 404, f"The model `{model}` does not exist", "model_not_found"
        return None

    async def _whole(
        self, record: RecordedRequest, answer: Answer, encoder: OpenAIEncoder | OllamaEncoder
    ) -> web.StreamResponse:
        try:
            await self._hesitate(answer)
            if answer.fault in ("hang_mid", "drop_mid"):
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            record.cancelled = not self._closing
            raise
        record.status, record.first_token_at = 200, time.time()
        if answer.fault == "bad_sse":
            return web.Response(text="{not json", content_type="application/json")
        return web.json_response(encoder.whole(answer))

    async def _stream(
        self,
        request: web.Request,
        record: RecordedRequest,
        answer: Answer,
        encoder: OpenAIEncoder | OllamaEncoder,
        content_type: str,
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": content_type, "Cache-Control": "no-cache"}
        )
        try:
            await self._hesitate(answer)
            record.status = 200
            await response.prepare(request)
            async for line in self._play(answer, encoder):
                if record.first_token_at is None:
                    record.first_token_at = time.time()
                await response.write(line)
            await response.write_eof()
        except asyncio.CancelledError:
            record.cancelled = not self._closing
            raise
        except ConnectionError:
            record.cancelled = not self._closing
        except _DropError:
            # What was written must arrive before the cut.
            await asyncio.sleep(0.02)
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _hesitate(self, answer: Answer) -> None:
        if answer.fault == "hang_first":
            await asyncio.Event().wait()
        delay = self._delay_first if answer.delay_first is None else answer.delay_first
        if delay:
            await asyncio.sleep(delay)

    async def _play(
        self, answer: Answer, encoder: OpenAIEncoder | OllamaEncoder
    ) -> AsyncGenerator[bytes]:
        delay = self._delay_chunk if answer.delay_chunk is None else answer.delay_chunk
        faults_in_middle = ("hang_mid", "drop_mid", "error_mid", "bad_sse")
        for count, line in enumerate(encoder.lines(answer)):
            if answer.fault in faults_in_middle and count >= answer.fault_after:
                break
            if count and delay:
                await asyncio.sleep(delay)
            yield line
        match answer.fault:
            case "hang_mid":
                await asyncio.Event().wait()
            case "drop_mid":
                raise _DropError
            case "error_mid":
                yield encoder.error("The server had an error while processing your request")
                return
            case "bad_sse":
                yield encoder.broken()
        for line in encoder.end(answer):
            yield line


_ISO_START = "2026-01-01T00:00:00Z"


def _embedded(
    record: RecordedRequest, answer: dict[str, Any], fault: EmbeddingFault | None
) -> web.Response:
    record.status = 200
    if fault == "bad_json":
        return web.Response(text="{not json", content_type="application/json")
    return web.json_response(answer)


async def _serve(arguments: argparse.Namespace) -> None:
    rules = load_rules(arguments.script) if arguments.script else []
    async with ScriptedModel(
        rules,
        api_key=arguments.api_key,
        port=arguments.port,
        delay_first=arguments.delay_first,
        delay_chunk=arguments.delay_chunk,
    ) as model:
        print(model.url, flush=True)
        print("A scripted model: it stands for a paid language model.", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Run the server until it is interrupted."""
    parser = argparse.ArgumentParser(description="A scripted model server for tests and demos.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--script", type=Path, help="YAML with rules")
    parser.add_argument("--api-key", help="the bearer key that requests must carry")
    parser.add_argument("--delay-first", type=float, default=0.0, help="seconds before the answer")
    parser.add_argument("--delay-chunk", type=float, default=0.0, help="seconds between chunks")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
