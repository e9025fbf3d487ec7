"""The Task Nursery: an agent's background tasks, named, supervised, ended with the agent."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from hairem_core.sdk.errors import AgentError

_LATE = "end background work in `finally` or in teardown(), without starting more"


class Nursery:
    """Keeps the tasks that `ctx.spawn_task` starts.

    Tasks spawned before `begin()` are held: while a new version of an agent is being tried, the
    tasks of the old one still run, and an event must not be answered by both.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._begun = asyncio.Event()
        self._closed = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self.failures = 0
        """Tasks that failed since the start."""

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def names(self) -> list[str]:
        """The names of the tasks that run or are held, sorted."""
        return sorted(task.get_name() for task in self._tasks)

    @property
    def held(self) -> list[str]:
        """The names of the tasks that wait for `begin()`, sorted."""
        return [] if self._begun.is_set() else self.names

    def spawn(
        self, coroutine: Coroutine[Any, Any, Any], *, name: str | None = None
    ) -> asyncio.Task[Any]:
        """Return a task that runs `coroutine`, at once or, before `begin()`, from then on.

        Raises TypeError for what is no coroutine, and AgentError outside the event loop and when
        the agent is ending; the coroutine is closed then.
        """
        if not asyncio.iscoroutine(coroutine):
            raise TypeError(
                f"spawn_task takes a coroutine, not {coroutine!r}; "
                "call the method: `ctx.spawn_task(self.watch())`"
            )
        name = name or getattr(coroutine, "__qualname__", type(coroutine).__name__)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            coroutine.close()
            raise AgentError(
                f"task {name} cannot be started from a thread",
                hint="Call spawn_task in a coroutine of the agent.",
            ) from None
        if self._closed:
            coroutine.close()
            raise AgentError(
                f"task {name} cannot be started: this version of the agent is ending",
                hint=f"{_LATE.capitalize()}.",
            )
        task = loop.create_task(self._run(coroutine), name=name)
        self._tasks.add(task)
        # A task cancelled before its first step never reaches its coroutine, which would complain.
        task.add_done_callback(lambda _: coroutine.close())
        task.add_done_callback(self._ended)
        return task

    def begin(self) -> None:
        """Let the tasks that are held run."""
        self._begun.set()

    async def close(self, seconds: float) -> None:
        """Start no more tasks, cancel those there are, and wait up to `seconds` for their end.

        Those that go on are logged by name.
        """
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        _, resisting = await asyncio.wait(tasks, timeout=seconds)
        for task in sorted(resisting, key=asyncio.Task.get_name):
            self._logger.error(
                "Task %s goes on %g s after it was cancelled. Let CancelledError pass: %s.",
                task.get_name(),
                seconds,
                _LATE,
            )

    async def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        await self._begun.wait()
        return await coroutine

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (err := task.exception()) is not None:
            self.failures += 1
            self._logger.error("Task %s failed", task.get_name(), exc_info=err)
