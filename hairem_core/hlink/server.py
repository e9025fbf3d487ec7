"""A private redis-server, a child of H-Core on a Unix socket in its data folder."""

import asyncio
import logging
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from hairem_core.hlink.connection import create_client, outage_is_unavailable
from hairem_core.hlink.errors import RedisServerError

_LOGGER = logging.getLogger(__name__)
_LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel allows 107, see unix(7)."""
_START_SECONDS = 15.0
_USUAL = {"appendfsync": "everysec", "auto-aof-rewrite-percentage": "100"}
_STILL = {"appendfsync": "always", "auto-aof-rewrite-percentage": "0"}
"""What is acknowledged is in the file, and the file is not exchanged for another. In a copy its
end may be cut off: the server then loads what comes before.
https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
"""
_MOVING = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "aof_pending_bio_fsync")


class PrivateRedis:
    """Starts a redis-server, restarts it when it dies, stops it.

    What is on the bus is kept in an append-only file, so it outlives H-Core and the server. The
    address is written to `<folder>/address` for the commands that look at the bus from outside.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._temporary: Path | None = None
        self._last_words: deque[str] = deque(maxlen=20)
        self._socket = folder / "redis.sock"
        self._settings = _USUAL

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The process id of the server, None while there is none."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the server and wait until it answers. Raises RedisServerError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if len(bytes(self._socket)) > _LONGEST_SOCKET_PATH:
            self._temporary = Path(tempfile.mkdtemp(prefix="hairem-"))
            self._socket = self._temporary / "redis.sock"
        await self._end_orphan()
        await self._launch()
        (self._folder / "address").write_text(self.url + "\n")
        self._watcher = asyncio.create_task(self._keep_alive(), name="redis-server watch")

    async def stop(self) -> None:
        """Stop the server; it writes everything to disk first."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 10)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._process = None
        (self._folder / "address").unlink(missing_ok=True)
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    @asynccontextmanager
    async def standstill(self) -> AsyncGenerator[None]:
        """Let its files be such that a copy fits together, until it is left.

        They only grow meanwhile: messages are sent and acknowledged as ever. Entering waits for a
        rewrite of them that is under way. Raises BusUnavailable.
        """
        client = create_client(self.url)
        self._settings = _STILL  # also of a server that has to be started again meanwhile
        try:
            async with outage_is_unavailable(client):
                await _configure(client, _STILL)
                while any([(await client.info("persistence"))[each] for each in _MOVING]):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            yield
        finally:
            self._settings = _USUAL
            try:
                await _configure(client, _USUAL)
            except (RedisError, OSError) as err:
                _LOGGER.warning("redis-server keeps the settings of a backup: %s", err)
            await client.aclose()

    async def _end_orphan(self) -> None:
        """Shut down the server of an H-Core that was killed, so that its file has one writer."""
        address = self._folder / "address"
        if not address.exists():
            return
        client = Redis.from_url(address.read_text().strip(), retry=None)
        with suppress(RedisError, OSError, ValueError):
            await client.ping()
            _LOGGER.warning("Ending a redis-server left over by an H-Core that was killed")
            await client.shutdown(nosave=True)
        await client.aclose()

    async def _launch(self) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            raise RedisServerError(
                "redis-server is not installed",
                hint="Install it (Debian: apt install redis-server) or set redis.url.",
            )
        command = [
            binary,
            *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
            *("--dir", str(self._folder), "--appendonly", "yes"),
            *(word for name, value in self._settings.items() for word in (f"--{name}", value)),
            *("--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no"),
            *("--loglevel", "notice"),
        ]
        if setpriv := shutil.which("setpriv"):
            # Ends the server with H-Core, however H-Core ends.
            command = [setpriv, "--pdeathsig", "TERM", *command]
        self._socket.unlink(missing_ok=True)
        # A session of its own: Ctrl-C in a terminal is for H-Core, which then stops the server.
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read_log(self._process), name="redis-server log")
        await self._wait_until_ready(self._process)

    async def _read_log(self, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            text = line.decode(errors="replace").rstrip()
            self._last_words.append(text)
            _LOGGER.debug("redis-server: %s", text)

    async def _wait_until_ready(self, process: Process) -> None:
        client = Redis.from_url(self.url, retry=None)
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        try:
            while process.returncode is None:
                with suppress(RedisError, OSError):
                    if await client.ping():
                        return
                if asyncio.get_running_loop().time() > deadline:
                    break
                await asyncio.sleep(0.01)
        finally:
            await client.aclose()
        last = next((line for line in reversed(self._last_words) if "#" in line), "no word of why")
        if process.returncode is None:
            process.kill()
        raise RedisServerError(
            f"redis-server did not start: {last.partition('# ')[2] or last}",
            where=str(self._folder),
            hint="Look at its folder's permissions and free space.",
        )

    async def _keep_alive(self) -> None:
        pause = 0.1
        while True:
            assert self._process is not None
            status = await self._process.wait()
            _LOGGER.error("redis-server ended with status %s; starting it again", status)
            await asyncio.sleep(pause)
            try:
                await self._launch()
                pause = 0.1
            except RedisServerError as err:
                _LOGGER.error("%s", err)
                pause = min(pause * 2, 10.0)


async def _configure(client: Redis, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        await client.config_set(name, value)
