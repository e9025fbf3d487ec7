"""The `hairem` command as a process of its own."""

import asyncio
import os
import resource
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from tests.support.core import ROOT


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


async def hairem(*arguments: str | Path, timeout: float = 40, **environment: str) -> Outcome:
    """Run the command to its end."""
    process = await _start(arguments, environment)
    try:
        async with asyncio.timeout(timeout):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode is not None
    return Outcome(code=process.returncode, out=out.decode(), err=err.decode())


async def hairem_on_a_full_disk(*arguments: str | Path, **environment: str) -> Outcome:
    """Run the command to its end, where nothing can be written to standard output."""
    with Path("/dev/full").open("wb") as full:
        return await _unread(arguments, environment, full)


async def hairem_without_a_reader(*arguments: str | Path, **environment: str) -> Outcome:
    """Run the command to its end, where who read standard output has gone, as in `| head`."""
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as pipe:
        return await _unread(arguments, environment, pipe)


async def hairem_closed(*arguments: str | Path, **environment: str) -> Outcome:
    """Run the command to its end, where standard output is closed, as with `>&-`."""
    process = await _start(arguments, environment, DEVNULL, preexec_fn=_close_output)
    async with asyncio.timeout(40):
        _, err = await process.communicate()
    assert process.returncode is not None
    return Outcome(code=process.returncode, out="", err=err.decode())


async def hairem_without_room(*arguments: str | Path, **environment: str) -> Outcome:
    """Run the command to its end, where no file takes a single byte; pipes do."""
    process = await _start(arguments, environment, preexec_fn=_take_no_bytes)
    async with asyncio.timeout(40):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Outcome(code=process.returncode, out=out.decode(), err=err.decode())


class RunningCore:
    """`hairem up` on a folder, until killed or stopped."""

    def __init__(self, data: Path, config: Path | None = None) -> None:
        self.data = data
        self._config = config
        self._process: Process | None = None
        self._output = ""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def start(self) -> None:
        options: list[str | Path] = ["up", "--port", "0", "--data", self.data]
        if self._config is not None:
            options += ["--config", self._config]
        self._process = await _start(options, {})
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            while "listens on" not in self._output:
                line = (await self._process.stdout.readline()).decode()
                assert line, (await self._process.stderr.read()).decode()  # type: ignore[union-attr]
                self._output += line
        self._drain = [
            asyncio.create_task(stream.read())
            for stream in (self._process.stdout, self._process.stderr)
            if stream is not None
        ]

    async def end(self) -> None:
        """Kill it if it still runs."""
        if self._process is not None and self._process.returncode is None:
            await self.stop(signal.SIGKILL)

    def kill(self) -> None:
        """Kill H-Core's process, and nothing else, with SIGKILL."""
        assert self._process is not None
        self._process.kill()

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it and return the exit code."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        async with asyncio.timeout(20):
            await self._process.wait()
            await asyncio.gather(*self._drain)
        self._output = ""
        assert self._process.returncode is not None
        return self._process.returncode

    @property
    def redis_url(self) -> str:
        return (self.data / "redis" / "address").read_text().strip()


def _close_output() -> None:
    os.close(1)


def _take_no_bytes() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


async def _unread(
    arguments: tuple[str | Path, ...], extra: dict[str, str], stdout: IO[bytes]
) -> Outcome:
    process = await _start(arguments, extra, stdout)
    async with asyncio.timeout(40):
        _, err = await process.communicate()
    assert process.returncode is not None
    return Outcome(code=process.returncode, out="", err=err.decode())


async def _start(
    arguments: tuple[str | Path, ...] | list[str | Path],
    extra: dict[str, str],
    stdout: int | IO[bytes] = PIPE,
    preexec_fn: Callable[[], None] | None = None,
) -> Process:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HAIREM_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hairem_core", *(str(each) for each in arguments)),
        cwd=ROOT,
        env=environment | {"COLUMNS": "200"} | extra,
        stdin=DEVNULL,
        stdout=stdout,
        stderr=PIPE,
        preexec_fn=preexec_fn,
    )
