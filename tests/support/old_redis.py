"""Stands in for a Redis older than 7, which cannot be installed beside the real one.

It answers what a client asks before its first command, and INFO; anything else is refused with an
error, as an old server refuses commands it does not know.
"""

import asyncio

from tests.support.stand_in import StandIn


class OldRedis(StandIn):
    """A server on loopback that says it is Redis `version`."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self._version = version

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer command after command."""
        while True:
            words = await self._command(reader)
            writer.write(self._answer(words))
            await writer.drain()

    async def _command(self, reader: asyncio.StreamReader) -> list[bytes]:
        count = int((await reader.readuntil(b"\r\n"))[1:])
        words = []
        for _ in range(count):
            length = int((await reader.readuntil(b"\r\n"))[1:])
            words.append((await reader.readexactly(length + 2))[:-2])
        return words

    def _answer(self, words: list[bytes]) -> bytes:
        match words[0].upper():
            case b"INFO":
                body = f"# Server\r\nredis_version:{self._version}\r\n".encode()
                return b"$%d\r\n%s\r\n" % (len(body), body)
            case b"HELLO" if self._version >= "6":
                version = self._version.encode()
                return b"%%2\r\n$7\r\nversion\r\n$%d\r\n%s\r\n$5\r\nproto\r\n:3\r\n" % (
                    len(version),
                    version,
                )
            case b"PING":
                return b"+PONG\r\n"
            case b"SELECT":
                return b"+OK\r\n"
            case name:
                return b"-ERR unknown command `%s`\r\n" % name
