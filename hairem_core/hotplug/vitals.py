"""How an agent's process is: its heartbeat, its memory, its time on the processor."""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

from hairem_core.config.system import AgentsConfig
from hairem_core.hotplug.frames import Heartbeat

_EVERY = 1.0
"""Seconds between two looks."""
_EXCUSED = 2.0
"""Times `heartbeat_timeout` for which there may be no sign of life among much else."""


class Vitals:
    """Watches one process, and says when it is too ill to go on."""

    def __init__(
        self, config: AgentsConfig, *, with_children: bool, on_ill: Callable[[str], None]
    ) -> None:
        self._config = config
        self._with_children = with_children
        self._on_ill = on_ill
        self._started = time.monotonic()
        self._beat: Heartbeat | None = None
        self._beat_at = time.monotonic()
        self._excused_until = 0.0
        self._memory = 0
        self._processes = 1
        self._cpu_seconds = 0.0
        self._cpu_percent = 0.0
        self._threads = 0
        self._watcher: asyncio.Task[None] | None = None

    @property
    def task_failures(self) -> int:
        """Background tasks that failed since the start."""
        return self._beat.task_failures if self._beat else 0

    def watch(self, pid: int) -> None:
        """Begin to watch a process that is ready."""
        self._beat_at = time.monotonic()
        self._watcher = asyncio.create_task(self._watch(pid), name=f"vitals of process {pid}")

    def stop(self) -> None:
        """Watch no more."""
        if self._watcher is not None:
            self._watcher.cancel()

    def take(self, beat: Heartbeat) -> None:
        """Take a sign of life."""
        self._beat = beat
        self._beat_at = time.monotonic()

    def as_dict(self) -> dict[str, Any]:
        """Return the last figures: bytes, seconds, percent of one processor, milliseconds."""
        return {
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "memory_bytes": self._memory,
            "cpu_seconds": round(self._cpu_seconds, 2),
            "cpu_percent": round(self._cpu_percent, 1),
            "heartbeat_age_seconds": round(time.monotonic() - self._beat_at, 1),
            "loop_lag_ms": round(self._beat.lag_ms, 1) if self._beat else None,
            "threads": self._threads,
            "tasks": self._beat.tasks if self._beat else 0,
            "task_failures": self.task_failures,
        }

    def excuse(self, seconds: float) -> None:
        """Expect no sign of life for so long: H-Core has yet to read what the process said before.

        One that says ever more, and among it no sign of life, is excused for a while only.
        """
        longest = self._beat_at + _EXCUSED * self._config.heartbeat_timeout
        self._excused_until = min(time.monotonic() + seconds, longest)

    async def _watch(self, pid: int) -> None:
        try:
            process = psutil.Process(pid)
            while True:
                if self._with_children:
                    # There may be hundreds of them.
                    await asyncio.to_thread(self._look, process)
                else:
                    self._look(process)
                if reason := self._illness():
                    self._on_ill(reason)
                    return
                slept = time.monotonic()
                await asyncio.sleep(_EVERY)
                if time.monotonic() - slept > 2 * _EVERY:
                    # It was H-Core that stood still: signs of life may wait unread.
                    self._beat_at = time.monotonic()
        except psutil.NoSuchProcess:
            return  # its supervisor notices

    def _look(self, process: psutil.Process) -> None:
        memory = cpu = 0.0
        family = [process, *(_started_by(process.pid) if self._with_children else ())]
        for each in family:
            try:
                memory += each.memory_info().rss
                times = each.cpu_times()
            except psutil.NoSuchProcess, psutil.AccessDenied:
                continue
            cpu += times.user + times.system
        if self._cpu_seconds:
            self._cpu_percent = max(0.0, cpu - self._cpu_seconds) / _EVERY * 100
        self._memory, self._cpu_seconds, self._processes = int(memory), cpu, len(family)

    def _illness(self) -> str | None:
        now = time.monotonic()
        if now - max(self._beat_at, self._excused_until) > self._config.heartbeat_timeout:
            why = "something blocks its loop"
            if self._excused_until > self._beat_at:
                why += ", or it says more than H-Core takes of one agent"
            return f"gave no sign of life for {now - self._beat_at:.0f} s: {why}"
        limits = self._config.limits
        if self._memory > limits.memory_mb * 2**20:
            used = self._memory // 2**20
            most = f"agents.limits.memory_mb ({limits.memory_mb})"
            return f"used {used} MiB of memory, more than {most}"
        # Where the kernel counts them it does so for two generations at once, hence twice.
        if self._processes > 2 * limits.processes:
            most = f"twice agents.limits.processes ({limits.processes})"
            return f"runs {self._processes} processes, more than {most}"
        return None


def _started_by(leader: int) -> list[psutil.Process]:
    """Return the processes that an agent started.

    By their group, which they cannot leave: a child whose parent has ended is nobody's child.
    """
    found = []
    for pid in psutil.pids():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if pid != leader and os.getpgid(pid) == leader:
                found.append(psutil.Process(pid))
    return found
