"""The way to the language models: roles, fallbacks, timeouts, and one kind of answer for all."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from hairem_core.config.system import LlmConfig, ModelTarget, RoleConfig
from hairem_core.llm import _litellm, offline
from hairem_core.llm.breaker import COUNTED, CircuitBreaker
from hairem_core.llm.collector import AnswerCollector
from hairem_core.llm.embedding import ModelEmbedder
from hairem_core.llm.errors import (
    ModelError,
    ModelInterruptedError,
    ModelRubbishError,
    ModelTimeoutError,
    ModelUnreachableError,
)
from hairem_core.llm.prompt import to_messages, to_tools
from hairem_core.llm.usage import UsageMeter
from hairem_core.sdk.chat import ChatRequest, Delta, ModelRole

_LOGGER = logging.getLogger(__name__)

_SPARE = 5.0
"""Seconds that LiteLLM's own timeout is longer than ours, so that ours is the one that speaks."""
_NO_MODEL = "Set llm.chat.model in config/system.yaml, or HAIREM_CHAT_MODEL in the environment."


class ModelGateway:
    """Streams answers from the models that the configuration names for a role and an agent.

    With no model, the offline brain answers.
    """

    def __init__(self, config: LlmConfig, *, redact: Callable[[str], str] | None = None) -> None:
        """`redact` takes secrets out of what `complete` and `embedder` send.

        Who streams an agent's requests redacts them: it knows all that is in them.
        """
        self._config = config
        self._redact = redact
        self._usage = UsageMeter()
        self._breakers: dict[tuple[str, str | None], CircuitBreaker] = {}
        self._last_error: dict[tuple[str, str | None], dict[str, str]] = {}
        self._loading: asyncio.Task[_litellm.LiteLlm] | None = None
        self._draining: set[asyncio.Task[None]] = set()
        self.embedder = ModelEmbedder(config.embedding, self._client, redact=redact)
        """Turns texts into vectors, if a model is configured for that."""

    async def stream(self, agent_id: str, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Yield the answer to a request: words and thoughts as they come, then tool calls.

        Closing the generator, or cancelling the task that reads it, closes the HTTP request at
        once. Fallbacks are tried only as long as nothing was yielded. Raises ModelError: nothing
        that went wrong is ever yielded as text.
        """
        targets = self._targets(agent_id, request.role)
        if not targets:
            async with aclosing(offline.answer(request)) as deltas:
                async for delta in deltas:
                    yield delta
            return
        usage = self._usage.of(agent_id)
        usage.requests += 1
        failures: list[ModelError] = []
        for target in targets:
            yielded = False
            try:
                async with aclosing(self._guarded(agent_id, target, request)) as deltas:
                    async for delta in deltas:
                        yielded = True
                        yield delta
                return
            except ModelError as err:
                if yielded:
                    usage.failures += 1
                    raise
                failures.append(err)
                _LOGGER.warning("%s (agent %s, role %s)", err, agent_id, request.role)
            except asyncio.CancelledError, GeneratorExit:
                usage.cancelled += 1
                raise
        usage.failures += 1
        raise _summary(failures)

    async def complete(self, agent_id: str, request: ChatRequest) -> str:
        """Return the whole text of an answer, without its thoughts: for work that nobody watches.

        Fallbacks are tried whenever a model fails, since nothing was shown yet. Raises ModelError,
        also for an answer that `max_tokens` cut off and where no model is configured: the offline
        brain can neither extract nor summarise (see `has_model`). Raises ValueError for a request
        with tools.
        """
        if request.tools:
            raise ValueError("a request to complete must have no tools")
        targets = self._targets(agent_id, request.role)
        if not targets:
            raise ModelUnreachableError(
                "no language model is configured", where=f"llm.{request.role}", hint=_NO_MODEL
            )
        if redact := self._redact:
            clean = [
                each.model_copy(update={"content": redact(each.content)})
                for each in request.messages
            ]
            request = request.model_copy(update={"messages": clean})
        usage = self._usage.of(agent_id)
        usage.requests += 1
        failures: list[ModelError] = []
        for target in targets:
            try:
                async with aclosing(self._guarded(agent_id, target, request, whole=True)) as deltas:
                    return "".join([delta.content or "" async for delta in deltas]).strip()
            except ModelError as err:
                failures.append(err)
                _LOGGER.warning("%s (agent %s, role %s)", err, agent_id, request.role)
            except asyncio.CancelledError:
                usage.cancelled += 1
                raise
        usage.failures += 1
        raise _summary(failures)

    def has_model(self, agent_id: str | None, role: ModelRole) -> bool:
        """Return whether a language model serves this role, and not the offline brain."""
        return self._role(agent_id, role) is not None

    async def warm_up(self) -> None:
        """Load LiteLLM in a thread, if a model is configured, so that no person waits for it."""
        if names := self._configured():
            client = await self._client()
            await asyncio.to_thread(client.warm_up, names[0].model)
        await self.embedder.warm_up()

    def describe(self, agent_id: str | None = None) -> dict[str, Any]:
        """Return what health says of the models, of one agent's or of the house's; never a key.

        `status` is `offline` with no model, `degraded` while the chat model last failed or its
        breaker is open, else `ok`. `embedding` has a `status` of its own.
        """
        chat = self._role(agent_id, "chat")
        lite = self._role(agent_id, "lite")
        described: dict[str, Any] = {
            "status": "offline" if chat is None else "ok",
            "chat": chat.model if chat else None,
            "lite": lite.model if lite else None,
            "fallbacks": [each.model for each in chat.fallbacks] if chat else [],
            "usage": self._usage.statistics(agent_id),
            "embedding": self.embedder.describe(),
        }
        if chat is None:
            described["hint"] = _NO_MODEL
            return described
        breaker = self._breakers.get(_key(chat))
        if breaker is not None:
            described["breaker"] = breaker.state
        if (error := self._last_error.get(_key(chat))) is not None:
            described |= {"status": "degraded", "error": error}
        return described

    async def close(self) -> None:
        """Close what is kept open between requests."""
        for drain in self._draining:
            drain.cancel()
        await asyncio.gather(*self._draining, return_exceptions=True)
        if self._loading is None:
            return
        task, self._loading = self._loading, None
        client = await task
        await client.close()

    def _role(self, agent_id: str | None, role: ModelRole) -> RoleConfig | None:
        """Return the models of a role: the agent's own before the house's, lite before chat."""
        own = self._config.agents.get(agent_id) if agent_id is not None else None
        if role == "lite":
            lite = (own.lite if own else None) or self._config.lite
            if lite is not None:
                return lite
        return (own.chat if own else None) or self._config.chat

    def _targets(self, agent_id: str, role: ModelRole) -> list[ModelTarget]:
        config = self._role(agent_id, role)
        return [config, *config.fallbacks] if config else []

    def _configured(self) -> list[RoleConfig]:
        found = [self._config.chat, self._config.lite]
        for own in self._config.agents.values():
            found += [own.chat, own.lite]
        return [each for each in found if each is not None]

    async def _client(self) -> _litellm.LiteLlm:
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(_litellm.load))
        # Shielded: a cancelled turn must not cancel the loading that others wait for.
        return await asyncio.shield(self._loading)

    async def _guarded(
        self, agent_id: str, target: ModelTarget, request: ChatRequest, *, whole: bool = False
    ) -> AsyncGenerator[Delta]:
        """Yield one target's answer, its circuit breaker told how that went.

        With `whole`, an answer that was cut off by its limit is an error.
        """
        breaker = self._breakers.setdefault(_key(target), CircuitBreaker())
        if not breaker.allow():
            last = self._last_error.get(_key(target), {}).get("message", "unknown")
            raise ModelUnreachableError(
                f"left alone for {breaker.retry_in:.0f} s more, after failing repeatedly",
                where=target.model,
                hint=f"Its last error was: {last}",
            )
        told = False
        try:
            attempt = self._attempt(agent_id, target, request, whole=whole)
            async with aclosing(attempt) as deltas:
                async for delta in deltas:
                    yield delta
            breaker.succeeded()
            self._last_error.pop(_key(target), None)
            told = True
        except ModelError as err:
            self._last_error[_key(target)] = {"code": err.code, "message": str(err)}
            if err.code in COUNTED:
                breaker.failed()
                told = True
            raise
        finally:
            if not told:
                breaker.abandoned()

    async def _attempt(
        self, agent_id: str, target: ModelTarget, request: ChatRequest, *, whole: bool
    ) -> AsyncGenerator[Delta]:
        """Yield one target's answer, every error made ours and every wait bounded."""
        client = await self._client()
        loop = asyncio.get_running_loop()
        first, stall = self._config.first_token_timeout, self._config.stall_timeout
        begin_by = loop.time() + first
        collector = AnswerCollector(
            frozenset(tool.name for tool in request.tools), where=target.model
        )
        chunks: Any = None
        try:
            async with asyncio.timeout_at(begin_by):
                chunks = await client.open(
                    target,
                    to_messages(request),
                    to_tools(request),
                    timeout=max(first, stall) + _SPARE,
                )
            while True:
                until = loop.time() + stall if collector.begun else begin_by
                async with asyncio.timeout_at(until):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                for delta in collector.feed(chunk):
                    yield delta
                if collector.is_whole:
                    break
            for delta in collector.finish():
                yield delta
        except TimeoutError as err:
            raise self._late(target, begun=collector.begun) from err
        except client.errors as err:
            failure, cause = client.translate(err, target, begun=collector.begun)
            raise failure from cause
        finally:
            if chunks is not None and collector.is_whole:
                self._drain(agent_id, chunks, collector)
            elif chunks is not None:
                await chunks.aclose()
        if collector.truncated and whole:
            raise ModelRubbishError(
                "the answer was cut off by max_tokens",
                where=target.model,
                hint=f"Raise max_tokens of llm.{request.role}.",
            )
        if collector.truncated:
            _LOGGER.warning(
                "%s: the answer was cut off by max_tokens. Raise it in llm.chat.max_tokens",
                target.model,
            )

    def _drain(self, agent_id: str, chunks: Any, collector: AnswerCollector) -> None:
        """Read what follows a whole answer, for its token counts, while the answer goes on."""

        async def drain() -> None:
            try:
                async with asyncio.timeout(_SPARE):
                    async for chunk in chunks:
                        for _ in collector.feed(chunk):
                            pass
            except Exception:
                _LOGGER.debug("The end of a stream broke", exc_info=True)
            finally:
                await chunks.aclose()
                usage = self._usage.of(agent_id)
                usage.prompt_tokens += collector.prompt_tokens
                usage.completion_tokens += collector.completion_tokens

        task = asyncio.create_task(drain(), name="llm drain")
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    def _late(self, target: ModelTarget, *, begun: bool) -> ModelError:
        if begun:
            return ModelInterruptedError(
                f"fell silent in mid-answer for {self._config.stall_timeout:g} s",
                where=target.model,
                hint="Ask again, or raise llm.stall_timeout.",
            )
        return ModelTimeoutError(
            f"did not begin to answer within {self._config.first_token_timeout:g} s",
            where=target.model,
            hint="Look at the model server's load, or raise llm.first_token_timeout.",
        )


def _key(target: ModelTarget) -> tuple[str, str | None]:
    return target.model, target.api_base


def _summary(failures: list[ModelError]) -> ModelError:
    """Return the first model's error, which is the one to mend, with the others' names."""
    first, *others = failures
    if not others:
        return first
    names = ", ".join(str(each.where) for each in others)
    summary = type(first)(
        f"{first.what} (and the fallbacks failed too: {names})", where=first.where, hint=first.hint
    )
    summary.__cause__ = first
    return summary
