"""What an agent's process may use up, setrlimit(2)."""

import os
import resource
import threading
from contextlib import suppress
from pathlib import Path

from hairem_core.hotplug.sandbox.spec import Limits

_MIB = 1024 * 1024
_ADDRESSES_MB = 512
"""Addresses beside `memory_mb`: libraries and what the C library reserves without using it."""
_THREAD_STACK = _MIB
"""Bytes: the usual 8 MiB would count in full, used or not."""
_OTHERS = 512
"""Threads and processes that a user may come to have beside an agent that is the same user."""
_NICE = 5
_OOM_SCORE = 700
"""Of 1,000: when the machine runs out of memory, the kernel ends agents before H-Core."""


def apply(limits: Limits, *, own_user: bool) -> None:
    """Limit this process and what it starts, for good. Raises OSError, ValueError."""
    page = resource.getpagesize()
    sizes = [int(size) * page for size in Path("/proc/self/statm").read_text().split()]
    addresses, data = sizes[0], sizes[5]
    memory = limits.memory_mb * _MIB
    _limit(resource.RLIMIT_DATA, data + memory)
    _limit(resource.RLIMIT_AS, addresses + memory + _ADDRESSES_MB * _MIB)
    _limit(resource.RLIMIT_NOFILE, limits.open_files)
    _limit(resource.RLIMIT_FSIZE, limits.file_mb * _MIB)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_MEMLOCK, 0)
    _limit(resource.RLIMIT_MSGQUEUE, 0)
    _limit(resource.RLIMIT_RTPRIO, 0)
    _limit(resource.RLIMIT_NICE, 0)
    if (most := most_processes(limits, own_user=own_user)) is not None:
        _limit(resource.RLIMIT_NPROC, most)
    threading.stack_size(_THREAD_STACK)


def most_processes(limits: Limits, *, own_user: bool) -> int | None:
    """Return how many threads and processes this process's user may have; None: no matter how many.

    The kernel counts by user, and does not count root's at all.
    """
    if own_user:
        # Twice: during a swap the old generation and the new one are the same user.
        return 2 * limits.processes
    if os.getuid() == 0:
        return None
    # What else this user runs must have room to grow, or the agent would be the one to fail.
    return _threads_of(os.getuid()) + 2 * limits.processes + _OTHERS


def _threads_of(uid: int) -> int:
    found = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):  # It has ended meanwhile.
                if entry.stat().st_uid == uid:
                    found += Path(entry.path, "task").stat().st_nlink - 2
    return found


def yield_to_others() -> None:
    """Let H-Core have the processor first."""
    os.nice(_NICE)


def die_first() -> None:
    """Have the kernel end this process before others when memory runs out."""
    score = Path("/proc/self/oom_score_adj")
    with suppress(OSError):  # A system that hides it goes without.
        score.write_text(str(min(1000, int(score.read_text()) + _OOM_SCORE)))


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))
