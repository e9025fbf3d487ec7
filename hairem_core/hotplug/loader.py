"""Finds bundles in the agents' folders, and hosts those that can be agents."""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from hairem_core.errors import HairemError
from hairem_core.hlink.bus import Bus
from hairem_core.hlink.errors import BusUnavailable
from hairem_core.hotplug.bundle import MANIFEST_NAMES, Bundle, read_bundle
from hairem_core.hotplug.host import AgentHost
from hairem_core.hotplug.registry import AgentRecord, AgentRegistry, AgentState

_LOGGER = logging.getLogger(__name__)
_WATCHED = (*MANIFEST_NAMES, "persona.yaml", "logic.py")
_POLL_SECONDS = 1.0

type Signature = tuple[tuple[str, int, int], ...]
type HostFactory = Callable[[Bundle], AgentHost]


class PluginLoader:
    """Keeps hosts and bundle folders in step: a bundle that appears is started, one that goes is
    stopped, one that changes is started anew."""

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        create_host: HostFactory,
        registry: AgentRegistry,
        bus: Bus,
    ) -> None:
        self._folders = folders
        self._create_host = create_host
        self._registry = registry
        self._bus = bus
        self._seen: dict[Path, tuple[str, Signature]] = {}
        self._hosts: dict[str, AgentHost] = {}
        self._poller: asyncio.Task[None] | None = None

    @property
    def hosts(self) -> dict[str, AgentHost]:
        """The running hosts by agent id."""
        return dict(self._hosts)

    async def start(self) -> None:
        """Start every bundle there is, then watch. Raises BusUnavailable."""
        await self.scan()
        self._poller = asyncio.create_task(self._poll(), name="plugin loader")

    async def stop(self) -> None:
        """Stop watching, stop every agent."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
        await asyncio.gather(*(host.stop() for host in self._hosts.values()))
        self._hosts.clear()

    async def scan(self) -> None:
        """Bring the hosts in step with the folders, once."""
        found = await asyncio.to_thread(self._look)
        for folder in [folder for folder in self._seen if folder not in found]:
            if folder in self._seen:
                await self._remove(folder)
        for folder, signature in found.items():
            if folder not in self._seen or self._seen[folder][1] != signature:
                try:
                    await self._take(folder, signature)
                except BusUnavailable:
                    raise
                except Exception as err:
                    _LOGGER.exception("%s: the bundle cannot be taken in", folder)
                    self._reject(folder.name, folder, signature, f"{type(err).__name__}: {err}")

    def _look(self) -> dict[Path, Signature]:
        found: dict[Path, Signature] = {}
        for root in self._folders:
            if not root.is_dir():
                continue
            for folder in sorted(root.iterdir()):
                if folder.name.startswith(("_", ".")) or not folder.is_dir():
                    continue
                if any((folder / name).is_file() for name in MANIFEST_NAMES):
                    found[folder] = _signature(folder)
        return found

    async def _take(self, folder: Path, signature: Signature) -> None:
        previous = self._seen[folder][0] if folder in self._seen else None
        try:
            bundle = await asyncio.to_thread(read_bundle, folder)
        except HairemError as err:
            self._reject(previous or folder.name, folder, signature, str(err))
            return
        agent_id = bundle.agent_id
        owner = self._owner(agent_id)
        if owner not in (None, folder):
            _LOGGER.error("%s: the id %r belongs to %s already; left out", folder, agent_id, owner)
            self._seen[folder] = ("", signature)
            return
        if previous and previous != agent_id:
            await self._remove(folder)
        for other, (owned, seen) in self._seen.items():
            if owned == agent_id and other != folder:
                self._seen[other] = ("", seen)  # a rejected bundle whose folder has this name
        if agent_id in self._hosts:
            await self._hosts.pop(agent_id).stop()
        known = self._registry.get(agent_id)
        generation = known.generation if known else 0
        self._registry.put(AgentRecord.of(bundle, generation=generation))
        self._seen[folder] = (agent_id, signature)
        self._hosts[agent_id] = self._create_host(bundle)
        await self._hosts[agent_id].start()

    def _reject(self, agent_id: str, folder: Path, signature: Signature, reason: str) -> None:
        """Show what is wrong with a bundle; an agent of it that already runs goes on."""
        _LOGGER.error("%s cannot become an agent: %s", folder, reason)
        if self._owner(agent_id) not in (None, folder):
            self._seen[folder] = ("", signature)
            return
        if agent_id in self._hosts:
            self._seen[folder] = (agent_id, signature)
            self._registry.update(agent_id, reason=reason)
            return
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", agent_id):
            self._seen[folder] = ("", signature)
            return
        self._seen[folder] = (agent_id, signature)
        self._registry.put(
            AgentRecord(
                id=agent_id,
                uuid=uuid5(NAMESPACE_URL, str(folder)),
                name=agent_id,
                state=AgentState.REJECTED,
                reason=reason,
            )
        )

    async def _remove(self, folder: Path) -> None:
        agent_id, _ = self._seen.pop(folder)
        if host := self._hosts.pop(agent_id, None):
            await host.stop()
            await self._bus.unregister(agent_id)
        self._registry.remove(agent_id)
        # A bundle that was left out because of this one may have its id now.
        for other in [each for each, (owned, _) in self._seen.items() if not owned]:
            del self._seen[other]

    def _owner(self, agent_id: str) -> Path | None:
        """Return the folder of the running agent of this id; a rejected bundle owns nothing."""
        if agent_id not in self._hosts:
            return None
        return next((path for path, (owned, _) in self._seen.items() if owned == agent_id), None)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                await self.scan()
            except Exception:
                _LOGGER.exception("Looking for agents failed; trying again")


def _signature(folder: Path) -> Signature:
    found = []
    for name in _WATCHED:
        try:
            status = (folder / name).stat()
        except OSError:
            continue
        found.append((name, status.st_mtime_ns, status.st_size))
    return tuple(found)
