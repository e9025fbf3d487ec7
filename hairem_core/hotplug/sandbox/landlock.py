"""Which files, ports and processes an agent's process can reach, Landlock.

Source: https://docs.kernel.org/userspace-api/landlock.html and linux/landlock.h. Layers add up: a
process may do what each of them allows.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from hairem_core.hotplug.sandbox import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_RULE_PATH, _RULE_PORT = 1, 2
_NO_AUDIT = 1
"""An agent that tries over and over must not fill the kernel's log (from ABI 7 on)."""

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_SOCK, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 11
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEV
READ = READ_FILE | READ_DIR
WRITE = ((1 << 15) - 1) & ~(EXECUTE | _MAKE_CHAR | _MAKE_SOCK | _MAKE_BLOCK)
"""Everything that can be done with files and folders but to run them and to make devices."""
BIND, CONNECT = 1, 2
_SCOPES = 1 | 2
"""Sockets with an abstract name, signals."""

NETWORK_ABI, SCOPE_ABI = 4, 6


class _Attributes(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _PortRule(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def abi() -> int | str:
    """Return the version of this kernel's Landlock, or why there is none."""
    if kernel.machine() is None:
        return f"system calls of {os.uname().machine} are not known to hAIrem"
    try:
        return kernel.syscall(_CREATE_RULESET, 0, 0, _VERSION)
    except OSError as err:
        if err.errno == errno.EOPNOTSUPP:
            return "Landlock is switched off on this system"
        if err.errno == errno.ENOSYS:
            return "this system's kernel has no Landlock"
        return f"this system refuses Landlock ({err.strerror})"


class Ruleset:
    """What will be allowed; everything else that Landlock knows will be refused.

    `network` decides whether TCP is looked at, `files` whether files and other processes are.
    """

    def __init__(self, version: int, *, files: bool = True, network: int = 0) -> None:
        self._handled = _rights(version) if files else 0
        self._version = version
        attributes = _Attributes(
            self._handled,
            network if version >= NETWORK_ABI else 0,
            _SCOPES if files and version >= SCOPE_ABI else 0,
        )
        self.descriptor = kernel.syscall(
            _CREATE_RULESET, ctypes.addressof(attributes), ctypes.sizeof(attributes), 0
        )

    def allow(self, paths: Iterable[Path | str], rights: int) -> None:
        """Allow `rights` at and under each path; one that is not there is passed over."""
        for path in paths:
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
                try:
                    self.allow_under(descriptor, rights)
                finally:
                    os.close(descriptor)

    def allow_under(self, descriptor: int, rights: int) -> None:
        """Allow `rights` at and under what a descriptor stands for."""
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        allowed = rights & self._handled & (-1 if is_folder else _FILE_RIGHTS)
        if allowed:
            rule = _PathRule(allowed, descriptor)
            kernel.syscall(_ADD_RULE, self.descriptor, _RULE_PATH, ctypes.addressof(rule), 0)

    def allow_ports(self, ports: Iterable[int], rights: int) -> None:
        """Allow TCP with `ports`."""
        rule = _PortRule(rights, 0)
        address = ctypes.addressof(rule)
        add = kernel.repeatable(_ADD_RULE, self.descriptor, _RULE_PORT, address, 0)
        for port in ports:
            rule.port = port
            add()

    def restrict(self) -> None:
        """Restrict this process for good; PR_SET_NO_NEW_PRIVS must be set. Raises OSError."""
        flags = _NO_AUDIT if self._version >= 7 else 0
        kernel.syscall(_RESTRICT_SELF, self.descriptor, flags)

    def close(self) -> None:
        """Let go of the rules; what they restrict stays restricted."""
        os.close(self.descriptor)


def all_ports_but(refused: Collection[int], version: int) -> Ruleset:
    """Return a layer that refuses to connect to a few ports.

    Landlock knows only what is allowed, so this has some 65,000 rules: made once, and inherited.
    """
    ruleset = Ruleset(version, files=False, network=CONNECT)
    ruleset.allow_ports((port for port in range(65536) if port not in refused), CONNECT)
    return ruleset


def _rights(version: int) -> int:
    """Return every access to files that a version can refuse."""
    last = {1: 12, 2: 13, 3: 14, 4: 14}.get(version, 15)
    return (1 << (last + 1)) - 1
