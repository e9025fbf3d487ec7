"""Erasing messages from Redis, so that nothing of them is left in its memory or in its files.

XDEL alone would not do: it marks an entry as deleted inside a block of a stream, and the block goes
into the append-only file as it is. A stream that held something to be erased is therefore written
anew, in one step and under its own ids: what waits, what is under way and who reads where stay as
they were (https://redis.io/docs/latest/commands/xsetid/).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from hairem_core.hlink import keys
from hairem_core.hlink.connection import outage_is_unavailable
from hairem_core.hlink.errors import BusError
from hairem_core.sdk.message import Message

_PAGE = 500
_REWRITE_SECONDS = 300.0
"""How long a rewrite of the append-only file may take: some seconds for each gigabyte."""
_REWRITE = """
local key, drop = KEYS[1], {}
for _, id in ipairs(cjson.decode(ARGV[1])) do drop[id] = true end
if redis.call('EXISTS', key) == 0 then return 0 end
local about, raw = {}, redis.call('XINFO', 'STREAM', key)
for i = 1, #raw, 2 do about[raw[i]] = raw[i + 1] end
local dropped, kept, highest = {}, {}, about['max-deleted-entry-id'] or '0-0'
for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
    if drop[entry[1]] then dropped[#dropped + 1] = entry[1] else kept[#kept + 1] = entry end
end
if #dropped == 0 then return 0 end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local name
    for i = 1, #group, 2 do if group[i] == 'name' then name = group[i + 1] end end
    for _, id in ipairs(dropped) do redis.call('XACK', key, name, id) end
end
redis.call('XTRIM', key, 'MAXLEN', '=', '0')
redis.call('XSETID', key, '0-0')
for _, entry in ipairs(kept) do redis.call('XADD', key, entry[1], unpack(entry[2])) end
redis.call('XSETID', key, about['last-generated-id'],
    'ENTRIESADDED', about['entries-added'], 'MAXDELETEDID', dropped[#dropped])
return #dropped
"""

type Matches = Callable[[Message], bool]
type Words = Callable[[str], bool]


class Eraser:
    """Erases messages from inboxes, journal and dead letters.

    What waits in an inbox goes too, and what is under way is acknowledged: were it handled later,
    it would be remembered again. A handler that runs at this moment is not stopped.
    """

    def __init__(self, redis: Redis, *, is_private: bool) -> None:
        """`is_private`: the server is ours alone, and its files are ours to write anew."""
        self._redis = redis
        self._is_private = is_private

    @property
    def reaches_files(self) -> bool:
        """Whether the server's files hold nothing of it either."""
        return self._is_private

    async def count(self, matches: Matches, words: Words) -> int:
        """Return how many messages `erase` would erase. Raises BusUnavailable."""
        async with outage_is_unavailable(self._redis):
            return sum(
                [
                    len([each async for each in self._matching(stream, matches, words)])
                    async for stream in self._streams()
                ]
            )

    async def erase(self, matches: Matches, words: Words) -> int:
        """Erase every message that `matches`, and return how many there were.

        `words` tells whether a text holds what must go: it is asked of what is no message, and of
        the reasons of dead letters. Doing it again does no harm. Raises BusUnavailable, BusError.
        """
        async with outage_is_unavailable(self._redis):
            erased = 0
            async for stream in self._streams():
                erased += await self._erase_from(stream, matches, words)
            if self._is_private:
                await self._write_files_anew()
            return erased

    async def _erase_from(self, stream: str, matches: Matches, words: Words) -> int:
        found = [each async for each in self._matching(stream, matches, words)]
        if not found:
            return 0
        if stream == keys.DEAD:
            await self._redis.hdel(keys.RESENT, *found)
        erased: Any = await self._redis.eval(_REWRITE, 1, stream, json.dumps(found))
        return int(erased)

    async def _streams(self) -> AsyncIterator[str]:
        yield keys.JOURNAL
        yield keys.DEAD
        # Inboxes of agents that are no longer registered are there too.
        pattern = keys.inbox("*", keys.LANES[0]).removesuffix(keys.LANES[0].value.lower())
        async for name in self._redis.scan_iter(match=f"{pattern}p[0-3]", count=1000):
            yield name.decode()

    async def _matching(self, stream: str, matches: Matches, words: Words) -> AsyncIterator[str]:
        start = "-"
        while entries := await self._page(stream, start):
            for entry_id, fields in entries:
                if _is_meant(fields, matches, words):
                    yield entry_id.decode()
            start = f"({entries[-1][0].decode()}"

    async def _page(self, stream: str, start: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        entries: Any = await self._redis.xrange(stream, min=start, count=_PAGE)
        # An entry that was deleted by hand has no fields.
        return [(entry_id, fields or {}) for entry_id, fields in entries]

    async def _write_files_anew(self) -> None:
        """Write what is in memory to new files, and have the old ones removed."""
        before = await self._persistence()
        if before["aof_enabled"]:
            await self._once_free(self._redis.bgrewriteaof)
            await self._until("aof_rewrite_in_progress", "aof_rewrite_scheduled")
            await self._check("aof_last_bgrewrite_status")
        # A file that was written once, before the server kept an append-only one.
        if before["rdb_last_save_time"] and await self._has_snapshots():
            await self._once_free(self._redis.bgsave)
            await self._until("rdb_bgsave_in_progress")
            await self._check("rdb_last_bgsave_status")

    async def _has_snapshots(self) -> bool:
        settings: Any = await self._redis.config_get("save")
        return bool(settings.get("save") or settings.get(b"save"))

    async def _once_free(self, begin: Callable[[], Any]) -> None:
        """Begin a rewrite; one that was under way began too early to count."""
        await self._until("aof_rewrite_in_progress", "rdb_bgsave_in_progress")
        try:
            await begin()
        except ResponseError as err:
            if "already in progress" not in str(err):
                raise
            await self._until("aof_rewrite_in_progress", "rdb_bgsave_in_progress")
            await begin()

    async def _until(self, *flags: str) -> None:
        """Wait until none of the flags is set."""
        try:
            async with asyncio.timeout(_REWRITE_SECONDS):
                while await self._is_any(flags):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError as err:
            raise BusError(
                f"Redis did not write its files anew within {_REWRITE_SECONDS:g} seconds",
                hint="Look at its log and at the free space; it is tried again each night.",
            ) from err

    async def _check(self, status: str) -> None:
        if (told := (await self._persistence())[status]) != "ok":
            raise BusError(
                f"Redis could not write its files anew ({status}: {told})",
                hint="Look at its log and at the free space; it is tried again each night.",
            )

    async def _is_any(self, flags: tuple[str, ...]) -> bool:
        told = await self._persistence()
        return any(told[each] for each in flags)

    async def _persistence(self) -> dict[str, Any]:
        told: dict[str, Any] = await self._redis.info("persistence")
        return told


def _is_meant(fields: dict[bytes, bytes], matches: Matches, words: Words) -> bool:
    raw = fields.get(keys.FIELD.encode(), b"")
    reason = fields.get(b"reason", b"").decode(errors="replace")
    if reason and words(reason):
        return True
    try:
        return matches(Message.model_validate_json(raw))
    except ValidationError:
        return words(raw.decode(errors="replace"))
