"""Connecting to a SurrealDB with its SDK, embedded or a server, and what can go wrong there."""

import asyncio
import os
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import surrealdb
from websockets.exceptions import WebSocketException

from hairem_core.memory.address import EMBEDDED
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.logguard import LogGuard

_NAMESPACE = "hairem"
_DATABASE = "memory"
_CACHE = 256 * 2**20
"""Bytes of values that the embedded engine keeps in memory."""
# What waits for an answer when the socket closes gets a KeyError from the SDK's own clearing up.
_LOST = (OSError, WebSocketException, surrealdb.ConnectionUnavailableError, KeyError)
# The embedded engine raises RuntimeError for what a server would send as an error.
ERRORS = (surrealdb.SurrealError, RuntimeError, *_LOST)
"""What calls of the SDK raise."""


async def _connect(url: str, where: str) -> Any:
    parts = urlsplit(url)
    address = url
    if parts.username is not None and not url.startswith(EMBEDDED):
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    # The embedded engine else leaves it to the system when data reaches the disk: a power cut would
    # cost what was acknowledged. It reads this when it opens a store.
    os.environ.setdefault("SURREAL_SYNC_DATA", "true")
    # And it keeps what it read or wrote in memory, up to half of what the machine has.
    os.environ.setdefault("SURREAL_SURREALKV_MAX_VALUE_CACHE_SIZE", str(_CACHE))
    try:
        connection: Any = surrealdb.AsyncSurreal(address)
        await connection.connect()
        if address != url:
            credentials: dict[str, Any] = {
                "username": unquote(parts.username or ""),
                "password": unquote(parts.password or ""),
            }
            await connection.signin(credentials)
        await connection.use(_NAMESPACE, _DATABASE)
    except ERRORS as err:
        embedded = url.startswith(EMBEDDED)
        raise MemoryUnavailable(
            f"cannot be opened: {says(err)}",
            where=where,
            hint="The files may be damaged: restore them from a backup, or move them away to begin "
            "anew."
            if embedded
            else "Check that the SurrealDB server runs, and the name and password in memory.url.",
        ) from err
    return connection


async def connect(url: str, where: str, guard: LogGuard | None = None) -> Any:
    """Return a connection of the SDK. Errors show `where` for the address.

    With a guard, an embedded store whose log is damaged is left as it was. Raises
    MemoryUnavailable.
    """
    if guard is None:
        return await _connect(url, where)
    await asyncio.to_thread(guard.hold)
    try:
        connection = await _connect(url, where)
    except BaseException:
        await asyncio.to_thread(guard.put_back)
        raise
    damage = await asyncio.to_thread(guard.damage)
    if damage is not None:
        with suppress(*ERRORS):
            await connection.close()
        await asyncio.to_thread(guard.put_back)
        raise damage
    return connection


async def drop(connection: Any) -> None:
    """Close a connection that is of no more use."""
    with suppress(*ERRORS):
        await connection.close()


def says(err: object) -> str:
    """Return an error's words on one line."""
    return " ".join(str(err).split()) or type(err).__name__


def is_lost(err: Exception) -> bool:
    """Return whether an error means that the connection is of no more use."""
    return isinstance(err, _LOST)
