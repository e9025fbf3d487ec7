"""What a process of the tests does in its sandbox: run what it is sent, say what came of it."""

import asyncio
import errno
import json
import os
import socket
import traceback
from collections.abc import Callable
from typing import Any

from hairem_core.hotplug.sandbox import kernel
from hairem_core.hotplug.sandbox.syscalls import numbers


def attempt(action: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    """Return `ok`, or the symbol of the error that the system gave (`EPERM`)."""
    try:
        action(*arguments, **options)
    except OSError as err:
        return errno.errorcode.get(err.errno or 0, str(err))
    return "ok"


def call(name: str, *arguments: int) -> None:
    """Make a system call. Raises OSError."""
    kernel.syscall(numbers(kernel.machine() or "")[name], *arguments)


def connect(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> str:
    """Return what comes of a connection to a port of this machine."""

    def try_it() -> None:
        with socket.socket(socket.AF_INET, kind) as client:
            client.connect(("127.0.0.1", port))

    return attempt(try_it)


def run(connection: socket.socket) -> None:
    """Run one piece of code; what it calls `result` is the answer."""
    with connection, connection.makefile("rw", encoding="utf-8") as stream:
        line = stream.readline()
        if not line:
            return
        names: dict[str, object] = {
            "asyncio": asyncio,
            "attempt": attempt,
            "call": call,
            "connect": connect,
            "os": os,
            "socket": socket,
        }
        answer: dict[str, object]
        try:
            exec(compile(json.loads(line), "<probe>", "exec"), names)
            answer = {"result": names.get("result")}
        except BaseException as err:  # noqa: BLE001 - the edge of the process: told to the test
            answer = {"error": type(err).__name__, "says": str(err)}
            traceback.print_exc()
        stream.write(json.dumps(answer) + "\n")
