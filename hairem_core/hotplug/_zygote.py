"""The forkserver's process: everything an agent needs imported once, forked on request.

Run as `python -m hairem_core.hotplug._zygote FD MODULE`. FD is a SOCK_SEQPACKET socket; MODULE has
`run(socket)`, which is what a child does once it is in its sandbox. A request is a JSON object with
two descriptors: the agent's socket and the pipe for its output. Nothing of H-Core's environment,
descriptors or memory is here for an agent to find. There is one thread only: a fork copies one.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hairem_core.hotplug.sandbox import SandboxSpec
from hairem_core.hotplug.sandbox.apply import apply, prepare

_REPORT_BYTES = 65536


@dataclass
class _Starting:
    """A child that is on its way into its sandbox."""

    request: int
    pid: int


class _Zygote:
    def __init__(self, control: socket.socket, run: Callable[[socket.socket], None]) -> None:
        self._control = control
        self._run = run
        self._prepared = prepare()
        self._poll = select.poll()
        self._children: dict[int, int] = {}  # pidfd to pid
        self._starting: dict[int, _Starting] = {}  # read end of a child's report
        self._refused: set[int] = set()  # children that H-Core was never told of

    def serve(self) -> None:
        """Fork agents until H-Core closes its end, then end them all."""
        self._poll.register(self._control, select.POLLIN)
        gc.collect()
        gc.freeze()
        while True:
            # Reports first: nobody may hear of an end before they hear of the child.
            ready = {descriptor for descriptor, _ in self._poll.poll()}
            for descriptor in ready & self._starting.keys():
                self._take_report(descriptor)
            for descriptor in ready & self._children.keys():
                self._reap(descriptor)
            if self._control.fileno() in ready:
                body, descriptors = self._receive()
                if not body:
                    _end(self._children)
                    return
                self._fork(json.loads(body), descriptors)
                for each in descriptors:
                    os.close(each)

    def _receive(self) -> tuple[bytes, list[int]]:
        try:
            body, descriptors, _, _ = socket.recv_fds(self._control, 65536, 2)
        except ConnectionResetError:  # H-Core ended, and had not read all that it was told
            return b"", []
        return body, descriptors

    def _fork(self, request: dict[str, Any], descriptors: list[int]) -> None:
        number: int = request["request"]
        try:
            agent_socket, output = descriptors
            spec = SandboxSpec.from_json(request["spec"])
            self._prepared.prepare(spec)
            report, reporting = os.pipe()
        except (OSError, ValueError) as err:
            self._tell({"request": number, "failed": _say(err)})
            return
        try:
            pid = os.fork()
        except OSError as err:
            os.close(report)
            os.close(reporting)
            self._tell({"request": number, "failed": _say(err)})
            return
        if pid == 0:
            self._become_agent(spec, agent_socket, output, reporting)
        os.close(reporting)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)
        self._starting[report] = _Starting(number, pid)
        self._poll.register(report, select.POLLIN)

    def _take_report(self, descriptor: int) -> None:
        body = os.read(descriptor, _REPORT_BYTES)
        child = self._starting.pop(descriptor)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        report = json.loads(body) if body else {"failed": "the process ended on its way there"}
        if "failed" in report:
            self._refused.add(child.pid)
        else:
            report["forked"] = child.pid
        self._tell(report | {"request": child.request})

    def _reap(self, pidfd: int) -> None:
        pid = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        # While it is not waited for, its number can be nobody else's: what it started ends too.
        _end_group(pid)
        _, status = os.waitpid(pid, 0)
        if pid in self._refused:
            self._refused.discard(pid)
        else:
            self._tell({"ended": pid, "status": os.waitstatus_to_exitcode(status)})

    def _tell(self, event: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(event).encode())
        except OSError:
            _end(self._children)
            sys.exit(0)

    def _become_agent(
        self, spec: SandboxSpec, agent_socket: int, output: int, reporting: int
    ) -> None:
        status = 1
        parent = os.getppid()
        try:
            os.setsid()
            os.dup2(output, 1)
            os.dup2(output, 2)
            prepared = [layer.descriptor for layer in self._prepared.ports.values()]
            _close_all_but({agent_socket, reporting, *prepared})
            report = self._enter_sandbox(spec)
            os.write(reporting, json.dumps(report).encode())
            os.close(reporting)
            # The forkserver may have died before the kernel was asked to end this process with it.
            if "failed" not in report and os.getppid() == parent:
                self._run(socket.socket(fileno=agent_socket))
                status = 0
        except Exception:  # noqa: BLE001 - the edge of the process: told on its output
            traceback.print_exc()
        finally:
            # No clean-up of the forkserver's may run in its child.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _enter_sandbox(self, spec: SandboxSpec) -> dict[str, Any]:
        try:
            return {"protections": apply(spec, self._prepared)}
        except Exception as err:  # noqa: BLE001 - the edge of the process: told to H-Core
            return {"failed": _say(err)}


def _end(children: dict[int, int]) -> None:
    """Wait a second for agents, who saw their host go too, to end; kill the rest."""
    deadline = time.monotonic() + 1.0
    poll = select.poll()
    for pidfd in children:
        poll.register(pidfd, select.POLLIN)
    waiting = set(children)
    while waiting and (left := deadline - time.monotonic()) > 0:
        for pidfd, _ in poll.poll(left * 1000):
            poll.unregister(pidfd)
            waiting.discard(pidfd)
    for pid in children.values():
        _end_group(pid)


def _end_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _close_all_but(kept: set[int]) -> None:
    """Close every descriptor from 3 on that is not in `kept`."""
    first = 3
    for descriptor in sorted(kept):
        if first < descriptor:  # An empty range up to 0 would be everything.
            os.closerange(first, descriptor)
        first = max(first, descriptor + 1)
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def _say(err: Exception) -> str:
    return f"{type(err).__name__}: {err}"


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Path(os.devnull).open() as null:
        os.dup2(null.fileno(), 0)
    _Zygote(
        socket.socket(fileno=int(sys.argv[1])), importlib.import_module(sys.argv[2]).run
    ).serve()
