"""What people may do to an agent, and what they may ask about it."""

import asyncio
import json
import logging
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from hairem_core.hotplug.errors import ControlRefused, UnknownAgent
from hairem_core.hotplug.loader import PluginLoader
from hairem_core.hotplug.log import AgentLog
from hairem_core.hotplug.registry import AgentRegistry, AgentState

_LOGGER = logging.getLogger(__name__)


class AgentControl:
    """Orders about agents. Each raises UnknownAgent, or ControlRefused with the reason."""

    def __init__(
        self,
        loader: PluginLoader,
        registry: AgentRegistry,
        logs: Mapping[str, AgentLog],
        *,
        disabled_file: Path,
        removed: Path,
    ) -> None:
        self._loader = loader
        self._registry = registry
        self._logs = logs
        self._disabled_file = disabled_file
        self._removed = removed
        self._disabled = _read_disabled(disabled_file)
        self._writing = asyncio.Lock()
        loader.disable(self._disabled)

    async def enable(self, agent_id: str) -> None:
        """Start an agent that was disabled or quarantined."""
        self._check(agent_id)
        self._disabled.discard(agent_id)
        await self._apply(agent_id)

    async def disable(self, agent_id: str) -> None:
        """Stop an agent and leave it stopped, over restarts of H-Core too.

        What is sent to it meanwhile waits in its inbox, until it expires.
        """
        if self._check(agent_id) is AgentState.REJECTED:
            raise ControlRefused(
                f"{agent_id} does not run: its bundle is rejected",
                hint="Mend or remove the bundle.",
            )
        self._disabled.add(agent_id)
        await self._apply(agent_id)

    async def reload(self, agent_id: str) -> None:
        """Vet the bundle again and put a new process in the old one's place."""
        self._check(agent_id)
        if agent_id in self._disabled:
            raise ControlRefused(
                f"{agent_id} is disabled", hint=f"Write `hairem agent enable {agent_id}`."
            )
        await self._loader.reload(agent_id)

    async def remove(self, agent_id: str) -> None:
        """Stop an agent and move its bundle out of the agents' folders.

        It is kept in `<data>/removed/`; what the agent remembers is kept too.
        """
        self._check(agent_id)
        folder = self._loader.folder_of(agent_id)
        if folder is None:
            raise ControlRefused(f"{agent_id} has no folder any more")
        target = self._removed / f"{agent_id}-{datetime.now():%Y%m%dT%H%M%S.%f}"  # noqa: DTZ005
        try:
            await asyncio.to_thread(_move, folder, target)
        except OSError as err:
            raise ControlRefused(
                f"cannot be moved: {err.strerror or err}",
                where=str(folder),
                hint="Disable the agent instead, or remove the folder by hand.",
            ) from err
        _LOGGER.info("%s was removed; its bundle is in %s", agent_id, target)
        self._disabled.discard(agent_id)
        await self._apply(agent_id)

    def details(self, agent_id: str) -> dict[str, Any]:
        """Return all that is known of an agent, as JSON values."""
        self._check(agent_id)
        host = self._loader.hosts.get(agent_id)
        bundle = host.bundle if host else None
        folder = self._loader.folder_of(agent_id)
        return {
            **self._registry[agent_id].as_dict(),
            "folder": str(folder) if folder else None,
            "manifest": bundle.manifest.model_dump(mode="json") if bundle else None,
            "process": host.details() if host else None,
        }

    def log(self, agent_id: str) -> AgentLog:
        """Return an agent's log."""
        self._check(agent_id)
        return self._logs[agent_id]

    def _check(self, agent_id: str) -> AgentState:
        record = self._registry.get(agent_id)
        if record is None:
            known = ", ".join(each.id for each in self._registry.records()) or "none"
            raise UnknownAgent(f"there is no agent {agent_id!r}; known: {known}")
        return record.state

    async def _apply(self, agent_id: str) -> None:
        self._loader.disable(self._disabled)
        async with self._writing:  # of two at once the later one knows more
            try:
                await asyncio.to_thread(_write_disabled, self._disabled_file, set(self._disabled))
            except OSError as err:
                raise ControlRefused(
                    f"cannot be noted for the next start: {err.strerror or err}",
                    where=str(self._disabled_file),
                ) from err
        await self._loader.reload(agent_id)


def _move(folder: Path, target: Path) -> None:
    # There may be secrets in manifests, which are no other agent's business.
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.move(folder, target)


def _read_disabled(path: Path) -> set[str]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return set()
    except OSError, ValueError:
        _LOGGER.exception("%s cannot be read: no agent counts as disabled", path)
        return set()
    return {each for each in found if isinstance(each, str)} if isinstance(found, list) else set()


def _write_disabled(path: Path, disabled: set[str]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(sorted(disabled)) + "\n")
    fresh.replace(path)
