"""Memory without an H-Core: the same HTTP routes, on a socket that only this command knows."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from uuid import UUID

import uvicorn
from fastapi import FastAPI

from hairem_core.api import memory_files
from hairem_core.api.dreams import Dreams
from hairem_core.api.memory import memory_router
from hairem_core.cli.bundles import agents_folders, bundles
from hairem_core.cli.places import NotRunning, Places
from hairem_core.config.system import SystemConfig
from hairem_core.data import COMMAND, DataFolder
from hairem_core.errors import HairemError
from hairem_core.hotplug.bundle import read_manifest
from hairem_core.llm.gateway import ModelGateway
from hairem_core.memory.agents import Identify
from hairem_core.memory.archive import reach
from hairem_core.memory.service import MemoryService

_LONGEST_FOLDER = 80
"""Bytes of a folder's path in which one more folder and a socket have room."""


@asynccontextmanager
async def serve_alone(places: Places, *, make: bool = False) -> AsyncGenerator[Path]:
    """Yield the Unix socket on which the memory of a stopped house is served meanwhile.

    No H-Core can be started on the data folder until this ends. Raises NotRunning where there is no
    memory (unless `make`) or it is on a server, DataFolderError, MemoryUnavailable, ConfigError,
    HairemError where there is no place for the socket.
    """
    config = places.load_config()
    _check(places, config, make=make)
    data = DataFolder(places.data)
    data.lock(by=COMMAND)
    try:
        async with _opened(config, data, _crew(places)) as service:
            app = FastAPI(openapi_url=None)
            dreams = Dreams(service.dreamer, config.house.language)
            app.include_router(memory_router(service, dreams, lambda _: True))
            async with _serving(app) as path:
                yield path
    finally:
        data.unlock()


def _check(places: Places, config: SystemConfig, *, make: bool) -> None:
    if config.memory.url is not None:
        # Opening it would take it over from an H-Core on another machine, which writes no more.
        raise NotRunning(
            "no H-Core runs on this data folder, and its memory is on a server",
            where=str(places.data),
            hint="Start it with `hairem up`.",
        )
    if not make and not (places.data / "memory").is_dir():
        raise NotRunning(
            "no H-Core runs on this data folder, and there is no memory in it",
            where=str(places.data),
            hint="Name the house's folder with --data, or start it with `hairem up`.",
        )


def _crew(places: Places) -> Identify:
    """Return what knows the agents that would run here; it looks once it is asked."""

    @cache
    def known() -> dict[str, UUID]:
        found: dict[str, UUID] = {}
        with suppress(OSError):  # what is wrong with folders and bundles, `hairem doctor` says
            for bundle in (each for folder in agents_folders(places) for each in bundles(folder)):
                with suppress(HairemError):
                    manifest = read_manifest(bundle)
                    found.setdefault(manifest.id, manifest.effective_uuid)
        return found

    return lambda agent_id: known().get(agent_id)


@asynccontextmanager
async def _opened(
    config: SystemConfig, data: DataFolder, identify: Identify
) -> AsyncGenerator[MemoryService]:
    """Yield the memory as it lies there; nothing works on it unasked."""
    gateway = ModelGateway(config.llm)
    try:
        service = await MemoryService.open(
            data.path,
            config.memory,
            language=config.house.language,
            identify=identify,
            embedder=gateway.embedder,
            model=gateway,
        )
        try:
            yield service
        finally:
            await service.close()
    finally:
        await gateway.close()


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncGenerator[Path]:
    with _listening() as (listener, path), _told_by_answers():
        server = _Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
            )
        )
        logging.getLogger("uvicorn.error").addFilter(memory_files.is_no_break_off)
        task = asyncio.create_task(server.serve([listener]), name="memory")
        try:
            while not server.started:
                if task.done():
                    task.result()
                await asyncio.sleep(0.005)
            yield path
        finally:
            server.should_exit = True
            await asyncio.gather(task, return_exceptions=True)


@contextmanager
def _listening() -> Iterator[tuple[socket.socket, Path]]:
    """Yield a socket with its path, in a folder that this user alone may enter.

    Raises HairemError.
    """
    with ExitStack() as stack:
        try:
            usual = gettempdir()
            # The address of a socket holds some hundred bytes.
            place = usual if len(os.fsencode(usual)) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108
            folder = stack.enter_context(TemporaryDirectory(prefix="hairem-", dir=place))
            path = Path(folder) / "memory"
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
        except OSError as err:
            raise HairemError(
                f"there is no place for temporary files: {err.strerror or err}",
                where="TMPDIR",
                hint="Set it to a folder that this user may write, of a short path.",
            ) from err
        yield listener, path


@contextmanager
def _told_by_answers() -> Iterator[None]:
    """Keep out of the log what is said to this command as well, which tells it."""
    loggers = [logging.getLogger(each.__name__) for each in (memory_files, reach)]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


class _Server(uvicorn.Server):
    """A web server that leaves signals to the command it runs in."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
