"""How an agent's process is: its heartbeat, its memory, its time on the processor."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psutil

from hairem_core.config import AgentsConfig
from hairem_core.hotplug.frames import Heartbeat

_EVERY = 1.0
"""Seconds between two looks."""


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
        self._memory = 0
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

    async def _watch(self, pid: int) -> None:
        try:
            process = psutil.Process(pid)
            while True:
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
        threads = 0
        family = process.children(recursive=True) if self._with_children else []
        for each in (process, *family):
            try:
                memory += each.memory_info().rss
                times = each.cpu_times()
                threads += each.num_threads()
            except psutil.NoSuchProcess, psutil.AccessDenied:
                continue
            cpu += times.user + times.system
        if self._cpu_seconds:
            self._cpu_percent = max(0.0, cpu - self._cpu_seconds) / _EVERY * 100
        self._memory, self._cpu_seconds, self._threads = int(memory), cpu, threads

    def _illness(self) -> str | None:
        silent = time.monotonic() - self._beat_at
        if silent > self._config.heartbeat_timeout:
            return f"gave no sign of life for {silent:.0f} s: something blocks its loop"
        limit = self._config.limits.memory_mb
        if self._memory > limit * 2**20:
            used = self._memory // 2**20
            return f"used {used} MiB of memory, more than agents.limits.memory_mb ({limit})"
        if self._threads > (most := self._config.limits.processes):
            # Where agents have no users of their own, nobody else counts them.
            what = f"runs {self._threads} threads and processes"
            return f"{what}, more than agents.limits.processes ({most})"
        return None
