"""What lies in a bundle folder, as far as its change is concerned; and what can be told of it."""

import os
import re
import stat
import time
import zlib
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path

_IGNORED = re.compile(
    "|".join(
        translate(pattern)
        for pattern in (
            ".*",  # also .git, .DS_Store, .#lock of Emacs, .x.py.AbC123 of rsync
            "__pycache__",
            "__MACOSX",
            "*.py[co]",
            "*~",  # backups of vim, Emacs, nano
            "~$*",  # locks of Office
            "#*#",  # Emacs's unsaved work
            "*.sw[opx]",
            "4913",  # vim's probe of whether it may write here
            "*___jb_tmp___",
            "*___jb_old___",
            "*.tmp",
            "*.part",
            "*.partial",
            "*.filepart",
            "*.crdownload",
            "Thumbs.db",
            "desktop.ini",
        )
    )
    # name.tmp.4242, as programs that save atomically write before they rename
    + r"|(?s:.*\.tmp(?:\.\d+)+)\Z"
)

_YOUNG_NS = 2_500_000_000
"""A file may change again without its times changing: FAT counts in 2 s, SMB and NFS cache."""
_LARGEST_READ = 2**18
"""Bytes of a young file whose content is looked at."""

_SILENT = frozenset(
    {
        *("9p", "afpfs", "afs", "aufs", "ceph", "cifs", "coda", "davfs", "drvfs", "fakeowner"),
        *("fhgfs", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs"),
        *("prl_fs", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs"),
    }
)
"""File systems whose files others may change without this kernel learning of it."""


@dataclass(frozen=True)
class Stamp:
    """What is remembered of one file; equal as long as the file did not change."""

    key: tuple[int, ...]
    digest: int | None = None
    """CRC-32 of the content, if the times alone were too young to rely on."""
    settled: bool = field(default=True, compare=False)
    """Whether the times have become old enough."""


type Signature = dict[str, Stamp]
"""The files of a bundle, by relative path."""


def is_ignored(name: str) -> bool:
    """Return whether a file or folder of this name is none of an author's: it belongs to an editor,
    a file manager, a download under way or Python."""
    return _IGNORED.match(name) is not None


def is_bundle_name(name: str) -> bool:
    """Return whether a folder of this name, directly in a watched folder, can be a bundle."""
    return not name.startswith("_") and not is_ignored(name)


def scan_root(root: Path, known: dict[Path, Signature]) -> dict[Path, Signature]:
    """Return the signature of every bundle in `root`; `known` saves reading what did not change.

    A `root` that is not there has none. Raises OSError when it cannot be read.
    """
    try:
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries if is_bundle_name(entry.name))
    except FileNotFoundError, NotADirectoryError:
        return {}
    found = {}
    for name in names:
        signature = scan(root / name, known.get(root / name))
        if signature is not None:
            found[root / name] = signature
    return found


def scan(folder: Path, known: Signature | None = None) -> Signature | None:
    """Return the signature of a bundle, None if `folder` is no folder."""
    if not folder.is_dir():
        return None
    found: Signature = {}
    known = known or {}
    now = time.time_ns()
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_ignored(name)]
        prefix = os.path.relpath(here, folder) + os.sep
        # A link to a folder is not entered: a bundle may not have one, and it may lead in circles.
        for name in (*files, *(each for each in folders if Path(here, each).is_symlink())):
            if not is_ignored(name):
                path = Path(here, name)
                found[prefix + name] = _stamp(path, known.get(prefix + name), now)
    return found


def _stamp(path: Path, known: Stamp | None, now: int) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return Stamp(())  # a link to nothing, or gone since it was listed
    # No inode: some FUSE file systems give a file another one whenever they like. No time of the
    # last status change: a backup that makes a hard link moves it.
    key = (status.st_size, status.st_mtime_ns, status.st_mode, status.st_uid, status.st_gid)
    same = known is not None and known.key == key
    if known is not None and same and known.settled:
        return known
    young = now - max(status.st_mtime_ns, status.st_ctime_ns) < _YOUNG_NS
    if not (young or same) or not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_READ:
        return Stamp(key)
    try:
        return Stamp(key, zlib.crc32(path.read_bytes()), settled=not young)
    except OSError:
        return Stamp(key)


def identity(path: Path) -> tuple[int, ...] | None:
    """Return what makes `path`, links followed, the file or folder that it is; None if none is."""
    try:
        status = path.stat()
    except OSError:
        return None
    if stat.S_ISDIR(status.st_mode):
        return (status.st_dev, status.st_ino)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def file_system(path: Path, mounts: str | None = None) -> str:
    """Return the type of the file system that holds `path`, such as `ext4`, `nfs4`, `fuse.sshfs`.

    It is the empty string where the kernel does not say. `mounts` is the content of
    /proc/self/mountinfo (see proc_pid_mountinfo(5)) and read if it is not given.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
    real = os.path.realpath(path)
    best, kind = "", ""
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), fields[4])
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        # Of two mounts on one point, the later hides the earlier.
        if inside and len(point) >= len(best):
            best, kind = point, after.split(" ", 1)[0]
    return kind


def tells_changes(kind: str) -> bool:
    """Return whether every change on a file system of this type reaches inotify."""
    return kind not in _SILENT and not kind.startswith("fuse")
