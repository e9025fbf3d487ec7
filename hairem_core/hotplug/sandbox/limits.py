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
_NICE = 5
_OOM_SCORE = 700
"""Of 1,000: when the machine runs out of memory, the kernel ends agents before H-Core."""


def apply(limits: Limits, *, own_user: bool) -> None:
    """Limit this process and what it starts, for good. Raises OSError, ValueError.

    The kernel counts processes by user: their number is limited only where `own_user`.
    """
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
    if own_user:
        # Twice: during a swap the old generation and the new one are the same user.
        _limit(resource.RLIMIT_NPROC, 2 * limits.processes)
    threading.stack_size(_THREAD_STACK)


def yield_to_others() -> None:
    """Let H-Core have the processor first, and the kernel take agents first when memory ends."""
    os.nice(_NICE)
    score = Path("/proc/self/oom_score_adj")
    with suppress(OSError):  # A system that hides it goes without.
        score.write_text(str(min(1000, int(score.read_text()) + _OOM_SCORE)))


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))
