"""H-Core's end of the forkserver."""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from hairem_core.hotplug.errors import ForkserverError

_LOGGER = logging.getLogger(__name__)
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")


@dataclass(kw_only=True)
class Child:
    """A forked process as H-Core sees it."""

    pid: int
    socket: socket.socket
    output: int
    """Read end of the pipe that takes its stdout and stderr; the owner closes it."""
    ended: asyncio.Future[int] = field(repr=False)
    """Its exit code, negative for a signal."""


class Forkserver:
    """Forks agent processes from one that has everything imported.

    A fork takes milliseconds where a fresh interpreter takes half a second. The server is started
    with an environment of its own, and started again when it dies: its agents die with it.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._requests: dict[int, asyncio.Future[int]] = {}
        self._children: dict[int, asyncio.Future[int]] = {}
        self._ended_early: dict[int, int] = {}
        self._next = 0

    @property
    def pid(self) -> int | None:
        """The process id of the server."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the server; the first fork waits until it has imported everything."""
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        environment = {key: os.environ[key] for key in _KEPT_ENVIRONMENT if key in os.environ}
        with theirs:
            self._process = await asyncio.to_thread(
                subprocess.Popen,
                [sys.executable, "-P", "-m", "hairem_core.hotplug._zygote", str(theirs.fileno())],
                env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._control = ours
        asyncio.get_running_loop().add_reader(ours, self._read, ours)

    async def fork(self, working_folder: Path, timeout: float = 10.0) -> Child:
        """Return a new agent process. Raises ForkserverError."""
        if self._control is None:
            await self.start()
        assert self._control is not None
        ours, theirs = socket.socketpair()
        output, agent_output = os.pipe()
        self._next += 1
        request = self._next
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._requests[request] = future
        body = json.dumps({"request": request, "working_folder": str(working_folder)}).encode()
        try:
            socket.send_fds(self._control, [body], [theirs.fileno(), agent_output])
            pid = await asyncio.wait_for(future, timeout)
        except (OSError, TimeoutError) as err:
            ours.close()
            os.close(output)
            raise ForkserverError(
                f"the forkserver does not fork: {str(err) or 'no answer'}",
                hint="See the log; memory or processes may have run out.",
            ) from err
        finally:
            self._requests.pop(request, None)
            theirs.close()
            os.close(agent_output)
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if pid in self._ended_early:
            ended.set_result(self._ended_early.pop(pid))
        else:
            self._children[pid] = ended
        return Child(pid=pid, socket=ours, output=output, ended=ended)

    async def stop(self) -> None:
        """End the server and with it every process it forked."""
        self._lose_control()
        if self._process is not None:
            try:
                await asyncio.to_thread(self._process.wait, 5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
            self._process = None

    def _read(self, control: socket.socket) -> None:
        try:
            body = control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            body = b""
        if not body:
            _LOGGER.error("The forkserver ended")
            self._lose_control()
            return
        event = json.loads(body)
        if "forked" in event:
            future = self._requests.get(event["request"])
            if future is not None and not future.done():
                future.set_result(event["forked"])
        elif (ended := self._children.pop(event["ended"], None)) is not None:
            if not ended.done():
                ended.set_result(event["status"])
        else:
            self._ended_early[event["ended"]] = event["status"]

    def _lose_control(self) -> None:
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        for future in self._requests.values():
            if not future.done():
                future.set_exception(OSError("it ended"))
        for ended in self._children.values():
            if not ended.done():
                ended.set_result(-9)
        self._children.clear()
