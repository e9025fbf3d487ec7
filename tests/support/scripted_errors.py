"""What the scripted model keeps of a request, and the errors that it answers with."""

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

HTTP_FAULTS: dict[str, tuple[int, str, str]] = {
    "http_400": (400, "This cannot be done", "invalid_request_error"),
    "http_401": (401, "Incorrect API key provided", "invalid_api_key"),
    "http_404": (404, "The model does not exist or you do not have access", "model_not_found"),
    "http_429": (429, "You exceeded your current quota", "insufficient_quota"),
    "http_500": (500, "The server had an error", "server_error"),
}


@dataclass(kw_only=True)
class RecordedRequest:
    """One request as the server saw it. Times are seconds since the epoch."""

    protocol: Literal["openai", "ollama"]
    kind: Literal["chat", "embedding"] = "chat"
    body: Any
    authorization: str | None
    started: float = field(default_factory=time.time)
    first_token_at: float | None = None
    ended: float | None = None
    status: int | None = None
    cancelled: bool = False
    """The client hung up before the answer was whole."""


def openai_error(
    record: RecordedRequest | None, status: int, message: str, code: str, param: str | None = None
) -> web.Response:
    """Return an error in OpenAI's shape, written down in `record`."""
    if record is not None:
        record.status = status
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": param, "code": code}
    return web.json_response({"error": error}, status=status)


def ollama_error(record: RecordedRequest | None, status: int, message: str) -> web.Response:
    """Return an error in Ollama's shape, written down in `record`."""
    if record is not None:
        record.status = status
    return web.json_response({"error": message}, status=status)
