"""The web server: it listens first, and serves when there is something to serve."""

import asyncio
import errno
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import uvicorn
from fastapi import FastAPI

from hairem_core.api.memory_files import is_no_break_off
from hairem_core.errors import HairemError


class AddressInUse(HairemError):
    """The bridge cannot listen where it should."""

    code = "address_in_use"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes any. Raises AddressInUse."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is named: 40 ms a frame else.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as err:
        listener.close()
        what = "is in use" if err.errno == errno.EADDRINUSE else f"cannot be used: {err.strerror}"
        raise AddressInUse(
            f"address {host}:{port} {what}",
            where="api.port" if err.errno == errno.EADDRINUSE else "api.host",
            hint="Stop what listens there, or choose another with --port or in system.yaml.",
        ) from err
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> str:
    """Return `host:port` of a socket that listens."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class WebServer:
    """Serves an application, from `start` to `stop`."""

    def __init__(self, server: uvicorn.Server, task: asyncio.Task[None]) -> None:
        self._server = server
        self._task = task

    @classmethod
    async def start(cls, app: FastAPI, listener: socket.socket) -> Self:
        """Return the server once it serves."""
        server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                # Who asks is who is connected: anybody can write X-Forwarded-For.
                proxy_headers=False,
                ws_max_size=1024 * 1024,
                ws_ping_interval=20,
                ws_ping_timeout=20,
                timeout_graceful_shutdown=2,
                lifespan="off",
            )
        )
        logging.getLogger("uvicorn.error").addFilter(is_no_break_off)
        task = asyncio.create_task(server.serve([listener]), name="api")
        while not server.started:
            if task.done():
                task.result()
            await asyncio.sleep(0.005)
        return cls(server, task)

    async def stop(self) -> None:
        """End; who is connected is let go."""
        self._server.should_exit = True
        await asyncio.gather(self._task, return_exceptions=True)


class _Server(uvicorn.Server):
    """A web server that leaves signals to the command it runs in."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
