"""Which system calls an agent's process may make, seccomp(2).

What is dangerous in any agent is refused always; sockets and processes as its permissions say. The
filter is inherited by whatever the process starts, and nothing can take it off.
"""

import ctypes
import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from hairem_core.hotplug.sandbox import bpf, kernel
from hairem_core.hotplug.sandbox.syscalls import numbers

_SYSCALL = {"x86_64": 317, "aarch64": 277}
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
"""x86_64's second set of system calls begins here; no rule of ours would apply to it."""
_SET_MODE_FILTER = 1
_FLAG_TSYNC = 1

_REFUSE = bpf.fail(errno.EPERM)
_IGNORE = bpf.fail(0)

_NEVER = (
    # into other processes
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease"),
    *("kcmp", "pidfd_getfd", "move_pages", "migrate_pages"),
    # into the kernel: large, seldom needed, and where most ways out were found
    *("bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter"),
    *("io_uring_register", "keyctl", "add_key", "request_key", "personality", "modify_ldt"),
    # other views of the file system
    *("mount", "umount2", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsconfig"),
    *("fsmount", "fspick", "mount_setattr", "pivot_root", "chroot", "unshare", "setns"),
    *("open_by_handle_at", "fanotify_init"),
    # the machine
    *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot"),
    *("swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "settimeofday", "clock_settime"),
    *("adjtimex", "clock_adjtime", "sethostname", "setdomainname", "syslog", "vhangup", "iopl"),
    "ioperm",
    # memory that no limit of a process counts, or that outlives it
    *("memfd_create", "memfd_secret", "shmget", "msgget", "semget", "mq_open"),
    # out of the process group, by which an agent and all it started are ended
    *("setsid", "setpgid"),
)
_PROCESSES = ("fork", "vfork", "execve", "execveat")
_MODES = (
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    *("setxattr", "lsetxattr", "removexattr", "lremovexattr", "setxattrat", "removexattrat"),
    "file_setattr",
)

_CLONE_THREAD = 0x00010000
_CLONE_APART = 0x7E020000 | 0x00008000 | 0x00002000
"""New namespaces of every kind, a parent that is not this process, and being traced."""
_PRCTL_NEVER = (kernel.PR_SET_PDEATHSIG, kernel.PR_SET_DUMPABLE, 35, 0x59616D61)
"""Also PR_SET_MM and PR_SET_PTRACER."""
_SOCKET_TYPE = 0xF
"""Without SOCK_NONBLOCK and SOCK_CLOEXEC."""
_MSG_FASTOPEN = 0x20000000
"""Connects without connect(2), where Landlock would look."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What differs from one agent to another."""

    network: bool
    processes: bool
    own_user: bool
    """Whether no other process has its user."""
    scoped_signals: bool
    """Whether Landlock keeps its signals among its own."""


def apply(rules: Rules) -> str | None:
    """Restrict this process for good; return None, or why this system cannot.

    Raises OSError when the kernel refuses a filter that it should take.
    """
    machine = kernel.machine()
    if machine is None:
        return f"system calls of {os.uname().machine} are not known to hAIrem"
    code = b"".join(step.pack() for step in program(rules, machine, os.getpid()))
    buffer = ctypes.create_string_buffer(code)

    class _Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    argument = _Program(len(code) // 8, ctypes.addressof(buffer))
    try:
        kernel.syscall(_SYSCALL[machine], _SET_MODE_FILTER, _FLAG_TSYNC, ctypes.addressof(argument))
    except OSError as err:
        if err.errno in (errno.ENOSYS, errno.EPERM, errno.EACCES):
            return f"this system allows no seccomp filter ({err.strerror})"
        raise
    return None


def program(rules: Rules, machine: str, pid: int) -> list[bpf.Step]:
    """Return the filter for the process `pid`, a leader of its group."""
    number = numbers(machine)
    steps = [
        bpf.Step(bpf.LOAD, bpf.ARCHITECTURE),
        bpf.Step(bpf.JUMP_EQUAL, _ARCHITECTURE[machine], yes=1),
        bpf.Step(bpf.RETURN, bpf.KILL_PROCESS),
        bpf.Step(bpf.LOAD, bpf.NUMBER),
        bpf.Step(bpf.JUMP_AT_LEAST, _X32, no=1),
        bpf.Step(bpf.RETURN, bpf.KILL_PROCESS),
    ]
    for names, value in _plain_rules(rules):
        found = [number[name] for name in names if name in number]
        steps += bpf.verdict(found, value)
    for name, body in _rules_by_argument(rules, pid):
        if name in number:
            steps += bpf.only(number[name], body)
    return [*steps, bpf.Step(bpf.RETURN, bpf.ALLOW)]


def _plain_rules(rules: Rules) -> Iterator[tuple[tuple[str, ...], int]]:
    yield _NEVER, _REFUSE
    # Its flags are in memory, where no filter can look: the C library then uses clone.
    yield ("clone3",), bpf.fail(errno.ENOSYS)
    if not rules.network:
        yield ("socket",), _REFUSE
    if not rules.processes:
        yield (*_PROCESSES, "pidfd_send_signal"), _REFUSE
        if not rules.scoped_signals:
            yield ("tkill",), _REFUSE
    if not rules.own_user:
        # Landlock does not look at modes and owners, and those of H-Core's files are this user's
        # to change. A copy of a file that fails over its mode would help nobody: it is feigned.
        yield _MODES, _IGNORE


def _rules_by_argument(rules: Rules, pid: int) -> Iterator[tuple[str, list[bpf.Step]]]:
    allow, refuse = bpf.Step(bpf.RETURN, bpf.ALLOW), bpf.Step(bpf.RETURN, _REFUSE)
    yield (
        "clone",
        [
            *bpf.any_bit(0, _CLONE_APART, then=_REFUSE),
            *([] if rules.processes else bpf.any_bit(0, _CLONE_THREAD, then=bpf.ALLOW)),
            allow if rules.processes else refuse,
        ],
    )
    yield (
        "prctl",
        [
            bpf.Step(bpf.LOAD, bpf.argument(0)),
            *bpf.verdict(_PRCTL_NEVER, _REFUSE),
            allow,
        ],
    )
    # Datagrams of a pair could be sent to any socket in the file system.
    yield "socketpair", _unix_pair()
    if rules.network:
        yield "socket", _internet_socket()
        for name, flags in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
            yield name, [*bpf.any_bit(flags, _MSG_FASTOPEN, then=_REFUSE), allow]
    for name in ("prlimit64", "sched_setaffinity", "sched_setparam", "sched_setscheduler"):
        yield name, bpf.one_of(0, (0, pid), _REFUSE)
    yield "sched_setattr", bpf.one_of(0, (0, pid), _REFUSE)
    for name, one_process in (("setpriority", os.PRIO_PROCESS), ("ioprio_set", 1)):
        yield (
            name,
            [
                bpf.Step(bpf.LOAD, bpf.argument(0)),
                bpf.Step(bpf.JUMP_EQUAL, one_process, yes=1),
                refuse,
                *bpf.one_of(1, (0, pid), _REFUSE),
            ],
        )
    if not rules.processes:
        yield "kill", bpf.one_of(0, (0, pid, -pid), _REFUSE)
        for name in ("tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
            yield name, bpf.one_of(0, (pid,), _REFUSE)


def _unix_pair() -> list[bpf.Step]:
    return [
        bpf.Step(bpf.LOAD, bpf.argument(0)),
        bpf.Step(bpf.JUMP_EQUAL, socket.AF_UNIX, yes=1),
        bpf.Step(bpf.RETURN, _REFUSE),
        bpf.Step(bpf.LOAD, bpf.argument(1)),
        bpf.Step(bpf.AND, _SOCKET_TYPE),
        *bpf.verdict((socket.SOCK_STREAM, socket.SOCK_SEQPACKET), bpf.ALLOW),
        bpf.Step(bpf.RETURN, _REFUSE),
    ]


def _internet_socket() -> list[bpf.Step]:
    """TCP and UDP over IP, and what tells the C library of the machine's addresses.

    Protocols are named: MPTCP is a stream as well, and Landlock does not look at it.
    """
    netlink = bpf.one_of(2, (0,), _REFUSE)
    stream = bpf.one_of(2, (0, socket.IPPROTO_TCP), _REFUSE)
    datagram = bpf.one_of(2, (0, socket.IPPROTO_UDP), _REFUSE)
    return [
        bpf.Step(bpf.LOAD, bpf.argument(0)),
        *bpf.only(socket.AF_NETLINK, netlink),
        bpf.Step(bpf.JUMP_EQUAL, socket.AF_INET, yes=2),
        bpf.Step(bpf.JUMP_EQUAL, socket.AF_INET6, yes=1),
        bpf.Step(bpf.RETURN, _REFUSE),
        bpf.Step(bpf.LOAD, bpf.argument(1)),
        bpf.Step(bpf.AND, _SOCKET_TYPE),
        *bpf.only(socket.SOCK_STREAM, stream),
        *bpf.only(socket.SOCK_DGRAM, datagram),
        bpf.Step(bpf.RETURN, _REFUSE),
    ]
