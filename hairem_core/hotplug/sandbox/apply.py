"""Put this process into its sandbox."""

import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hairem_core.hotplug.sandbox import kernel, landlock, limits, paths, seccomp, user
from hairem_core.hotplug.sandbox.landlock import Ruleset
from hairem_core.hotplug.sandbox.spec import SandboxSpec

_KEPT_ENVIRONMENT = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
_PATH = "/usr/local/bin:/usr/bin:/bin"

type Protections = dict[str, str]
"""`user`, `files`, `network`, `processes`, `memory` and `descriptors`: `active…`, or why not."""


@dataclass(frozen=True)
class Prepared:
    """What the forkserver makes once, since it takes long, and every agent inherits."""

    abi: int | str
    """Landlock's version, or why there is none."""
    ports: dict[tuple[int, ...], Ruleset]
    """The layer that refuses a few ports, by those ports."""

    def prepare(self, spec: SandboxSpec) -> None:
        """Make what `spec` will need. Raises OSError."""
        refused = spec.refused_ports
        if refused and refused not in self.ports and _knows_ports(self.abi):
            assert isinstance(self.abi, int)
            self.ports[refused] = landlock.all_ports_but(refused, self.abi)

    def close(self) -> None:
        """Let go of what was inherited."""
        for layer in self.ports.values():
            layer.close()


def prepare() -> Prepared:
    """Find out what this kernel has."""
    kernel.use_few_arenas()
    paths.readable()
    paths.executable()
    return Prepared(landlock.abi(), {})


def apply(spec: SandboxSpec, prepared: Prepared) -> Protections:
    """Restrict this process for good; return what is active, and why the rest is not.

    What a system does not have is said. Raises OSError where one that it has does not work.
    """
    folder = os.open(spec.working_folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    limits.die_first()
    no_user = user.become(spec, folder, (*paths.sample(), *spec.readable))
    os.fchdir(folder)
    _set_environment(spec.working_folder)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    limits.apply(spec.limits, own_user=no_user is None)
    if isinstance(prepared.abi, int):
        _restrict_files(spec, prepared.abi, folder)
        _restrict_ports(spec, prepared)
    os.close(folder)
    prepared.close()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    # An agent is never without the forkserver, which alone can say how it ended. (A change of user
    # takes this back: it comes after.)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    scoped = isinstance(prepared.abi, int) and prepared.abi >= landlock.SCOPE_ABI
    rules = seccomp.Rules(
        network=spec.ports is not None,
        processes=spec.processes,
        own_user=no_user is None,
        scoped_signals=scoped,
    )
    no_filter = seccomp.apply(rules)
    limits.yield_to_others()
    return {
        "user": f"active: user {os.getuid()}" if no_user is None else f"inactive: {no_user}",
        "files": _say_files(prepared.abi),
        "network": _say_network(spec, prepared.abi, no_filter),
        "processes": _say_processes(spec, own_user=no_user is None, no_filter=no_filter),
        "memory": f"active: {spec.limits.memory_mb} MiB",
        "descriptors": f"active: {spec.limits.open_files}",
    }


def _set_environment(home: Path) -> None:
    kept = {key: os.environ[key] for key in _KEPT_ENVIRONMENT if key in os.environ}
    os.environ.clear()
    os.environ.update(kept | {"PATH": _PATH, "HOME": str(home), "TMPDIR": str(home)})
    tempfile.tempdir = None
    os.umask(0o077)
    # What it imports lies where it cannot write.
    sys.dont_write_bytecode = True


def _restrict_files(spec: SandboxSpec, abi: int, folder: int) -> None:
    network = landlock.BIND | landlock.CONNECT if spec.ports != "all" else 0
    ruleset = Ruleset(abi, network=network)
    ruleset.allow((*paths.readable(), *spec.readable), landlock.READ)
    if spec.processes:
        readable_and_executable = landlock.READ | landlock.EXECUTE
        ruleset.allow((*paths.executable(), *spec.readable), readable_and_executable)
    ruleset.allow(paths.DEVICES, landlock.READ | landlock.WRITE)
    ruleset.allow_under(folder, landlock.READ | landlock.WRITE)
    # A rule holds as long as the kernel remembers this folder of /proc: the descriptor, which
    # stays open, makes it.
    ruleset.allow_under(os.open("/proc/self", os.O_PATH | os.O_CLOEXEC), landlock.READ)
    if abi >= landlock.NETWORK_ABI and spec.ports is not None and spec.ports != "all":
        ruleset.allow_ports(spec.ports, network)
    ruleset.restrict()
    ruleset.close()


def _restrict_ports(spec: SandboxSpec, prepared: Prepared) -> None:
    if layer := prepared.ports.get(spec.refused_ports):
        layer.restrict()


def _knows_ports(abi: int | str) -> bool:
    return isinstance(abi, int) and abi >= landlock.NETWORK_ABI


def _say_files(abi: int | str) -> str:
    return f"active: Landlock {abi}" if isinstance(abi, int) else f"inactive: {abi}"


def _say_network(spec: SandboxSpec, abi: int | str, no_filter: str | None) -> str:
    if spec.ports is None:
        if no_filter is None:
            return "active: none at all"
        if _knows_ports(abi):
            return f"active: no TCP, but UDP is open: {no_filter}"
        return f"inactive: {no_filter}"
    if spec.ports == "all":
        refused = bool(spec.refused_ports) and not _knows_ports(abi)
        if no_filter is not None or refused:
            why = (
                no_filter or "H-Core's own servers can be reached, this kernel cannot refuse ports"
            )
            return f"inactive: {why}"
        return "active: TCP and UDP, as permitted; no other sockets"
    ports = ", ".join(str(port) for port in sorted(spec.ports))
    if not _knows_ports(abi):
        return f"inactive: every port can be reached, not {ports} alone: this kernel cannot tell"
    if no_filter is not None:
        return f"active: TCP to {ports}, but other sockets are open: {no_filter}"
    return f"active: TCP to {ports} and UDP; no other sockets"


def _say_processes(spec: SandboxSpec, *, own_user: bool, no_filter: str | None) -> str:
    if not spec.processes and no_filter is None:
        return "active: it can start none"
    most = 2 * spec.limits.processes
    if own_user:
        said = f"active: {most} threads and processes at most"
    elif os.getuid() != 0:
        said = "active: some hundred threads and processes at most, as its user has others"
    else:
        said = "inactive: the kernel does not count the processes of root"
    return said if spec.processes else f"{said}, though it should start none: {no_filter}"
