"""Exports and imports over HTTP: streams, of which neither end holds more than a piece."""

import json
import logging
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, AsyncIterator

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Send

from hairem_core.errors import HairemError

_LOGGER = logging.getLogger(__name__)
_SERVERS_WORDS = "ASGI callable returned without completing response."
NDJSON = "application/x-ndjson"


async def streamed(pieces: AsyncGenerator[bytes]) -> StreamingResponse:
    """Return an answer that sends pieces as they are made.

    What goes wrong before the first one is raised, and so told like any other error.
    """
    first = await anext(pieces, b"")

    async def all_of_them() -> AsyncGenerator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return _Streamed(all_of_them(), media_type=NDJSON)


def is_no_break_off(record: logging.LogRecord) -> bool:
    """Return False for what the web server says when an answer is broken off on purpose.

    It is a filter for its log: there is no other way to end an answer without its end.
    """
    return record.getMessage() != _SERVERS_WORDS


class _Streamed(StreamingResponse):
    """Breaks off when something goes wrong on the way: half an export must not look like one."""

    async def stream_response(self, send: Send) -> None:
        """Send everything; what went wrong is the last line, and the end never comes."""
        await send(
            {"type": "http.response.start", "status": 200, "headers": self.raw_headers},
        )
        try:
            async for piece in self.body_iterator:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except HairemError as err:
            _LOGGER.warning("An export broke off: %s", err)
            error = json.dumps({"error": {"code": err.code, "message": str(err)}})
            line = f"{error}\n".encode()
            await send({"type": "http.response.body", "body": line, "more_body": True})
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Upload:
    """The body of a request, piece by piece; without the mark that some editors put first."""

    def __init__(self, request: Request) -> None:
        self._pieces = request.stream()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        first: bytes | None = b""
        async for piece in self._pieces:
            if first is None:
                yield piece
                continue
            first += piece
            if len(first) >= len(BOM_UTF8):
                yield first.removeprefix(BOM_UTF8)
                first = None
        if first:
            yield first

    async def skip(self) -> None:
        """Read what is left, so that the client, still sending, hears the answer."""
        async for _ in self._pieces:
            pass
