"""Stands in for database servers that the archive must not use, and that cannot be had here: a
MariaDB that is too old, MySQL, and one that pretends to be MariaDB to get at a password.

It sends the first packet of the protocol and keeps every byte that the client answers.
https://mariadb.com/kb/en/connection/
"""

import asyncio

from tests.support.stand_in import StandIn

_SECURE_CONNECTION, _PLUGIN_AUTH, _CONNECT_WITH_DB = 0x8000, 0x80000, 0x8
_PROTOCOL_41, _TLS = 0x200, 0x800


class OldMariaDb(StandIn):
    """A server on loopback that says it is `version`; `asks_for` is its way to check passwords."""

    def __init__(
        self, version: str, *, asks_for: str = "mysql_native_password", claims_tls: bool = False
    ) -> None:
        super().__init__()
        self._version = version
        self._asks_for = asks_for
        self._claims_tls = claims_tls
        self.answered = b""
        """What clients have sent."""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greet, and keep what is answered, the password's turn included."""
        self._send(writer, 0, self._greeting())
        number = await self._receive(reader)
        self._send(writer, number + 1, b"\xfe" + self._asks_for.encode() + b"\0" + b"s" * 20)
        number = await self._receive(reader)
        self._send(writer, number + 1, b"\0\0\0\x02\0\0\0")
        await self._receive(reader)

    def _greeting(self) -> bytes:
        can = _SECURE_CONNECTION | _PLUGIN_AUTH | _CONNECT_WITH_DB | _PROTOCOL_41
        can |= _TLS if self._claims_tls else 0
        return b"".join(
            (
                b"\x0a",
                self._version.encode() + b"\0",
                (1).to_bytes(4, "little"),
                b"s" * 8 + b"\0",
                (can & 0xFFFF).to_bytes(2, "little"),
                b"\x2d",
                (2).to_bytes(2, "little"),
                (can >> 16).to_bytes(2, "little"),
                b"\x15" + b"\0" * 10,
                b"s" * 12 + b"\0",
                b"mysql_native_password\0",
            )
        )

    def _send(self, writer: asyncio.StreamWriter, number: int, body: bytes) -> None:
        writer.write(len(body).to_bytes(3, "little") + bytes([number]) + body)

    async def _receive(self, reader: asyncio.StreamReader) -> int:
        head = await reader.readexactly(4)
        self.answered += await reader.readexactly(int.from_bytes(head[:3], "little"))
        return head[3]
