"""The live state of every agent."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from hairem_core.hotplug.bundle import Manifest
from hairem_core.hotplug.permissions import NAMES
from hairem_core.hotplug.report import Finding, findings_as_json


class AgentState(StrEnum):
    """Where an agent is in its life."""

    DISCOVERED = "discovered"
    VETTING = "vetting"
    STARTING = "starting"
    LIVE = "live"
    DRAINING = "draining"
    STOPPED = "stopped"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    CRASHED = "crashed"


@dataclass(frozen=True, kw_only=True)
class AgentRecord:
    """What is known of an agent; the shape is that of `docs/bridge.md`."""

    id: str
    uuid: UUID
    name: str
    description: dict[str, str] = field(default_factory=dict)
    version: str = "0.0.0"
    languages: list[str] = field(default_factory=list)
    permissions: list[str] = field(default_factory=list)
    """The names; `Permissions.as_list` has their limits too."""
    state: AgentState = AgentState.DISCOVERED
    reason: str | None = None
    generation: int = 0
    restarts: int = 0
    enabled: bool = True
    folder_hash: str | None = None
    """SHA-256 of the bundle as it lies in its folder."""
    running_hash: str | None = None
    """SHA-256 of the bundle that the live process was made of, as that process said."""
    findings: tuple[Finding, ...] = ()
    """What the Gatekeeper found in the bundle as it lies in its folder."""
    progress: str | None = None
    """What is being done that takes long, such as installing requirements."""
    last_error: str | None = None
    """The last failure of a handler, a task or the process, in one line."""

    @property
    def drift(self) -> bool:
        """Whether what runs is not what lies in the folder."""
        return self.running_hash is not None and self.running_hash != self.folder_hash

    @classmethod
    def of(cls, manifest: Manifest, *, known: AgentRecord | None = None) -> AgentRecord:
        """Return the record of a bundle; what is `known` of the agent goes on."""
        fields: dict[str, Any] = {
            "uuid": manifest.effective_uuid,
            "name": manifest.name,
            "description": {str(key): text for key, text in manifest.description.items()},
            "version": manifest.version,
            "languages": list(manifest.languages),
            "permissions": [name for name in NAMES if name in manifest.permissions],
        }
        if known is not None:
            return replace(known, **fields)
        return cls(id=manifest.id, **fields)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            **self.__dict__,
            "uuid": str(self.uuid),
            "state": self.state.value,
            "findings": findings_as_json(self.findings),
            "drift": self.drift,
        }


type RegistryListener = Callable[[str, AgentRecord | None], None]


class AgentRegistry:
    """Holds a record of each agent and tells of every change."""

    def __init__(self) -> None:
        self._records: dict[str, AgentRecord] = {}
        self._listeners: list[RegistryListener] = []

    def __getitem__(self, agent_id: str) -> AgentRecord:
        return self._records[agent_id]

    def get(self, agent_id: str) -> AgentRecord | None:
        """Return an agent's record, None if there is no such agent."""
        return self._records.get(agent_id)

    def records(self) -> list[AgentRecord]:
        """Return all records, by id."""
        return [self._records[key] for key in sorted(self._records)]

    def put(self, record: AgentRecord) -> None:
        """Add or replace a record."""
        if self._records.get(record.id) != record:
            self._records[record.id] = record
            self._tell(record.id, record)

    def update(self, agent_id: str, **changes: Any) -> None:
        """Change fields of a record that is there."""
        self.put(replace(self._records[agent_id], **changes))

    def remove(self, agent_id: str) -> None:
        """Forget an agent."""
        if self._records.pop(agent_id, None) is not None:
            self._tell(agent_id, None)

    def subscribe(self, listener: RegistryListener) -> Callable[[], None]:
        """Call `listener(id, record or None)` at each change; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _tell(self, agent_id: str, record: AgentRecord | None) -> None:
        for listener in list(self._listeners):
            listener(agent_id, record)
