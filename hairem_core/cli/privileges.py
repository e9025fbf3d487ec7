"""From root to an ordinary user, for good: the Supervisor starts apps as root."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from hairem_core.errors import HairemError
from hairem_core.hotplug.sandbox import kernel


class PrivilegeError(HairemError):
    """H-Core was started as root and cannot become an ordinary user."""

    code: ClassVar[str] = "privileges"


@dataclass(frozen=True, kw_only=True)
class RunAs:
    """Whom a process started as root becomes."""

    uid: int
    gid: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what `uid:gid` or `uid` says. Raises PrivilegeError."""
        uid, _, gid = text.partition(":")
        try:
            found = cls(uid=int(uid), gid=int(gid or uid))
        except ValueError as err:
            raise _wrong(text) from err
        if not (0 < found.uid < 2**31 and 0 < found.gid < 2**31):
            raise _wrong(text)
        return found


def hand_over(folders: Iterable[Path], to: RunAs) -> int:
    """Give folders with all that is in them to a user, and return how much was not theirs yet.

    What does not exist is left out; links are given themselves, not what they lead to. Raises
    PrivilegeError.
    """
    given = 0
    for folder in folders:
        if not folder.is_dir():
            continue
        given += _give(folder, to)
        for parent, inside, files in folder.walk(follow_symlinks=False):
            given += sum(_give(parent / name, to) for name in (*inside, *files))
    return given


def drop_privileges(to: RunAs) -> None:
    """Become `to`, without groups, without capabilities, and with no way back.

    Nor does a program that this process starts gain any. What the kernel keeps by thread is
    dropped for this one: call it before there are others. Raises PrivilegeError.
    """
    try:
        kernel.drop_bounding_set()
        os.setgroups([])
        os.setresgid(to.gid, to.gid, to.gid)
        os.setresuid(to.uid, to.uid, to.uid)
        kernel.drop_capabilities()
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    except OSError as err:
        raise PrivilegeError(
            f"cannot become user {to.uid}, group {to.gid}: {err.strerror}",
            hint="The container needs the capabilities SETUID and SETGID, to give them up.",
        ) from err
    if not _are_dropped(to):
        raise PrivilegeError("the privileges of root are not gone", hint="Please report this.")


def _give(path: Path, to: RunAs) -> bool:
    try:
        found = path.lstat()
        if (found.st_uid, found.st_gid) == (to.uid, to.gid):
            return False
        os.lchown(path, to.uid, to.gid)
    except FileNotFoundError:
        return False
    except OSError as err:
        raise PrivilegeError(
            f"cannot be given to user {to.uid}: {err.strerror}",
            where=str(path),
            hint="The container needs the capability CHOWN.",
        ) from err
    return True


def _are_dropped(to: RunAs) -> bool:
    """Return whether nothing of root is left: a mistake here would go unnoticed for years."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return (
        os.getresuid() == (to.uid,) * 3
        and os.getresgid() == (to.gid,) * 3
        and not os.getgroups()
        and all(int(status[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
        and status["NoNewPrivs"] == "1"
    )


def _wrong(text: str) -> PrivilegeError:
    return PrivilegeError(
        f"{text!r} is no user", where="HAIREM_RUN_AS", hint="Write it as 10001:10001."
    )
