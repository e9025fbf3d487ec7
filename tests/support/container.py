"""The image under test, run by podman. `scripts/test-image` builds it and says how to reach podman.

Containers use the network of the machine: their H-Core is reached like any other.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psutil

from tests.support.child import Child, ProgramError, free_port
from tests.support.core_process import CoreProcess

IMAGE = os.environ.get("HAIREM_TEST_IMAGE", "")
UID = 10001

UNPRIVILEGED = (
    f"--user={UID}:{UID}",
    "--read-only",
    # Nothing is writable but what is listed here, as in Kubernetes.
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp:rw,nosuid,nodev,size=64m,mode=1777",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
)
"""Kubernetes' restricted profile, and a read-only root."""
_ONCE = ("run", "--rm", "--no-healthcheck")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a program ended."""

    code: int
    out: str
    err: str


def podman(*arguments: str | Path, timeout: float = 60) -> Outcome:
    """Run podman to its end."""
    done = subprocess.run(
        ["podman", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Outcome(code=done.returncode, out=done.stdout, err=done.stderr)


def run(*arguments: str, options: Sequence[str] = (), timeout: float = 60) -> Outcome:
    """Run the image's entrypoint with these arguments, in a container of its own, to its end."""
    return podman(*_ONCE, "--network=host", *options, IMAGE, *arguments, timeout=timeout)


def shell(script: str, *options: str) -> str:
    """Return what a shell prints in a container of its own. Raises ProgramError."""
    done = podman(*_ONCE, "--network=none", "--entrypoint=sh", *options, IMAGE, "-c", script)
    if done.code != 0:
        raise ProgramError(f"sh ended with exit code {done.code}: {done.err}")
    return done.out


class Container:
    """`hairem up` in a container with its data in a folder or volume; start it again at will.

    `options` are podman's, `arguments` those of `hairem up`. Use `async with`.
    """

    def __init__(
        self,
        data: Path | str,
        log: Path,
        *,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        config: Path | None = None,
    ) -> None:
        """`config` takes the place of the image's system.yaml."""
        self.data = data
        self.port = free_port()
        self.child = Child("the container", log)
        self.name = f"hairem-test-{uuid4().hex[:12]}"
        self.options = [*options, f"--volume={data}:/data"]
        self.options += [f"--env={name}={value}" for name, value in (environment or {}).items()]
        if config is not None:
            self.options.append(f"--volume={config}:/app/config/system.yaml:ro")
        self._arguments = arguments

    @property
    def address(self) -> str:
        """Where its H-Core listens."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.remove()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.remove()

    async def launch(self) -> None:
        """Start it, and do not wait for it."""
        await self.remove()
        command = ["podman", "run", "--rm", f"--name={self.name}", "--network=host"]
        up = ["up", "--port", str(self.port), *self._arguments]
        await self.child.start([*command, *self.options, IMAGE, *up], env=os.environ)

    async def start(self, *, timeout: float = 60) -> None:
        """Start it, and return when its H-Core listens. Raises ProgramError."""
        await self.launch()
        await self.child.wait_for_output("listens on", timeout=timeout)

    async def stop(self, *, seconds: int = 5) -> int:
        """Send SIGTERM, and SIGKILL after so many seconds; return the exit code."""
        await self._podman("stop", "--time", str(seconds), self.name)
        return await self.child.wait()

    async def kill(self) -> None:
        """Kill everything in it."""
        await self._podman("kill", "--signal", "KILL", self.name)
        await self.child.wait()

    async def remove(self) -> None:
        """Let nothing of it stay behind but the data."""
        await self._podman("rm", "--force", "--time", "0", self.name)
        if self.child.pid is not None:
            await self.child.wait()

    async def execute(self, *command: str) -> Outcome:
        """Run a command inside, as `docker exec` does."""
        return await asyncio.to_thread(podman, "exec", self.name, *command)

    async def hairem(self, *arguments: str) -> Outcome:
        """Run the `hairem` command inside."""
        return await self.execute("hairem", *arguments)

    async def inspect(self) -> dict[str, Any]:
        """Return what podman knows of it."""
        found: list[dict[str, Any]] = json.loads((await self._podman("inspect", self.name)).out)
        return found[0]

    async def processes(self) -> list[psutil.Process]:
        """Return its processes, as the machine outside sees them; the first is number 1 inside."""
        first = psutil.Process((await self.inspect())["State"]["Pid"])
        return [first, *first.children(recursive=True)]

    async def zombies(self) -> list[int]:
        """Return the ids of those that have ended and were not waited for."""
        found = []
        for process in await self.processes():
            with suppress(psutil.NoSuchProcess):
                if process.status() == psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
        return found

    async def token(self, name: str = "test") -> str:
        """Return a new token for a client."""
        made = await self.hairem("token", "new", name)
        assert made.code == 0, made.err
        return made.out.strip()

    async def _podman(self, *arguments: str) -> Outcome:
        return await asyncio.to_thread(podman, *arguments)


class ContainerCore(CoreProcess):
    """H-Core in a container, where tests expect a process: it can be given to a `House`."""

    def __init__(self, folder: Path, *, model_base: str | None = None) -> None:
        super().__init__(folder, model_base=model_base)
        data = folder / "data"
        give(data)
        self.data = data / "hairem"
        self.container = Container(
            data, folder / "container.log", options=UNPRIVILEGED, config=self._config
        )
        self.child = self.container.child
        self.port = self.container.port

    async def start(self, *, timeout: float = 60.0) -> None:
        """Start, and return when people can be answered. Raises ProgramError."""
        (self.data / "address").unlink(missing_ok=True)
        await self.container.launch()
        await self._wait_until_up(timeout)

    async def stop(self) -> int | None:
        """Stop it, as its administrator would; return the exit code, None where it did not run."""
        code = await self.container.stop() if self.child.pid is not None else None
        await self.container.remove()
        return code

    async def kill(self) -> None:
        """Kill everything in it."""
        await self.container.kill()

    def token(self, name: str) -> str:
        """Return a new token for a client of that name. Raises ProgramError."""
        done = podman("exec", self.container.name, "hairem", "token", "new", name)
        if done.code != 0:
            raise ProgramError(f"hairem token new: {done.err.strip() or done.code}")
        return done.out.strip()


def give(folder: Path, uid: int = UID) -> Path:
    """Make a folder, give it to a user of the image, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chown(folder, uid, uid)
    return folder
