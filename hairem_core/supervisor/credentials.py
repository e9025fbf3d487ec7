"""The Supervisor's token: taken out of the environment before anything else is started."""

import ctypes
import os
from collections.abc import MutableMapping
from pathlib import Path

_NAMES = ("SUPERVISOR_TOKEN", "HASSIO_TOKEN")
"""The second is what the first was called once; both hold the same."""
_ENVIRONMENT_START = 47
"""Where `env_start` is among the fields behind the name in /proc/self/stat, counted from 0."""


def take_token(environ: MutableMapping[str, str] = os.environ) -> str | None:
    """Return the Supervisor's token, None where H-Core is no app; from now on nobody finds it.

    It goes from the environment that children inherit, and from the copy of it that
    /proc/<pid>/environ shows to everybody of the same user.
    """
    found = [value for name in _NAMES if (value := environ.pop(name, ""))]
    if environ is os.environ:
        for value in found:
            _wipe(value.encode())
    return found[0] if found else None


def _wipe(secret: bytes) -> None:
    """Overwrite what the kernel shows of this process's first environment.

    Source: proc_pid_environ(5) and proc_pid_stat(5); the strings lie in this process's own memory.
    """
    try:
        shown = Path("/proc/self/environ").read_bytes()
        # The name of the command, in parentheses, may hold anything.
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        start = int(fields[_ENVIRONMENT_START])
    except OSError, ValueError, IndexError:
        return
    at = shown.find(secret)
    while start and at >= 0:
        ctypes.memset(start + at, ord("*"), len(secret))
        at = shown.find(secret, at + len(secret))
