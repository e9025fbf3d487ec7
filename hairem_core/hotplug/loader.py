"""Keeps the running agents in step with the bundles in their folders."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from uuid import NAMESPACE_URL, uuid5

from hairem_core.config.system import AgentsConfig
from hairem_core.errors import HairemError
from hairem_core.hlink.bus import Bus
from hairem_core.hlink.errors import BusUnavailable
from hairem_core.hotplug.bundle import Bundle, Manifest, read_manifest
from hairem_core.hotplug.gatekeeper import Gatekeeper
from hairem_core.hotplug.host import AgentHost
from hairem_core.hotplug.log import AgentLog
from hairem_core.hotplug.provider import NotProvided, Provider
from hairem_core.hotplug.registry import AgentRecord, AgentRegistry, AgentState
from hairem_core.hotplug.report import Finding, Report, Severity, Step
from hairem_core.hotplug.slots import Claims, Ending, Slot, find_bundles, free_id, is_bundle
from hairem_core.hotplug.snapshot import Snapshot, SnapshotStore
from hairem_core.hotplug.watcher import BundleWatcher

_LOGGER = logging.getLogger(__name__)
_RENAME_SECONDS = 0.3
"""How long a folder that went may take to come back under another name."""
_LONGEST_RENAME_SECONDS = 30.0
"""The same, where what came meanwhile is still being looked at."""
_BUS_PAUSE = 1.0
_FIRST_LOOK_SECONDS = 1.0
"""How long a start of H-Core waits for its agents."""

type HostFactory = Callable[[str], AgentHost]


class Vetter(Protocol):
    """What looks at a bundle before any of it runs."""

    def check(
        self,
        snapshot: Path,
        *,
        source: Path,
        hash: str = "",  # noqa: A002 - the word
    ) -> tuple[Report, Bundle | None]:
        """Return what was found, and the bundle if it may become an agent."""
        ...


class PluginLoader:
    """Starts a bundle that appears, swaps one that changes, stops one that goes.

    Each folder is followed by a task of its own: one that installs libraries for a minute delays
    no other.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        snapshots: SnapshotStore,
        create_host: HostFactory,
        registry: AgentRegistry,
        bus: Bus,
        provider: Provider,
        config: AgentsConfig,
        logs: Mapping[str, AgentLog],
        gatekeeper: Vetter | None = None,
        prepare: Callable[[Bundle], None] = lambda bundle: None,
    ) -> None:
        self._folders = folders
        self._snapshots = snapshots
        self._create_host = create_host
        self._registry = registry
        self._bus = bus
        self._provider = provider
        self._logs = logs
        self._gatekeeper: Vetter = gatekeeper or Gatekeeper()
        self._prepare = prepare
        self._watcher = BundleWatcher(folders, mode=config.watch, on_change=self._on_change)
        self._slots: dict[Path, Slot] = {}
        self._claims = Claims()
        self._hosts: dict[str, AgentHost] = {}
        self._ending: dict[str, Ending] = {}
        """The agents that are being stopped, by id."""
        self._disabled: set[str] = set()

    @property
    def hosts(self) -> dict[str, AgentHost]:
        """The running hosts by agent id."""
        return dict(self._hosts)

    @property
    def folders(self) -> Sequence[Path]:
        """The folders that hold bundles."""
        return self._folders

    def folder_of(self, agent_id: str) -> Path | None:
        """Return the bundle folder of an agent, or of a rejected bundle, shown under this id."""
        return next(
            (slot.folder for slot in self._slots.values() if slot.agent_id == agent_id), None
        )

    async def start(self) -> None:
        """Take in every bundle there is, then watch."""
        found = await asyncio.to_thread(find_bundles, self._folders)
        for folder in found:
            # Ids are given out in the order of the folders, whoever is ready first.
            with suppress(HairemError):
                manifest = await asyncio.to_thread(read_manifest, folder)
                self._claims.reserve(folder, manifest)
                self._show_discovered(manifest)
        await self._watcher.start()
        self._on_change(set(found))
        # Who asks right after the start is told of what is rejected, too.
        if tasks := [slot.task for slot in self._slots.values() if slot.task is not None]:
            await asyncio.wait(tasks, timeout=_FIRST_LOOK_SECONDS)

    async def stop(self) -> None:
        """Stop watching, stop every agent."""
        await self._watcher.stop()
        ending = [each.stopping for each in self._ending.values()]
        tasks = [slot.task for slot in self._slots.values() if slot.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        stops = (host.stop() for host in self._hosts.values())
        for err in await asyncio.gather(*ending, *stops, return_exceptions=True):
            if isinstance(err, BaseException):
                _LOGGER.error("An agent was not stopped well", exc_info=err)
        self._hosts.clear()

    async def settle(self) -> None:
        """Return when nothing that is known to have changed is still being dealt with."""
        while tasks := [
            slot.task for slot in self._slots.values() if slot.task and not slot.task.done()
        ]:
            await asyncio.wait(tasks)

    def disable(self, agent_ids: Collection[str]) -> None:
        """Say which agents are not to run; `reload` makes it so."""
        self._disabled = set(agent_ids)

    async def reload(self, agent_id: str) -> None:
        """Deal with an agent's folder as if it had changed. Returns when that is done."""
        folder = self.folder_of(agent_id)
        if folder is None:
            return
        self._slots[folder].is_forced = True
        self._on_change({folder})
        if task := self._slots[folder].task:
            await asyncio.wait([task])

    # --- following a folder ----------------------------------------------------------------------

    def _on_change(self, folders: set[Path]) -> None:
        for folder in sorted(folders):
            slot = self._slots.setdefault(folder, Slot(folder))
            slot.is_dirty = True
            if slot.providing is not None and (
                slot.agent_id in self._disabled or not is_bundle(folder)
            ):
                slot.providing.cancel()  # nobody waits for libraries of an agent that goes
            if slot.task is None or slot.task.done():
                slot.task = asyncio.create_task(self._follow(slot), name=f"bundle {folder.name}")

    async def _follow(self, slot: Slot) -> None:
        while slot.is_dirty:
            slot.is_dirty = False
            try:
                if await asyncio.to_thread(is_bundle, slot.folder):
                    await self._update(slot)
                else:
                    await self._gone(slot)
            except BusUnavailable as err:
                _LOGGER.warning("%s waits for the bus: %s", slot.folder, err)
                await asyncio.sleep(_BUS_PAUSE)
                slot.is_dirty = slot.is_forced = True
            except Exception as err:
                # The edge of one bundle: its failure stays with it.
                _LOGGER.exception("%s: the bundle cannot be taken in", slot.folder)
                what = f"H-Core failed at it: {type(err).__name__}: {err}"
                finding = Finding(step=Step.MANIFEST, rule="internal", what=what)
                self._reject(slot, [finding], folder_hash=None)
            finally:
                slot.named.set()

    async def _update(self, slot: Slot) -> None:
        if slot.agent_id is None:
            slot.named.clear()
        try:
            snapshot = await self._snapshots.take(slot.folder)
        except FileNotFoundError:
            slot.is_dirty = True  # it went while we looked
            return
        if snapshot.hash == slot.hash and not slot.is_forced:
            return
        slot.hash, slot.is_forced = snapshot.hash, False
        if slot.agent_id in self._disabled and slot.agent_id in self._hosts:
            await self._end(slot.agent_id)  # whatever its folder holds by now
        report, bundle = await asyncio.to_thread(
            self._gatekeeper.check, snapshot.folder, source=slot.folder, hash=snapshot.hash
        )
        findings = [*snapshot.findings, *report.findings]
        if bundle is None or snapshot.findings:
            wanted = report.agent_id if slot.agent_id is None else None
            if wanted is not None and await self._claims.claim_id(slot.folder, wanted) is None:
                await self._adopt(slot, wanted)
                with suppress(HairemError):  # where the manifest itself is right
                    self._show_discovered(await asyncio.to_thread(read_manifest, snapshot.folder))
            self._reject(slot, findings, folder_hash=snapshot.hash)
        elif refusal := await self._claims.claim_id(slot.folder, bundle.agent_id):
            self._reject(slot, [*findings, refusal], folder_hash=snapshot.hash)
        elif refusal := await self._claims.claim_uuid(slot.folder, bundle.uuid):
            await self._adopt(slot, bundle.agent_id)
            self._reject(slot, [*findings, refusal], folder_hash=snapshot.hash)
        else:
            await self._take(slot, snapshot, bundle, findings)
        await self._clean()

    async def _take(
        self, slot: Slot, snapshot: Snapshot, bundle: Bundle, findings: list[Finding]
    ) -> None:
        """Make an accepted bundle what the agent is."""
        agent_id = bundle.agent_id
        if slot.agent_id not in (None, agent_id):
            await self._forget(slot)
            slot.hash = snapshot.hash
        await self._adopt(slot, agent_id)
        self._show_discovered(bundle.manifest)
        self._registry.update(agent_id, folder_hash=snapshot.hash, findings=tuple(findings))
        if agent_id in self._disabled:
            await self._end(agent_id)
            self._registry.put(
                replace(
                    AgentRecord.of(bundle.manifest, known=self._registry[agent_id]),
                    state=AgentState.STOPPED,
                    reason="disabled",
                    enabled=False,
                )
            )
            return
        self._registry.update(agent_id, enabled=True)
        if agent_id not in self._hosts:
            self._registry.update(agent_id, state=AgentState.VETTING, reason=None)
        slot.providing = asyncio.create_task(self._provide(bundle), name=f"provide for {agent_id}")
        try:
            bundle = await slot.providing
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            slot.hash = None  # by `_on_change`: it is looked at again
            return
        except NotProvided as err:
            self._reject(slot, [*findings, err.finding], folder_hash=snapshot.hash)
            return
        finally:
            slot.providing = None
            self._registry.update(agent_id, progress=None)
        await asyncio.to_thread(self._prepare, bundle)
        if agent_id not in self._hosts:
            host = self._create_host(agent_id)
            try:
                await host.open()
            except BusUnavailable, asyncio.CancelledError:
                await host.stop()
                raise
            self._hosts[agent_id] = host
        if finding := await self._hosts[agent_id].run(bundle):
            _LOGGER.error("%s does not start: %s", slot.folder, finding)
            self._logs[agent_id].add("ERROR", f"the bundle does not start: {finding}")
            self._registry.update(agent_id, findings=(*findings, finding))

    async def _provide(self, bundle: Bundle) -> Bundle:
        """Return a bundle with all it needs, once it has room to run. Raises NotProvided."""
        provided = await self._provider.provide(
            bundle,
            known_ids=set(self._claims.ids),
            progress=lambda words: self._registry.update(bundle.agent_id, progress=words),
        )
        if host := self._hosts.get(bundle.agent_id):
            await host.wait_for_room()
        return provided

    # --- what the registry shows -----------------------------------------------------------------

    def _show_discovered(self, manifest: Manifest) -> None:
        known = self._registry.get(manifest.id)
        if known is None or known.state is AgentState.REJECTED:
            self._registry.put(AgentRecord.of(manifest))

    async def _adopt(self, slot: Slot, agent_id: str) -> None:
        """Note that an id is now this folder's, and no other's."""
        slot.named.set()
        # Two hosts of one agent would read the same inboxes.
        while ending := self._ending.get(agent_id):
            await ending.over.wait()
        for other in list(self._slots.values()):
            if other is not slot and other.agent_id == agent_id:
                other.agent_id = None
                other.hash = None
                self._on_change({other.folder})  # it may have an id of its own
        slot.agent_id = agent_id

    def _reject(self, slot: Slot, findings: Sequence[Finding], *, folder_hash: str | None) -> None:
        """Show what is wrong with a bundle; an agent of it that already runs goes on."""
        errors = [each for each in findings if each.severity is Severity.ERROR]
        reason = "\n".join(str(each) for each in errors)
        _LOGGER.error("%s cannot become an agent: %s", slot.folder, reason)
        agent_id = slot.agent_id or self._claims.id_of(slot.folder)
        if agent_id is None or self._claims.is_of_another(slot.folder, agent_id):
            shown = {each.agent_id for each in self._slots.values() if each.agent_id is not None}
            agent_id = free_id(slot.folder, shown | set(self._claims.ids))
        slot.agent_id = agent_id
        self._logs[agent_id].add("ERROR", f"the bundle is refused: {reason}")
        host = self._hosts.get(agent_id)
        if host is not None and host.bundle is not None:
            self._registry.update(agent_id, findings=tuple(findings), folder_hash=folder_hash)
            return
        known = self._registry.get(agent_id)
        record = known or AgentRecord(
            id=agent_id, uuid=uuid5(NAMESPACE_URL, str(slot.folder)), name=slot.folder.name
        )
        self._registry.put(
            replace(
                record,
                state=AgentState.REJECTED,
                reason=reason,
                findings=tuple(findings),
                folder_hash=folder_hash,
                progress=None,
                enabled=agent_id not in self._disabled,
            )
        )

    # --- what goes -------------------------------------------------------------------------------

    async def _gone(self, slot: Slot) -> None:
        """Stop what a folder held that is no bundle any more, unless it only has a new name."""
        await asyncio.sleep(_RENAME_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_RENAME_SECONDS):
                for each in list(self._slots.values()):
                    await each.named.wait()
        if slot.is_dirty:
            return
        await self._forget(slot)
        if not slot.is_dirty:  # it may have come back meanwhile
            del self._slots[slot.folder]
        await self._clean()

    async def _forget(self, slot: Slot) -> None:
        agent_id, slot.agent_id, slot.hash = slot.agent_id, None, None
        if agent_id is None or self._claims.is_of_another(slot.folder, agent_id):
            return  # another folder has this id now
        try:
            await self._end(agent_id, gone=slot.folder)
        except BusUnavailable:
            slot.agent_id = agent_id  # it is tried again
            raise
        # A bundle that was left out because of this one may have its id now.
        waiting = {
            each.folder
            for each in self._slots.values()
            if each is not slot and each.agent_id not in self._hosts
        }
        for folder in waiting:
            self._slots[folder].is_forced = True
        self._on_change(waiting)

    async def _end(self, agent_id: str, *, gone: Path | None = None) -> None:
        """Stop an agent's host if it has one; forget the agent if its folder is `gone`."""
        ending = self._ending[agent_id] = Ending(self._hosts.pop(agent_id, None))
        try:
            await asyncio.shield(ending.stopping)
            # A folder that has its id by now waits for this end, and has its inboxes and record.
            if gone is not None and not self._claims.is_of_another(gone, agent_id):
                await self._bus.unregister(agent_id)
                self._claims.release(gone, agent_id)
                self._registry.remove(agent_id)
        finally:
            del self._ending[agent_id]
            ending.over.set()

    async def _clean(self) -> None:
        """Remove the snapshots and libraries that nobody uses any more."""

        def used() -> list[Bundle]:
            ending = [each.host for each in self._ending.values() if each.host]
            return [each for host in (*self._hosts.values(), *ending) for each in host.bundles()]

        await self._snapshots.clean(
            lambda: [
                *(bundle.folder for bundle in used()),
                *(self._snapshots[slot.hash] for slot in self._slots.values() if slot.hash),
            ]
        )
        libraries = [bundle.libraries for bundle in used() if bundle.libraries]
        await asyncio.to_thread(self._provider.clean, libraries)
