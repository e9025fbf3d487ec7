"""System calls for which Python has no function of its own."""

import ctypes
import os
import platform
import sys
from collections.abc import Callable
from contextlib import suppress

_LIBC = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
_M_ARENA_MAX = -8


def machine() -> str | None:
    """Return the processor family for which system calls are known by number, None for any other.

    One of `x86_64` and `aarch64`, and only if this process uses its 64-bit system calls.
    """
    name = platform.machine()
    return name if name in ("x86_64", "aarch64") and sys.maxsize > 2**32 else None


def syscall(number: int, *arguments: int) -> int:
    """Return what a system call returned. Raises OSError."""
    return _checked(_LIBC.syscall(*map(ctypes.c_long, (number, *arguments))))


def repeatable(number: int, *arguments: int) -> Callable[[], int]:
    """Return what makes one system call again and again, quickly. It raises OSError."""
    prepared = [ctypes.c_long(each) for each in (number, *arguments)]
    return lambda: _checked(_LIBC.syscall(*prepared))


def prctl(option: int, *arguments: int) -> int:
    """Change something about this process, prctl(2). Raises OSError."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _checked(_LIBC.prctl(ctypes.c_int(option), *map(ctypes.c_ulong, padded)))


def drop_bounding_set() -> None:
    """Make sure that no program this process starts gets a privilege, as far as it may decide."""
    with suppress(OSError):  # Beyond the last that this kernel has, or not privileged to.
        for capability in range(64):
            prctl(PR_CAPBSET_DROP, capability)


def drop_capabilities() -> None:
    """Give up every privilege of root's, for good. Raises OSError."""
    with suppress(OSError):  # Before Linux 4.3 there is no such set.
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    version_3 = (ctypes.c_uint32 * 2)(0x20080522, 0)
    none = (ctypes.c_uint32 * 6)()
    _checked(_LIBC.capset(ctypes.byref(version_3), ctypes.byref(none)))


def use_few_arenas() -> None:
    """Keep the C library from reserving 64 MiB of addresses for each thread, where it is glibc."""
    if hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_M_ARENA_MAX, 2)


def _checked(result: int) -> int:
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
