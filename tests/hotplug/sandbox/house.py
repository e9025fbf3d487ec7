"""A forkserver in a process of its own, as the user that a test asks for.

`python -m tests.hotplug.sandbox.house MODE FOLDER` reads a request a line and answers each with a
line. Modes: `root` (each agent gets a user of its own), `closed` (root, but its files are closed to
other users), `user` (an ordinary user).
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from hairem_core.hotplug.errors import ForkserverError
from hairem_core.hotplug.forkserver import Child, Forkserver
from hairem_core.hotplug.sandbox import Limits, SandboxSpec, agent_uid

NOBODY = 65534
_LIMITS = {"memory_mb": 256, "open_files": 64, "processes": 16, "file_mb": 8}


def main(mode: str, folder: Path) -> None:
    """Become what `mode` says, then serve."""
    if os.geteuid() == 0:
        if mode in ("root", "user"):
            open_python()
        if mode == "user":
            os.chown(folder, NOBODY, NOBODY)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    asyncio.run(_serve(mode, folder))


def open_python() -> None:
    """Let every user read the interpreter and the sources, for this process and its children.

    An interpreter under `/root` is hidden from others by that folder: in a mount namespace of its
    own, the process has an open one in its place, with nothing but the interpreter in it.
    """
    needed = {Path(sys.base_prefix), Path(sys.prefix), Path(__file__).parents[3]}
    hidden = {
        folder
        for path in needed
        for folder in (path, *path.parents)
        if folder.stat().st_mode & 0o005 != 0o005
    }
    if not hidden:
        return
    os.unshare(os.CLONE_NEWNS)
    _run("mount", "--make-rprivate", "/")
    for folder in sorted(hidden)[:1]:
        kept = sorted(path for path in needed if path.is_relative_to(folder))
        with tempfile.TemporaryDirectory() as aside:
            for index, path in enumerate(kept):
                (Path(aside) / str(index)).mkdir()
                _run("mount", "--rbind", str(path), f"{aside}/{index}")
            _run("mount", "-t", "tmpfs", "-o", "mode=755", "none", str(folder))
            for index, path in enumerate(kept):
                path.mkdir(parents=True, exist_ok=True)
                _run("mount", "--move", f"{aside}/{index}", str(path))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


async def _serve(mode: str, folder: Path) -> None:
    forkserver = Forkserver("tests.hotplug.sandbox.probe")
    await forkserver.start()
    _print({"pid": os.getpid(), "forkserver": forkserver.pid})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        request = json.loads(line)
        try:
            _print(await _answer(forkserver, mode, folder, request))
        except ForkserverError as err:
            _print({"refused": str(err)})
    await forkserver.stop()


async def _answer(
    forkserver: Forkserver, mode: str, data: Path, request: dict[str, Any]
) -> dict[str, Any]:
    agent = request["agent"]
    working_folder = data / agent
    if not request.get("missing"):
        working_folder.mkdir(exist_ok=True)
    readable = [Path(path) for path in request.get("readable", [])]
    if mode == "closed":
        readable.append(_closed(data))
    spec = SandboxSpec(
        working_folder=working_folder,
        readable=readable,
        uid=agent_uid(agent) if os.geteuid() == 0 else None,
        limits=Limits(**_LIMITS | request.get("limits", {})),
        ports=request.get("ports"),
        processes=request.get("processes", False),
        denied_ports=request.get("denied_ports", []),
    )
    child = await forkserver.fork(spec)
    os.set_blocking(child.output, True)
    answer = {"pid": child.pid, "protections": child.protections}
    memory = await asyncio.to_thread(lambda: psutil.Process(child.pid).memory_info().rss)
    said, output = await asyncio.gather(
        asyncio.to_thread(_ask, child, request["code"]), asyncio.to_thread(_read, child.output)
    )
    status = await asyncio.wait_for(child.ended, 10)
    return answer | {"said": said, "output": output, "status": status, "memory": memory}


def _closed(data: Path) -> Path:
    """Return a folder that nobody but root may enter."""
    folder = data / "closed"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _ask(child: Child, code: str) -> Any:
    """Return what the code came to, None if the process ended without a word within 20 seconds."""
    child.socket.setblocking(True)
    child.socket.settimeout(20)
    with child.socket, child.socket.makefile("rw", encoding="utf-8") as stream:
        stream.write(json.dumps(code) + "\n")
        stream.flush()
        try:
            line = stream.readline()
        except TimeoutError, ConnectionError:
            line = ""
        if not line:
            child.socket.shutdown(socket.SHUT_RDWR)
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return json.loads(line) if line else None


def _read(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read().decode(errors="replace")


def _print(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
