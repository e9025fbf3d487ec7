"""H-Core's end of the forkserver."""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hairem_core.hotplug.errors import ForkserverError
from hairem_core.hotplug.sandbox import SandboxSpec

_LOGGER = logging.getLogger(__name__)
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
_SERVER = (sys.executable, "-P", "-m", "hairem_core.hotplug._zygote")
_LONGEST_REQUEST = 60_000
"""Bytes that the server takes in one."""


@dataclass(kw_only=True)
class Child:
    """A forked process as H-Core sees it."""

    pid: int
    socket: socket.socket
    output: int
    """Read end of the pipe that takes its stdout and stderr; the owner closes it."""
    ended: asyncio.Future[int] = field(repr=False)
    """Its exit code, negative for a signal."""
    protections: dict[str, str]
    """What shields the house from it, by name: `active…`, or `inactive: ` and why.

    The names are `user`, `files`, `network`, `processes`, `memory` and `descriptors`.
    """


@dataclass(frozen=True)
class _Forked:
    pid: int
    protections: dict[str, str]
    ended: asyncio.Future[int]


class _Refused(Exception):
    """The server did not fork."""


class Forkserver:
    """Forks agent processes from one that has everything imported.

    A fork takes milliseconds where a fresh interpreter takes half a second. The server is started
    with an environment of its own, and started again when it dies: its agents die with it.
    """

    def __init__(
        self,
        module: str = "hairem_core.hotplug.agent_process",
        *,
        time_zone: str | None = None,
    ) -> None:
        """`module` is the one whose `run(socket)` each process is; `time_zone` the name of the zone
        that is theirs, None the system's.
        """
        self._module = module
        self._time_zone = time_zone
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._requests: dict[int, asyncio.Future[_Forked]] = {}
        self._children: dict[int, asyncio.Future[int]] = {}
        self._starting = asyncio.Lock()
        self._next = 0
        self.losses = 0
        """How often it ended, or was stopped: its agents ended with it, not by themselves."""

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
        if self._time_zone is not None:
            environment["TZ"] = self._time_zone
        with theirs:
            self._process = await asyncio.to_thread(
                subprocess.Popen,
                [*_SERVER, str(theirs.fileno()), self._module],
                env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._control = ours
        asyncio.get_running_loop().add_reader(ours, self._read, ours)

    async def fork(self, spec: SandboxSpec, timeout: float = 10.0) -> Child:
        """Return a new agent process, which is in its sandbox already. Raises ForkserverError."""
        self._next += 1
        request = self._next
        body = json.dumps({"request": request, "spec": spec.to_json()}).encode()
        if len(body) > _LONGEST_REQUEST:
            raise ForkserverError(
                f"the agent's permissions make {len(body):,} bytes, {_LONGEST_REQUEST:,} at most",
                hint="Let its manifest list fewer ports under `network`, or no ports at all.",
            )
        async with self._starting:
            if self._control is None:
                await self.start()
        control = self._control
        if control is None:
            raise _does_not_fork(OSError("it ended"))
        ours, theirs = socket.socketpair()
        output, agent_output = os.pipe()
        future: asyncio.Future[_Forked] = asyncio.get_running_loop().create_future()
        self._requests[request] = future
        try:
            socket.send_fds(control, [body], [theirs.fileno(), agent_output])
            forked = await asyncio.wait_for(future, timeout)
        except BaseException as err:
            ours.close()
            os.close(output)
            if isinstance(err, _Refused):
                raise ForkserverError(
                    f"no process could be made for the agent: {err}",
                    where=str(spec.working_folder),
                    hint="This folder must be there and be H-Core's. If it is, then memory, "
                    "processes or descriptors have run out.",
                ) from err
            if isinstance(err, OSError):  # TimeoutError is one.
                raise _does_not_fork(err) from err
            raise
        finally:
            self._requests.pop(request, None)
            theirs.close()
            os.close(agent_output)
        return Child(
            pid=forked.pid,
            socket=ours,
            output=output,
            ended=forked.ended,
            protections=forked.protections,
        )

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
        if "ended" in event:
            ended = self._children.pop(event["ended"])
            if not ended.done():
                ended.set_result(event["status"])
            return
        future = self._requests.get(event["request"])
        if future is not None and future.done():
            future = None
        if "failed" in event:
            if future is not None:
                future.set_exception(_Refused(event["failed"]))
            return
        ended = asyncio.get_running_loop().create_future()
        self._children[event["forked"]] = ended
        if future is not None:
            future.set_result(_Forked(event["forked"], event["protections"], ended))
        else:
            # Nobody waits any more, and nobody would ever end it.
            with suppress(ProcessLookupError):
                os.killpg(event["forked"], signal.SIGKILL)

    def _lose_control(self) -> None:
        if self._control is not None:
            self.losses += 1
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


def _does_not_fork(err: OSError) -> ForkserverError:
    return ForkserverError(
        f"the forkserver does not fork: {str(err) or 'no answer'}",
        hint="See the log; memory or processes may have run out.",
    )
