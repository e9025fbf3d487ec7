"""Errors as the HTTP application tells them: `{"error": {"code", "message"}}`."""

from fastapi import Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from hairem_core.api.tokens import TokenStore
from hairem_core.errors import HairemError

_STATUS = {
    "invalid_format": 400,
    "unknown_agent": 404,
    "unknown_fragment": 404,
    "memory_unavailable": 503,
    "archive_unavailable": 503,
    "bus_unavailable": 503,
}
_REFUSED = 409
"""Everything else that a person can act on: it cannot be done as things are."""


class InvalidFormat(HairemError):
    """What was sent is not what is asked for."""

    code = "invalid_format"


def is_known(request: Request, tokens: TokenStore) -> bool:
    """Return whether a request carries a token of this H-Core."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and tokens.verify(token.strip()) is not None


def unauthorized() -> JSONResponse:
    """Return what a stranger is told."""
    what = "send `Authorization: Bearer <token>` with a token of this H-Core"
    return failure("invalid_token", what, 401, {"WWW-Authenticate": "Bearer"})


def told(err: HairemError) -> JSONResponse:
    """Return an error with the status that fits its code."""
    return failure(err.code, str(err), _STATUS.get(err.code, _REFUSED))


async def no_route(request: Request, err: Exception) -> Response:
    """Return what is told of a path or a method below `/api` that there is not: a handler of
    Starlette's HTTPException. Elsewhere it is told as Starlette does.
    """
    assert isinstance(err, HTTPException)
    code = {404: "unknown_route", 405: "method_not_allowed"}.get(err.status_code)
    if code is None or not request.url.path.startswith("/api/"):
        return await http_exception_handler(request, err)
    what = f"there is no {request.method} {request.url.path}; see docs/bridge.md and docs/memory.md"
    return failure(code, what, err.status_code, dict(err.headers or {}))


def unreadable(err: RequestValidationError | ValidationError) -> JSONResponse:
    """Return the first thing that is wrong with what was sent."""
    first = err.errors()[0]
    # `query` and `body` are where FastAPI found it, not what the client called it.
    named = [str(part) for part in first["loc"] if part not in ("query", "body", "path")]
    where = ".".join(named)
    what = first["msg"].removeprefix("Value error, ")
    return failure("invalid_format", f"{where}: {what}" if where else what, 400)


def failure(
    code: str, message: str, status: int, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Return an error: a code for programs, words for people."""
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)
