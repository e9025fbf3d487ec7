"""LiteLLM behind one small class: loaded late, kept quiet, its errors made ours.

LiteLLM takes seconds and some 150 MB to import, so nothing here imports it before `load` is called.
It is held as `Any`: its own annotations cost a type checker minutes.
Source: https://docs.litellm.ai/docs/completion/input,
https://docs.litellm.ai/docs/embedding/supported_embedding and
https://docs.litellm.ai/docs/exception_mapping.
"""

import importlib
import logging
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hairem_core.config.system import EmbeddingConfig, ModelAddress, ModelTarget
from hairem_core.llm.errors import (
    ModelError,
    ModelInterruptedError,
    ModelRefusedError,
    ModelRubbishError,
    ModelTimeoutError,
    ModelUnreachableError,
)

_NOISY_LOGGERS = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router", "openai", "httpx", "httpcore")
_LATE_IMPORTS = (
    "openai.resources.chat.completions",
    "openai.resources.embeddings",
    "anyio._backends._asyncio",
)
_SWITCHES = {
    "telemetry": False,
    "suppress_debug_info": True,
    "disable_streaming_logging": True,
    "disable_hf_tokenizer_download": True,
    # For embeddings it takes `max_retries=0` for none given, and tries three times.
    "DEFAULT_MAX_RETRIES": 0,
}
_EXCERPT = 240
"""Characters of a provider's own words that an error quotes."""
_SECRET_NAME = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD)$")
_SHORTEST_SECRET = 8
"""A shorter value is a placeholder such as "none", and would blot out ordinary words."""
_KEY_SHAPES = re.compile(r"\b(?:sk|pk|rk|gsk|xai|AIza)[-_A-Za-z0-9*]{8,}")
_PREFIXES = re.compile(r"(?:litellm\.\w+: |\w+(?:Error|Exception): |\w+Exception - )+")


@dataclass(frozen=True)
class Embedded:
    """What came for some texts, unchecked: per text its index and its vector, and the tokens."""

    vectors: list[tuple[Any, Any]]
    """An index may be missing (None); a vector is a list of numbers, or float32 as base64."""
    prompt_tokens: int


class LiteLlm:
    """LiteLLM, loaded and set up. Make it with `load`, in a thread."""

    def __init__(self) -> None:
        # Both are read at import: the price map would be fetched from the network, and a .env file
        # of the current folder would be loaded into this process's environment.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
        self._litellm: Any = importlib.import_module("litellm")
        self._openai: Any = importlib.import_module("openai")
        self._httpx: Any = importlib.import_module("httpx")
        # Imported by LiteLLM at the first request, where a person would wait for it.
        for module in _LATE_IMPORTS:
            importlib.import_module(module)
        for switch, value in _SWITCHES.items():
            setattr(self._litellm, switch, value)
        # What goes wrong is raised; and some of them log addresses with keys in the query.
        for name in _NOISY_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # Of OpenAI's client, for each vector that comes as base64, which it does not expect.
        warnings.filterwarnings("ignore", message="Pydantic serializer warnings")
        self._registered: set[str] = set()
        self.errors: tuple[type[Exception], ...] = (
            self._openai.OpenAIError,
            self._httpx.HTTPError,
            OSError,
            ValueError,
        )
        """What `open`, the stream that it returns, and `embed` raise."""

    def warm_up(self, model: str) -> None:
        """Pay the costs of a first request without making one: imports and clients."""
        try:
            self._litellm.completion(
                model=model, messages=[{"role": "user", "content": "-"}], mock_response="-"
            )
            # Loads the tokenizer, by which LiteLLM counts what a provider does not.
            self._litellm.token_counter(model=model, text="-")
        except self.errors:
            # A name that LiteLLM does not know is reported by the first real request.
            return

    def warm_up_embedding(self, model: str) -> None:
        """Pay the costs of a first embedding without making one."""
        try:
            self._litellm.embedding(model=_embedding_name(model), input=["-"], mock_response=[1.0])
            if _provider(model) in ("ollama", "ollama_chat"):
                # Made when first asked for, with some 80 modules, in the middle of the event loop.
                _ = self._litellm.module_level_aclient
                self._litellm.token_counter(model=model, text="-")
        except self.errors:
            return

    async def embed(
        self, target: EmbeddingConfig, texts: Sequence[str], *, as_base64: bool, timeout: float
    ) -> Embedded:
        """Return vectors for texts, none of which may be empty. Raises one of `errors`.

        `as_base64` asks for vectors in a third of the bytes. To a server of Ollama's, LiteLLM sends
        no key and tells of no timeout: who calls must have its own.
        """
        options = self._address(target)
        if target.dimensions is not None:
            # Known to LiteLLM for OpenAI's own models only, not for those of a server at home.
            options |= {"dimensions": target.dimensions, "allowed_openai_params": ["dimensions"]}
        if as_base64:
            options["encoding_format"] = "base64"
        response = await self._litellm.aembedding(
            model=_embedding_name(target.model),
            input=list(texts),
            timeout=timeout,
            max_retries=0,
            num_retries=0,
            **options,
        )
        found = [
            (each.get("index"), each.get("embedding")) if hasattr(each, "get") else (None, None)
            for each in response.data or ()
        ]
        tokens = getattr(response.usage, "prompt_tokens", 0) or 0
        return Embedded(vectors=found, prompt_tokens=tokens)

    async def open(
        self,
        target: ModelTarget,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]],
        *,
        timeout: float,
    ) -> Any:
        """Return an asynchronous iterator of chunks, with `aclose`. Raises one of `errors`."""
        self._register(target.model)
        options = self._address(target)
        if target.temperature is not None:
            options["temperature"] = target.temperature
        if target.max_tokens is not None:
            options["max_tokens"] = target.max_tokens
        if tools:
            options["tools"] = tools
        return await self._litellm.acompletion(
            model=target.model,
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
            timeout=timeout,
            # Trying again is the gateway's business, which knows what was already said.
            max_retries=0,
            num_retries=0,
            drop_params=True,
            # With tools, LiteLLM looks for MCP servers first, which needs a package that is not
            # there and half of its proxy.
            _skip_mcp_handler=True,
            **options,
        )

    def translate(
        self, err: Exception, target: ModelAddress, *, begun: bool = False, role: str = "chat"
    ) -> tuple[ModelError, Exception | None]:
        """Return our error for one of `errors`, and the cause that it may show.

        The cause is None where its text holds a secret. `begun` says that the answer had begun;
        `role` is the key of the configuration that the hint names.
        """
        chain = _chain(err)
        status = self._status(chain)
        text = self._text(chain)
        shown = redact(text, target)
        kind, hint = self._classify(chain, status, begun=begun)
        hint = hint.format(key=f"llm.{role}")
        failure = kind(
            f"{_SAYS[kind]}{f' (HTTP {status})' if status else ''}: {shown}",
            where=target.model,
            hint=hint,
        )
        leaks = any(redact(str(each), target) != str(each) for each in chain)
        return failure, None if leaks else err

    def is_bad_request(self, err: Exception) -> bool:
        """Return whether the server did not understand what it was asked."""
        return self._status(_chain(err)) in (400, 415, 422)

    async def close(self) -> None:
        """Close the HTTP clients that LiteLLM keeps."""
        await self._litellm.close_litellm_async_clients()
        # Ollama's is in a global as well. Used again there, it opens connections that this here,
        # which no longer knows it, would never close.
        vars(self._litellm).pop("module_level_aclient", None)
        self._litellm.in_memory_llm_clients_cache.flush_cache()

    def _address(self, target: ModelAddress) -> dict[str, Any]:
        """Return the arguments that say where a model is, and the key."""
        options: dict[str, Any] = {}
        if target.api_key is not None:
            options["api_key"] = target.api_key.get_secret_value()
        elif target.api_base and "OPENAI_API_KEY" not in os.environ and speaks_openai(target):
            # Servers at home have no key, but OpenAI's client insists on one.
            options["api_key"] = "none"
        if target.api_base:
            options["api_base"] = target.api_base
        return options

    def _register(self, model: str) -> None:
        """Tell LiteLLM of an Ollama model, which it would else ask the server about.

        It does that with a blocking request in the middle of the event loop, to reckon a price.
        """
        provider = _provider(model)
        if provider in ("ollama", "ollama_chat") and model not in self._registered:
            self._registered.add(model)
            entry = {
                "litellm_provider": provider,
                "mode": "chat",
                "supports_function_calling": True,
            }
            self._litellm.register_model({model: entry})

    def _classify(
        self, chain: list[BaseException], status: int | None, *, begun: bool
    ) -> tuple[type[ModelError], str]:
        if any(isinstance(each, ValueError) and "JSON" in type(each).__name__ for each in chain):
            return ModelRubbishError, "Ask again; if it stays, look at the model server's own log."
        if begun:
            return ModelInterruptedError, "Ask again."
        timeouts = (TimeoutError, self._httpx.TimeoutException, self._openai.APITimeoutError)
        if status in (408, 504) or any(isinstance(each, timeouts) for each in chain):
            return ModelTimeoutError, "Look at the model server's load, or raise its timeout."
        if status is not None and status >= 500:
            return ModelUnreachableError, "Look at the model server's own log."
        no_network = (OSError, self._httpx.TransportError)
        if any(isinstance(each, no_network) for each in chain):
            return ModelUnreachableError, "Check that the model server runs, and {key}.api_base."
        if status is None and isinstance(chain[-1], KeyError | TypeError):
            # LiteLLM did not find in the answer what must be there.
            return ModelRubbishError, "Ask again; if it stays, look at the model server's own log."
        if status is None:
            status = getattr(chain[0], "status_code", None)
        if status is not None and 400 <= status < 500:
            return ModelRefusedError, _REFUSALS.get(status, "Check {key}.")
        return ModelUnreachableError, "Look at the model server's own log."

    def _status(self, chain: list[BaseException]) -> int | None:
        """Return the HTTP status that the server sent, or None: LiteLLM invents some."""
        for each in reversed(chain):
            if isinstance(each, self._httpx.HTTPStatusError):
                return int(each.response.status_code)
        return None

    def _text(self, chain: list[BaseException]) -> str:
        """Return what the provider, or else the network, says."""
        text = _PREFIXES.sub("", str(getattr(chain[0], "message", "") or chain[0]))
        text = text.partition(" Original exception:")[0].partition("\nTraceback (most recent")[0]
        network = [each for each in chain if isinstance(each, OSError) and str(each)]
        if network:
            text = f"{text.rstrip('.')}: {network[-1]}"
        text = " ".join(text.split()).rstrip(".")
        return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"


_SAYS: dict[type[ModelError], str] = {
    ModelRubbishError: "what came is not the protocol",
    ModelInterruptedError: "the answer broke off",
    ModelTimeoutError: "no answer in time",
    ModelUnreachableError: "the model server does not answer as it should",
    ModelRefusedError: "the provider refused",
}
_REFUSALS = {
    400: "Check the model's name in {key}.model, and that it can do what was asked.",
    401: "Check {key}.api_key, or the environment variable of this provider.",
    402: "Check the account at the provider.",
    403: "Check what this key is allowed at the provider.",
    404: "Check the model's name in {key}.model, and {key}.api_base.",
    413: "The prompt is too long for this model.",
    422: "Check the model's name in {key}.model, and that it can do what was asked.",
    429: "Wait, or check the quota at the provider.",
}


def load() -> LiteLlm:
    """Return LiteLLM, loaded. Takes seconds: call it in a thread."""
    return LiteLlm()


def redact(text: str, target: ModelAddress) -> str:
    """Return `text` without keys: the target's, those in the environment, and what looks like one.

    Providers repeat a wrong key in their answer, and some error messages hold whole addresses.
    """
    secrets = {value for name, value in os.environ.items() if _SECRET_NAME.search(name)}
    if target.api_key is not None:
        secrets.add(target.api_key.get_secret_value())
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return _KEY_SHAPES.sub("***", text)


def speaks_openai(target: ModelAddress) -> bool:
    """Return whether a model's server speaks OpenAI's protocol, as far as the name tells."""
    provider, slash, _ = target.model.partition("/")
    return not slash or provider in ("openai", "custom_openai")


def _provider(model: str) -> str:
    return model.partition("/")[0]


def _embedding_name(model: str) -> str:
    """Return a model's name for embeddings: LiteLLM has two names for Ollama, by what is asked."""
    return f"ollama/{model.partition('/')[2]}" if _provider(model) == "ollama_chat" else model


def _chain(err: BaseException) -> list[BaseException]:
    """Return an exception and what led to it, outermost first."""
    chain: list[BaseException] = []
    each: BaseException | None = err
    while each is not None and each not in chain:
        chain.append(each)
        # LiteLLM keeps the provider's error here, apart from the chain.
        original = getattr(each, "original_exception", None)
        each = each.__cause__ or each.__context__
        if each is None and isinstance(original, BaseException):
            each = original
    return chain
