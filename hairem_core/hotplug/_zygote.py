"""The forkserver's process: everything an agent needs imported once, forked on request.

Run as `python -m hairem_core.hotplug._zygote FD`, where FD is a SOCK_SEQPACKET socket. A request
is a JSON object with two descriptors: the agent's socket and the pipe for its output. Nothing of
H-Core's environment, descriptors or memory is here for an agent to find.
"""

import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from hairem_core.hotplug import agent_process

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def serve(control: socket.socket) -> None:
    """Fork agents until H-Core closes its end, then end them all."""
    children: dict[int, int] = {}  # pidfd to pid
    poll = select.poll()
    poll.register(control, select.POLLIN)
    gc.collect()
    gc.freeze()
    while True:
        for descriptor, _ in poll.poll():
            if descriptor in children:
                pid = children.pop(descriptor)
                poll.unregister(descriptor)
                os.close(descriptor)
                _, status = os.waitpid(pid, 0)
                _tell(control, {"ended": pid, "status": os.waitstatus_to_exitcode(status)})
                continue
            body, descriptors, _, _ = socket.recv_fds(control, 65536, 2)
            if not body:
                _end(children)
                return
            request = json.loads(body)
            pid = os.fork()
            if pid == 0:
                for pidfd in children:
                    os.close(pidfd)
                control.close()
                _become_agent(request, *descriptors)
            for each in descriptors:
                os.close(each)
            pidfd = os.pidfd_open(pid)
            children[pidfd] = pid
            poll.register(pidfd, select.POLLIN)
            _tell(control, {"forked": pid, "request": request["request"]})


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
        # Each leads a group of its own: what it started ends with it.
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _tell(control: socket.socket, event: dict[str, int]) -> None:
    try:
        control.send(json.dumps(event).encode())
    except OSError:
        sys.exit(0)


def _become_agent(request: dict[str, str], agent_socket: int, output: int) -> None:
    status = 1
    try:
        # An agent is never without the forkserver, which alone can say how it ended.
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.environ.clear()
        os.chdir(request["working_folder"])
        agent_process.run(socket.socket(fileno=agent_socket))
        status = 0
    finally:
        # No clean-up of the forkserver's may run in its child.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Path(os.devnull).open() as null:
        os.dup2(null.fileno(), 0)
    serve(socket.socket(fileno=int(sys.argv[1])))
