"""SurrealDB 3 servers on free ports: of a test's own, to be killed and started again, or several
in one process, each for a test that only asks it.

It is the real engine, in the official package for Node, behind a few lines that speak the
protocol: see `surrealdb3/server.cjs` for what is not as in a server. `scripts/_prepare.sh tests`
installs it.
"""

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tests.support.child import Child, clean_environment, free_port

_HERE = Path(__file__).with_name("surrealdb3")


class SurrealDB3:
    """A server that keeps its data in one folder, at the same address at every start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        self.port = free_port()
        self._child = Child("SurrealDB 3", folder / "server.log")

    @property
    def url(self) -> str:
        """The address for `memory.url`."""
        return f"ws://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and return when it may be asked. Raises ProgramError."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        modules = installed()
        await self._child.start(
            ["node", _HERE / "server.cjs", f"surrealkv://{self.folder}", str(self.port)],
            env=clean_environment() | {"NODE_PATH": str(modules)},
        )
        await self._child.wait_for_output("listening on")

    async def kill(self) -> None:
        """End it as `kill -9` would, also while it is frozen."""
        await self._child.kill()

    def freeze(self) -> None:
        """Have it take part in nothing any more, its connections open: SIGSTOP."""
        assert self._child.pid is not None
        os.kill(self._child.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._child.pid is not None
        os.kill(self._child.pid, signal.SIGCONT)


class ManySurrealDB3:
    """Servers in one process: its engine takes a second to start, and each after that no time.

    End it with `stop`.
    """

    def __init__(self) -> None:
        environment = clean_environment() | {"NODE_PATH": str(installed())}
        # By itself each engine would keep what it reads in up to half of the machine's memory.
        environment["SURREAL_SURREALKV_BLOCK_CACHE_CAPACITY"] = str(16 * 2**20)
        self._process = subprocess.Popen(
            ["node", _HERE / "server.cjs"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def open(self, folder: Path) -> Iterator[str]:
        """Yield the address of an empty server that keeps its data in `folder`."""
        self._say(f"surrealkv://{folder}")
        assert self._process.stdout is not None
        told = self._process.stdout.readline()
        assert told.startswith("listening on "), told
        port = int(told.split()[-1])
        yield f"ws://127.0.0.1:{port}"
        self._say(f"close {port}")

    def stop(self) -> None:
        """End all of them."""
        with self._process:
            self._process.kill()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


@asynccontextmanager
async def running_surrealdb3(folder: Path) -> AsyncIterator[SurrealDB3]:
    """Yield a server that has its data in `folder`."""
    server = SurrealDB3(folder)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


def installed() -> Path:
    """Return the folder of its packages. Without it, skips a test; in CI the test fails."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(os.environ.get("HAIREM_CACHE") or Path(cache, "hairem"))
    lock = hashlib.sha256((_HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    modules = root / "surrealdb3" / lock / "node_modules"
    missing = "node" if shutil.which("node") is None else None
    if missing is None and not modules.is_dir():
        missing = str(modules)
    if missing is not None:
        words = f"{missing} is missing: run  scripts/_prepare.sh tests"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    return modules
