"""Tells which bundle folders changed.

Events (inotify, through watchdog) say where to look, polling looks everywhere, and both lead to the
same report: a set of bundle folders, once they have been quiet for a moment.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hairem_core.hotplug.watch_scan import (
    Signature,
    identity,
    is_bundle_name,
    is_ignored,
    scan,
    scan_root,
)

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyFD

    from hairem_core.hotplug.watch_tree import WatchTree

__all__ = ["BundleWatcher", "RootStatistics", "WatchStatistics", "is_bundle_name", "is_ignored"]

_LOGGER = logging.getLogger(__name__)
_QUIET_SECONDS = 0.06
_LONGEST_WAIT_SECONDS = 0.5
"""A file that is written to without end is reported all the same."""
_LOOK_SECONDS = 0.5
"""How often a polled folder is read, and how often a watched one is checked for being the same."""
_NET_SECONDS = 30.0
"""How often a watched folder is read too, for what no event told of."""
_MISSES_ALLOWED = 1
"""Changes without an event, such as those through a memory map, before a folder is polled."""

_START_SECONDS = 5.0
"""How long a folder, on a server that is down perhaps, may delay the start."""

type WatchMode = Literal["auto", "events", "poll"]


@dataclass(frozen=True, kw_only=True)
class RootStatistics:
    """How one of the folders is watched."""

    mode: Literal["events", "poll", "missing"]
    watches: int
    """Folders in it that have an inotify watch."""
    bundles: int
    missed: int
    """Changes that were found without an event having told of them."""


@dataclass(frozen=True, kw_only=True)
class WatchStatistics:
    """What the watcher holds and did."""

    roots: dict[Path, RootStatistics]
    events: int
    """Events that concerned a bundle."""
    callbacks: int


@dataclass
class _Root:
    path: Path
    mode: Literal["events", "poll", "missing"] = "missing"
    identity: tuple[int, ...] | None = None
    tree: WatchTree | None = None
    seen: dict[Path, Signature] = field(default_factory=dict)
    """What lay in each bundle when it was last reported."""
    next_look: float = 0.0
    missed: int = 0
    lost: bool = False
    """Events got lost: everything is looked at anew."""
    trouble: str | None = None
    """Why events are not enough here."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class _Pending:
    root: _Root
    first: float
    last: float
    told: bool
    """By an event, not found by looking."""

    @property
    def due(self) -> float:
        return min(self.last + _QUIET_SECONDS, self.first + _LONGEST_WAIT_SECONDS)


class BundleWatcher:
    """Calls `on_change(bundles)`, in the event loop, with the folders of the bundles that changed.

    A bundle is a folder directly in one of `folders`, or a link to a folder there; it may have
    come, changed or gone. It is reported when nothing happened in it for 60 ms, at the latest
    500 ms after the first change. Changes of what `is_ignored` are not reported, nor is reading.
    Metadata count: a `chmod` can be what mends a bundle.

    `mode` "auto" uses events, and polling (every 0.5 s) where the file system, such as NFS, does
    not tell of every change; "events" uses them on any file system. Where the system has no more
    watches to give, both fall back to polling, and say so once. A folder need not exist, and may
    come, go and be replaced at any time.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        mode: WatchMode = "auto",
        on_change: Callable[[set[Path]], None],
    ) -> None:
        self._mode = mode
        self._on_change = on_change
        self._roots = [_Root(path) for path in dict.fromkeys(folders)]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inotify: InotifyFD | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending: dict[Path, _Pending] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._events = 0
        self._callbacks = 0
        # Filled by watchdog's thread, so that a thousand events wake the loop once.
        self._inbox: dict[Path, _Root] = {}
        self._inbox_lock = threading.Lock()

    async def start(self) -> None:
        """Begin to watch. What changes from now on is reported, so look at the bundles after it."""
        self._loop = asyncio.get_running_loop()
        if self._mode != "poll":
            self._inotify = await asyncio.to_thread(_open_inotify)
        await asyncio.gather(*(self._begin(root) for root in self._roots))

    async def stop(self) -> None:
        """Stop watching and give everything back. No callback comes after it."""
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pending.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for root in self._roots:
            if root.tree is not None:
                await asyncio.to_thread(root.tree.close)
                root.tree = None
            root.mode, root.identity = "missing", None
        if self._inotify is not None:
            self._inotify.stop()
            await asyncio.to_thread(self._inotify.join)
            self._inotify = None

    def statistics(self) -> WatchStatistics:
        """Return what is watched and how, and what happened since the start."""
        return WatchStatistics(
            roots={
                root.path: RootStatistics(
                    mode=root.mode,
                    watches=root.tree.size if root.tree else 0,
                    bundles=len(root.seen),
                    missed=root.missed,
                )
                for root in self._roots
            },
            events=self._events,
            callbacks=self._callbacks,
        )

    # --- Looking ---------------------------------------------------------------------------------

    async def _begin(self, root: _Root) -> None:
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._look(root, report=False)
        except TimeoutError:
            _LOGGER.warning("%s does not answer; its bundles come when it does", root.path)
        self._spawn(self._keep(root), f"watch {root.path}")

    async def _keep(self, root: _Root) -> None:
        """Look at a folder again and again. Each has its own task: a dead server delays its own."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await root.wake.wait()
            root.wake.clear()
            await self._look(root)

    async def _look(self, root: _Root, *, report: bool = True) -> None:
        assert self._loop is not None
        async with root.lock:
            now_there = await asyncio.to_thread(identity, root.path)
            replaced = now_there != root.identity
            if replaced or root.lost or root.trouble:
                if replaced:
                    root.trouble = None
                await self._attach(root, now_there)
                replaced = True
            elif root.tree is not None:
                await self._look_at_links(root, root.tree)
            if not replaced and root.mode != "poll" and self._loop.time() < root.next_look:
                return
            root.next_look = self._loop.time() + _NET_SECONDS
            try:
                found = await asyncio.to_thread(scan_root, root.path, root.seen)
            except OSError as err:
                _LOGGER.debug("%s cannot be read: %s", root.path, err)
                return
            before, root.seen = root.seen, found
            if report:
                changed = [path for path in before | found if before.get(path) != found.get(path)]
                # After events were lost, or in a new folder, no event was to be expected.
                self._mark(changed, root, told=replaced or root.mode != "events")

    async def _look_at_links(self, root: _Root, tree: WatchTree) -> None:
        from hairem_core.hotplug.watch_tree import CannotWatch

        try:
            await asyncio.to_thread(tree.look_at_links)
        except CannotWatch as err:
            root.trouble = str(err)
            root.wake.set()

    async def _attach(self, root: _Root, now_there: tuple[int, ...] | None) -> None:
        """Decide how a folder is watched, and begin."""
        root.identity, root.lost = now_there, False
        if root.tree is not None:
            await asyncio.to_thread(root.tree.close)
            root.tree = None
        if now_there is None:
            root.mode = "missing"
            return
        if self._mode == "poll":
            root.mode = "poll"
            return
        why = root.trouble or await asyncio.to_thread(self._plant, root)
        if why is None:
            root.mode = "events"
        elif root.mode != "poll":
            root.mode = "poll"
            _LOGGER.warning(
                "%s is looked through every %g s for changes: %s", root.path, _LOOK_SECONDS, why
            )
        root.trouble = None

    def _plant(self, root: _Root) -> str | None:
        """Have events tell of a folder's changes; return why that cannot be, None if it can."""
        if self._inotify is None:
            return "this system has no inotify to give (sysctl fs.inotify.max_user_instances)"
        from hairem_core.hotplug.watch_tree import CannotWatch, WatchTree

        try:
            root.tree = WatchTree(
                root.path,
                self._inotify,
                on_change=lambda bundle: self._hear(root, bundle),
                on_loss=lambda why: self._lose(root, why),
                any_file_system=self._mode == "events",
            )
        except CannotWatch as err:
            return str(err)
        return None

    # --- From watchdog's thread ------------------------------------------------------------------

    def _hear(self, root: _Root, bundle: Path) -> None:
        with self._inbox_lock:
            first = not self._inbox
            self._inbox[bundle] = root
            self._events += 1
        if first:
            self._call(self._take)

    def _lose(self, root: _Root, why: str | None) -> None:
        def note() -> None:
            root.lost = True
            root.trouble = root.trouble or why
            root.wake.set()

        self._call(note)

    def _call(self, function: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop was closed in this very moment
                loop.call_soon_threadsafe(function)

    # --- Reporting -------------------------------------------------------------------------------

    def _take(self) -> None:
        with self._inbox_lock:
            heard, self._inbox = self._inbox, {}
        for bundle, root in heard.items():
            self._mark([bundle], root, told=True)

    def _mark(self, bundles: Iterable[Path], root: _Root, *, told: bool) -> None:
        if self._loop is None:
            return
        now = self._loop.time()
        for bundle in bundles:
            pending = self._pending.setdefault(bundle, _Pending(root, now, now, told))
            pending.last = now
            pending.told = pending.told or told
        if self._pending and self._timer is None:
            self._arm()

    def _arm(self) -> None:
        assert self._loop is not None
        due = min(pending.due for pending in self._pending.values())
        self._timer = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        assert self._loop is not None
        self._timer = None
        now = self._loop.time()
        due = {path: each for path, each in self._pending.items() if each.due <= now + 0.001}
        for path in due:
            del self._pending[path]
        if self._pending:
            self._arm()
        for root in {id(each.root): each.root for each in due.values()}.values():
            its = {path: each for path, each in due.items() if each.root is root}
            self._spawn(self._report(root, its), f"report changes in {root.path}")

    async def _report(self, root: _Root, due: dict[Path, _Pending]) -> None:
        assert self._loop is not None
        changed: set[Path] = set()
        async with root.lock:
            for path, pending in due.items():
                before = root.seen.get(path)
                found = await asyncio.to_thread(scan, path, before)
                if found is None:
                    root.seen.pop(path, None)
                else:
                    root.seen[path] = found
                if (
                    root.mode == "poll"
                    and found != before
                    and self._loop.time() < pending.first + _LONGEST_WAIT_SECONDS
                ):
                    # Still being written to: only looking twice can tell, where no event does.
                    self._wait_on(path, pending)
                    continue
                if not pending.told:
                    self._miss(root)
                changed.add(path)
        if changed:
            self._callbacks += 1
            # Called by the loop, so that what goes wrong in it is logged and ends no task of ours.
            self._loop.call_soon(self._on_change, changed)

    def _wait_on(self, path: Path, pending: _Pending) -> None:
        assert self._loop is not None
        pending.last = self._loop.time()
        self._pending.setdefault(path, pending)
        if self._timer is None:
            self._arm()

    def _miss(self, root: _Root) -> None:
        root.missed += 1
        if root.missed > _MISSES_ALLOWED and self._mode == "auto" and root.mode == "events":
            root.trouble = "changes happen in it that the system does not tell of"
            root.wake.set()

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _open_inotify() -> InotifyFD | None:
    try:
        from watchdog.observers.inotify_c import InotifyFD
        from watchdog.utils import UnsupportedLibcError
    except ImportError:
        return None
    try:
        inotify = InotifyFD()
    except OSError, UnsupportedLibcError:
        return None
    inotify.start()
    return inotify
