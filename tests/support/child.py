"""A program under test, run as a process of its own, its output kept in a file."""

import asyncio
import os
import random
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

BIN = Path(sys.executable).parent
"""Where the programs of the virtual environment are."""
ROOT = Path(__file__).resolve().parents[2]
"""The clone."""


class ProgramError(Exception):
    """A program did not start, or died. Holds the last lines it wrote."""


_PORTS = range(20_000, 32_000)
"""Below those that Linux gives to whoever connects: it would give away what was found free."""


def free_port() -> int:
    """Return a TCP port that nobody listens on at this moment, on any address.

    Drawn by chance, so that it is not what another process of the tests was just given.
    """
    for port in random.SystemRandom().sample(_PORTS, 100):  # what tests seed is not ours
        if is_free(port, host=""):
            return port
    raise ProgramError(f"a hundred ports from {_PORTS.start} to {_PORTS.stop} are all taken")


def is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Return whether a server could listen on this TCP port, of the loopback or of `host`."""
    with socket.socket() as probe:
        # What a server that has just ended leaves behind is no obstacle to the next.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would change how the programs behave."""
    hidden = ("HAIREM_", "PYTEST_", "OPENAI_", "COV_CORE_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    kept["PATH"] = f"{BIN}{os.pathsep}{kept.get('PATH', os.defpath)}"
    kept["PYTHONUNBUFFERED"] = "1"
    return kept


class Child:
    """Runs one program at a time, again and again if wanted; each run adds to the same log."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: Process | None = None
        self._offset = 0

    @property
    def pid(self) -> int | None:
        """The process id, None while it does not run."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else None

    @property
    def output(self) -> str:
        """What it has written since it was last started."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[self._offset :].decode(errors="replace")

    async def start(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start the program, in a session of its own. Raises ProgramError if it cannot be run."""
        if self.pid is not None:
            raise ProgramError(f"{self.name} runs already, as process {self.pid}")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as sink:
            self._offset = sink.tell()
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *map(str, command),
                    stdin=DEVNULL,
                    stdout=sink,
                    stderr=sink,
                    cwd=cwd or ROOT,
                    env=dict(env) if env is not None else clean_environment(),
                    start_new_session=True,
                )
            except OSError as err:
                raise ProgramError(f"{self.name} cannot be run: {err}") from err

    def check(self) -> None:
        """Raise ProgramError, with its last words, if the program is not running."""
        if self.pid is None:
            code = self._process.returncode if self._process else None
            raise ProgramError(f"{self.name} ended with exit code {code}:\n{self.last_words()}")

    def last_words(self, lines: int = 25) -> str:
        """Return the end of its output."""
        return "\n".join(self.output.splitlines()[-lines:]) or "(it wrote nothing)"

    async def wait_for_output(self, text: str, *, timeout: float = 30.0) -> str:
        """Return the first line that holds `text`. Raises ProgramError if there is none in time."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for line in self.output.splitlines():
                if text in line:
                    return line
            self.check()
            await asyncio.sleep(0.05)
        raise ProgramError(
            f"{self.name} did not write {text!r} within {timeout:g} s:\n{self.last_words()}"
        )

    async def wait(self, *, timeout: float = 30.0) -> int:
        """Return its exit code. Raises TimeoutError."""
        assert self._process is not None
        async with asyncio.timeout(timeout):
            return await self._process.wait()

    async def stop(self, *, timeout: float = 30.0) -> int | None:
        """End it as an administrator would, with SIGTERM; by force when that takes too long.

        Returns the exit code, None where it did not run.
        """
        if self.pid is None or self._process is None:
            return None
        self._process.terminate()
        try:
            return await self.wait(timeout=timeout)
        except TimeoutError:
            await self.kill()
            return self._process.returncode
        finally:
            self._kill_group(self._process.pid)

    async def kill(self) -> None:
        """Kill the program itself, as kill -9 or the kernel out of memory would."""
        if self.pid is not None and self._process is not None:
            self._process.kill()
            await self._process.wait()

    def kill_everything(self) -> None:
        """Kill the program and whatever it started, at once; for the way out of a failed start."""
        if self._process is not None:
            self._kill_group(self._process.pid)

    @staticmethod
    def _kill_group(group: int) -> None:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError, PermissionError:
            return
