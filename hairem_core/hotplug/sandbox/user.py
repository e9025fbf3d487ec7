"""The user that an agent's process is, and the folder that is its own."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from hairem_core.hotplug.sandbox import kernel
from hairem_core.hotplug.sandbox.spec import SandboxSpec


def become(spec: SandboxSpec, folder: int, needed: Iterable[Path]) -> str | None:
    """Make this process the user of `spec`, whose the working folder (the descriptor) then is.

    `needed` is what that user must be able to read. Returns None, or why the process stays the user
    it is. Either way it has no privilege left. Raises OSError.
    """
    uid, gid = spec.uid, spec.gid
    refused = _refusal(spec, folder, needed)
    if os.geteuid() == 0:
        own = uid if refused is None and uid is not None else 0
        group = (uid if gid is None else gid) if own else 0
        assert group is not None
        if refused is not None:
            _give(folder, 0, 0)
        os.fchmod(folder, stat.S_IRWXU)
        kernel.drop_bounding_set()
        os.setresgid(group, group, group)
        os.setresuid(own, own, own)
    else:
        os.fchmod(folder, stat.S_IRWXU)
    kernel.drop_capabilities()
    return refused


def _refusal(spec: SandboxSpec, folder: int, needed: Iterable[Path]) -> str | None:
    uid, gid = spec.uid, spec.gid
    if os.geteuid() != 0:
        return "H-Core does not run as root, so its agents are the same user as itself"
    if uid is None:
        return "it was given no user of its own"
    group = uid if gid is None else gid
    try:
        os.setgroups([])
        os.setegid(group)
        os.seteuid(uid)
    except OSError as err:
        os.seteuid(0)
        os.setegid(0)
        return f"this system has no user {uid} to become ({err.strerror})"
    try:
        hidden = next((path for path in needed if not _can_read(path)), None)
        if hidden is None and not _can_reach(spec.working_folder):
            hidden = spec.working_folder.parent
        if hidden is not None:
            return f"{_first_hidden(hidden)} is closed to other users"
    finally:
        os.seteuid(0)
        os.setegid(0)
    try:
        _give(folder, uid, group)
    except OSError as err:
        return f"its folder cannot be given to another user ({err.strerror})"
    return None


def _can_read(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except PermissionError:
        return False
    except OSError:
        pass  # What is not there is not hidden.
    return True


def _can_reach(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError:
        return False
    return True


def _first_hidden(path: Path) -> Path:
    for each in reversed((path, *path.parents)):
        if not os.access(each, os.X_OK if each.is_dir() else os.R_OK, effective_ids=True):
            return each
    return path


def _give(folder: int, uid: int, gid: int) -> None:
    """Make a folder and everything in it a user's, following no link. Raises OSError.

    The folder itself comes last, and says that all the rest is done.
    """
    if os.fstat(folder).st_uid == uid:
        return
    for _, folders, files, here in os.fwalk(dir_fd=folder, follow_symlinks=False):
        for name in (*folders, *files):
            found = os.stat(name, dir_fd=here, follow_symlinks=False)
            # A file with a second name may be somebody else's under that name.
            if stat.S_ISDIR(found.st_mode) or found.st_nlink == 1:
                os.chown(name, uid, gid, dir_fd=here, follow_symlinks=False)
    os.fchown(folder, uid, gid)
