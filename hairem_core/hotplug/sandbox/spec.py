"""What one agent's process is allowed."""

import hashlib
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    # The forkserver imports this file: it stays free of what only H-Core needs.
    from hairem_core.config.system import AgentLimits
    from hairem_core.hotplug.bundle import Bundle

_FIRST_UID = 30_000
_UIDS = 30_000

type Ports = Collection[int] | Literal["all"] | None
"""TCP ports that may be reached; `"all"` is any, None is no network whatever."""


def agent_uid(agent_id: str) -> int:
    """Return an agent's user where H-Core runs as root: 30,000 to 59,999, always the same."""
    return _FIRST_UID + int.from_bytes(hashlib.sha256(agent_id.encode()).digest()) % _UIDS


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one process may use up."""

    memory_mb: int
    """Mebibytes of memory beside what the process has before any code of the agent's."""
    open_files: int
    processes: int
    """Threads and processes at once."""
    file_mb: int
    """Mebibytes of the longest file it may write."""

    @classmethod
    def of(cls, limits: AgentLimits) -> Self:
        """Return the part of the configured limits that the kernel enforces."""
        return cls(
            memory_mb=limits.memory_mb,
            open_files=limits.open_files,
            processes=limits.processes,
            file_mb=limits.file_mb,
        )


@dataclass(frozen=True, kw_only=True)
class SandboxSpec:
    """What one agent's process is allowed. It crosses to the forkserver as JSON."""

    working_folder: Path
    """The one folder it may write to; it exists."""
    readable: Collection[Path] = ()
    """What it may read beside Python and H-Core's own code: its bundle, its libraries."""
    uid: int | None = None
    """The user it becomes where the forkserver runs as root; None changes nothing."""
    gid: int | None = None
    """None is the group with the number of `uid`."""
    limits: Limits
    ports: Ports = None
    processes: bool = False
    """Whether it may start processes."""
    denied_ports: Collection[int] = ()
    """TCP ports of H-Core's own servers, out of its reach even if `ports` is `"all"`."""

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        *,
        working_folder: Path,
        limits: AgentLimits,
        denied_ports: Collection[int] = (),
    ) -> Self:
        """Return what `bundle` may do by its manifest."""
        permissions = bundle.permissions
        ports: Ports = None
        if "network" in permissions:
            ports = "all" if permissions.ports is None else permissions.ports
        return cls(
            working_folder=working_folder,
            readable=[path for path in (bundle.folder, bundle.libraries) if path is not None],
            uid=agent_uid(bundle.agent_id) if os.geteuid() == 0 else None,
            limits=Limits.of(limits),
            ports=ports,
            processes="processes" in permissions,
            denied_ports=denied_ports,
        )

    @property
    def refused_ports(self) -> tuple[int, ...]:
        """The ports that an agent with all of the network may not reach, in order."""
        return tuple(sorted(set(self.denied_ports))) if self.ports == "all" else ()

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON takes it, with absolute paths."""
        ports = self.ports if self.ports is None or self.ports == "all" else sorted(self.ports)
        return {
            "working_folder": str(self.working_folder.resolve()),
            "readable": [str(path.resolve()) for path in self.readable],
            "uid": self.uid,
            "gid": self.gid,
            "limits": asdict(self.limits),
            "ports": ports,
            "processes": self.processes,
            "denied_ports": sorted(self.denied_ports),
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Return the spec of which `to_json` made `fields`."""
        return cls(
            **fields
            | {
                "working_folder": Path(fields["working_folder"]),
                "readable": [Path(each) for each in fields["readable"]],
                "limits": Limits(**fields["limits"]),
            }
        )
