"""The scripted model's embeddings: OpenAI's `/v1/embeddings`, Ollama's `/api/embed`, their faults.

They stand for a model of embeddings. A vector is a hashed bag of word stems: texts that share words
lie near each other, whatever their language, and the same text always has the same vector. That two
words mean the same it does not know.
Sources: https://platform.openai.com/docs/api-reference/embeddings/create and
https://docs.ollama.com/api/embed.
"""

import base64
import hashlib
import math
import re
import struct
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveInt

from tests.support.scripted_protocols import BadRequestError

type EmbeddingFault = Literal[
    "hang",
    "drop",
    "http_400",
    "http_401",
    "http_404",
    "http_429",
    "http_500",
    "bad_json",
    "no_vectors",
    "short_list",
    "long_list",
    "reversed",
    "nan",
    "infinite",
    "zero",
    "empty_vector",
    "words",
    "longer_vectors",
    "no_base64",
]
"""`reversed` is none: the vectors come last one first, each with its `index`. `no_base64` refuses
that encoding, as servers do that know floats only.
"""

DIMENSIONS = 256
_MOST_TEXTS = 2048
_STEM = 5
_SMALL_WORDS = frozenset(
    {"and", "are", "did", "does", "for", "had", "has", "her", "his", "its", "not", "that", "the"}
    | {"this", "was", "what", "who", "with", "you", "avec", "dans", "des", "elle", "est", "les"}
    | {"mes", "mon", "pas", "pour", "que", "qui", "quoi", "ses", "son", "sur", "tes", "ton", "une"}
)
_BODY_KEYS = {"model", "input", "encoding_format", "dimensions", "user"}


class EmbeddingRule(BaseModel):
    """When (all that is given must hold) and what goes wrong then.

    `match` is searched in the texts, case-insensitively; `times` limits how often the rule applies.
    """

    model_config = ConfigDict(extra="forbid")

    match: str | None = None
    times: PositiveInt | None = None
    fault: EmbeddingFault | None = None
    delay: NonNegativeFloat = 0.0
    """Seconds before the answer."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingRequest:
    """A request for vectors, whichever protocol it came by."""

    model: str
    texts: list[str]
    dimensions: int
    as_base64: bool = False


@dataclass
class EmbeddingScript:
    """Rules in order; the first that applies decides. `dimensions` where a request names none."""

    dimensions: int = DIMENSIONS
    rules: list[EmbeddingRule] = field(default_factory=list)

    def rule(self, request: EmbeddingRequest) -> EmbeddingRule:
        """Return what to do with a request."""
        for rule in self.rules:
            if rule.times == 0:
                continue
            if rule.match and not any(
                re.search(rule.match, text, re.IGNORECASE) for text in request.texts
            ):
                continue
            # A server that knows no base64 answers well to what asks for floats.
            if rule.fault == "no_base64" and not request.as_base64:
                continue
            if rule.times is not None:
                rule.times -= 1
            return rule
        return EmbeddingRule()


def stems(text: str) -> set[str]:
    """Return the beginnings of the words of `text`, without accents and small words."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    found = re.findall(r"\w{3,}", plain)
    return {word[:_STEM] for word in found if word not in _SMALL_WORDS}


def bag_of_words(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Return the vector of `text`, of length 1; a text without words has the vector of itself."""
    vector = [0.0] * dimensions
    for stem in sorted(stems(text)) or [text]:
        digest = hashlib.blake2b(stem.encode(), digest_size=8).digest()
        number = int.from_bytes(digest, "little")
        # Half of the words count down, so that words which share a place do not look alike.
        vector[number % dimensions] += 1.0 if number >> 63 else -1.0
    length = math.hypot(*vector)
    if length == 0:
        return bag_of_words(f"{text} ", dimensions)
    return [value / length for value in vector]


def read_openai_embedding(body: Any, dimensions: int) -> EmbeddingRequest:
    """Return the request in a body of `/v1/embeddings`. Raises BadRequestError."""
    _need(isinstance(body, dict), "the body must be a JSON object")
    for key in body:
        _need(key in _BODY_KEYS, f"Unrecognized request argument supplied: {key}", key)
    model = body.get("model")
    _need(isinstance(model, str) and model != "", "you must provide a model parameter", "model")
    texts = body.get("input")
    if isinstance(texts, str):
        texts = [texts]
    _need(isinstance(texts, list) and bool(texts), "'input' must not be empty", "input")
    _need(len(texts) <= _MOST_TEXTS, f"'input' must have <= {_MOST_TEXTS} items", "input")
    for text in texts:
        _need(isinstance(text, str), "'input' must be a string or strings", "input")
        _need(text != "", "'input' cannot be an empty string", "input")
    encoding = body.get("encoding_format", "float")
    _need(encoding in ("float", "base64"), f"invalid encoding_format: {encoding!r}", "encoding")
    return EmbeddingRequest(
        model=model,
        texts=texts,
        dimensions=_dimensions(body, dimensions),
        as_base64=encoding == "base64",
    )


def read_ollama_embedding(body: Any, dimensions: int) -> EmbeddingRequest:
    """Return the request in a body of `/api/embed`. Raises BadRequestError.

    As Ollama does, it passes over keys that it does not know, and takes an empty list.
    """
    _need(isinstance(body, dict), "invalid JSON")
    model = body.get("model")
    _need(isinstance(model, str) and model != "", "model is required")
    texts = body.get("input")
    if isinstance(texts, str):
        texts = [texts] if texts else []
    _need(isinstance(texts, list), "invalid input type")
    _need(all(isinstance(text, str) for text in texts), "invalid input type")
    _need(isinstance(body.get("truncate", True), bool), "truncate must be a boolean")
    options = body.get("options", {})
    _need(isinstance(options, dict), "options must be an object")
    # Ollama warns of an option that it does not know, in its log, where nobody looks.
    _need(not options, f"invalid option provided: {sorted(options)}")
    return EmbeddingRequest(model=model, texts=texts, dimensions=_dimensions(body, dimensions))


def openai_answer(request: EmbeddingRequest, fault: EmbeddingFault | None) -> dict[str, Any]:
    """Return the body that answers a request to `/v1/embeddings`."""
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, request.as_base64)}
        for index, vector in enumerate(_vectors(request, fault))
    ]
    if fault == "reversed":
        data.reverse()
    tokens = _tokens(request.texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    answer = {"object": "list", "data": data, "model": request.model, "usage": usage}
    return {"object": "list"} if fault == "no_vectors" else answer


def ollama_answer(request: EmbeddingRequest, fault: EmbeddingFault | None) -> dict[str, Any]:
    """Return the body that answers a request to `/api/embed`."""
    answer = {"model": request.model, "total_duration": 1, "load_duration": 0,
              "prompt_eval_count": _tokens(request.texts)}  # fmt: skip
    return answer if fault == "no_vectors" else answer | {"embeddings": _vectors(request, fault)}


def _vectors(request: EmbeddingRequest, fault: EmbeddingFault | None) -> list[Any]:
    longer = 8 if fault == "longer_vectors" else 0
    vectors: list[Any] = [bag_of_words(text, request.dimensions + longer) for text in request.texts]
    match fault:
        case "short_list":
            vectors.pop()
        case "long_list":
            vectors.append(vectors[0])
        case "nan":
            vectors[-1][0] = math.nan
        case "infinite":
            vectors[-1][0] = math.inf
        case "zero":
            vectors[-1] = [0.0] * len(vectors[-1])
        case "empty_vector":
            vectors[-1] = []
        case "words":
            vectors[-1] = ["north", "east"]
    return vectors


def _encoded(vector: Sequence[Any], as_base64: bool) -> Sequence[Any] | str:
    if not as_base64:
        return vector
    if any(isinstance(value, str) for value in vector):
        return "not base64!"
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _dimensions(body: dict[str, Any], default: int) -> int:
    dimensions = body.get("dimensions", default)
    whole = isinstance(dimensions, int) and not isinstance(dimensions, bool)
    _need(whole and dimensions >= 1, f"invalid dimensions: {dimensions!r}", "dimensions")
    return int(dimensions)


def _tokens(texts: Sequence[str]) -> int:
    return sum(len(text.split()) for text in texts)


def _need(holds: bool, message: str, param: str | None = None) -> None:
    if not holds:
        raise BadRequestError(message, param)
