"""A SurrealDB 3 server of a test's own, on a free port: startable, killable, and startable again.

It is the real engine, in the official package for Node, behind a few lines that speak the
protocol: see `surrealdb3/server.cjs` for what is not as in a server. `scripts/_prepare.sh tests`
installs it.
"""

import hashlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
