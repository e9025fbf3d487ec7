"""Inotify over one folder of bundles: what changed, as the kernel tells it.

Built on watchdog's `InotifyFD`, that owns the descriptor and its reading thread. Its `Observer` is
too late for us (it holds back a file moved away, and all that happens after it, for half a second),
too quiet (it passes over subfolders for which no watch was left, and over lost events) and too
thorough (it enters `.git` and `__pycache__`).
"""

import errno
import os
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from hairem_core.hotplug.watch_scan import (
    file_system,
    identity,
    is_bundle_name,
    is_ignored,
    tells_changes,
)

_MASK = Mask(
    InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVE
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_EXCL_UNLINK
)
"""Opening, reading and closing what was read are not in it: nobody is woken by a reader."""
_ids = count(1)


class CannotWatch(Exception):
    """Events cannot tell all that happens in a folder; the text says why."""


class WatchTree:
    """Watches a folder of bundles, and every folder in each bundle.

    `on_change(bundle)` is called when something in a bundle changed, `on_loss(why)` when events
    were lost or no more watches are to be had, both from watchdog's thread and always after new
    folders are watched: who looks at the bundle then misses nothing that is not told later.
    """

    def __init__(
        self,
        root: Path,
        inotify: InotifyFD,
        *,
        on_change: Callable[[Path], None],
        on_loss: Callable[[str | None], None],
        any_file_system: bool = False,
    ) -> None:
        self._root = root
        self._inotify = inotify
        self._on_change = on_change
        self._on_loss = on_loss
        self._any_file_system = any_file_system
        self._lock = threading.RLock()
        self._folders: dict[Path, _Folder] = {}
        self._links: dict[Path, tuple[int, ...] | None] = {}
        """What each symbolic link led to: no event tells of its target."""
        self._devices: set[int] = set()
        self._closed = False
        try:
            with self._lock:
                self._cover(root, None)
                if root not in self._folders:
                    raise CannotWatch("it may not be read")
        except CannotWatch:
            self.close()
            raise

    @property
    def size(self) -> int:
        """How many folders are watched."""
        return len(self._folders)

    def close(self) -> None:
        """Give back every watch."""
        with self._lock:
            self._closed = True
            self._drop(self._root)

    def look_at_links(self) -> None:
        """Tell of the links that lead elsewhere than before. Raises CannotWatch."""
        with self._lock:
            changed = [path for path, known in self._links.items() if identity(path) != known]
            for path in changed:
                self._refresh(path)
        for bundle in {self._bundle_of(path) for path in changed}:
            self._on_change(bundle)

    def heard(self, folder: _Folder, event: InotifyEvent) -> None:
        """Take one event of one folder; called by watchdog."""
        bundle = folder.bundle
        if self._closed:
            return
        if event.is_delete_self or event.is_move_self:
            if bundle is None:
                self._on_loss(None)
            elif folder.path in self._links:
                self._follow(folder, folder.path, event)
                self._on_change(bundle)
            return  # of what is no link, its parent tells
        name = os.fsdecode(event.name)
        if bundle is None:
            if not name or not is_bundle_name(name):
                return
            bundle = self._root / name
        elif name and is_ignored(name):
            return
        if name and not self._follow(folder, folder.path / name, event):
            return
        self._on_change(bundle)

    def forget(self, folder: _Folder) -> None:
        """Take note that the kernel ended a watch, since its folder is gone."""
        with self._lock:
            if self._folders.get(folder.path) is folder:
                del self._folders[folder.path]

    def lost(self, folder: _Folder) -> None:
        """Take note that the kernel's queue was full; told to every folder, one is enough."""
        if folder.bundle is None and not self._closed:
            self._on_loss(None)

    def _follow(self, folder: _Folder, path: Path, event: InotifyEvent) -> bool:
        """Bring the watches in step with what happened to `path`; return whether it matters."""
        with self._lock:
            if self._closed:
                return False
            known = path in self._folders or path in self._links
            if event.is_modify or event.is_close_write:
                return folder.bundle is not None
            try:
                self._refresh(path)
            except CannotWatch as err:
                self._on_loss(str(err))
            # A file beside the bundles is nobody's.
            now = path in self._folders or path in self._links
            return folder.bundle is not None or known or now or event.is_directory

    def _refresh(self, path: Path) -> None:
        """Watch `path` if it is a folder or a link now, give back what was watched there before."""
        watched = self._folders.get(path)
        if watched is not None and identity(path) == watched.identity and not path.is_symlink():
            return
        if watched is not None or path in self._links:
            self._drop(path)
        if path.is_symlink() or path.is_dir():
            self._cover(path, self._bundle_of(path))

    def _bundle_of(self, path: Path) -> Path:
        return self._root / path.relative_to(self._root).parts[0]

    def _cover(self, path: Path, bundle: Path | None) -> None:
        """Watch a folder and those in it. The watch comes first and the look into it second: what
        is made in between is found by one of the two. Raises CannotWatch."""
        if path.is_symlink() and bundle is not None:
            self._links[path] = identity(path)
            if path != bundle:
                return  # only the bundle itself may be a link to a folder elsewhere
        try:
            self._check_device(path, path.stat().st_dev)
            if path not in self._folders and not self._add(path, bundle):
                return
            inside = _folders_and_links(path, is_bundle_name if bundle is None else _is_relevant)
        except OSError as err:
            if bundle is None:
                raise CannotWatch(err.strerror or str(err)) from err
            return  # gone again, or unreadable: its parent tells when that changes
        for found in inside:
            self._cover(found, bundle or found)

    def _add(self, path: Path, bundle: Path | None) -> bool:
        folder = _Folder(self, path, bundle)
        try:
            wd = self._inotify.add_callback(os.fsencode(path), _MASK, folder, folder.id)
        except OSError as err:
            if err.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return False
            if err.errno == errno.ENOSPC:
                raise CannotWatch(
                    "this system's inotify watches are used up (sysctl fs.inotify.max_user_watches)"
                ) from err
            raise CannotWatch(err.strerror or str(err)) from err
        folder.wd = wd
        if wd == -1:  # how watchdog reports EACCES
            self._inotify.remove_callbacks([(wd, folder.id)])
            return False
        self._folders[path] = folder
        return True

    def _check_device(self, path: Path, device: int) -> None:
        if device in self._devices or self._any_file_system:
            return
        kind = file_system(path)
        if not tells_changes(kind):
            raise CannotWatch(f"{path} is on {kind}, that does not tell of every change")
        self._devices.add(device)

    def _drop(self, path: Path) -> None:
        """Give back the watches of a folder and of all in it."""
        gone = [each for each in self._folders if each == path or path in each.parents]
        watches = [(self._folders[each].wd, self._folders.pop(each).id) for each in gone]
        self._inotify.remove_callbacks(watches)
        for each in [link for link in self._links if link == path or path in link.parents]:
            del self._links[each]


class _Folder:
    """One watched folder, as watchdog calls it back. Two paths may lead to one folder."""

    def __init__(self, tree: WatchTree, path: Path, bundle: Path | None) -> None:
        self.tree = tree
        self.path = path
        self.bundle = bundle
        self.id = CallbackId(next(_ids))
        self.identity = identity(path)
        self.wd = WatchDescriptor(-1)

    def on_event(self, event: InotifyEvent) -> None:
        """Pass on an event."""
        self.tree.heard(self, event)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Pass on that the watch ended."""
        self.tree.forget(self)

    def on_queue_overflow(self) -> None:
        """Pass on that events were lost."""
        self.tree.lost(self)


def _is_relevant(name: str) -> bool:
    return not is_ignored(name)


def _folders_and_links(folder: Path, wanted: Callable[[str], bool]) -> list[Path]:
    with os.scandir(folder) as entries:
        return [
            Path(entry.path)
            for entry in entries
            if wanted(entry.name) and (entry.is_symlink() or entry.is_dir())
        ]
