"""H-Core: the only place where rooms are wired together."""

import asyncio
import logging
import os
import socket
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from os.path import normpath
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from hairem_core import __version__
from hairem_core.api.app import create_app
from hairem_core.api.bridge import BridgeContext
from hairem_core.api.dreams import Dreams
from hairem_core.api.ingress import Ingress, ingress_router
from hairem_core.api.server import WebServer, address_of, listen
from hairem_core.api.tokens import TokenStore
from hairem_core.api.turns import Turns
from hairem_core.backup import Backup, Part
from hairem_core.config.system import SystemConfig
from hairem_core.data import DataFolder, write_private
from hairem_core.errors import HairemError
from hairem_core.hlink.bus import Bus
from hairem_core.hlink.connection import check_server, create_client
from hairem_core.hlink.eraser import Eraser
from hairem_core.hlink.errors import BusError
from hairem_core.hlink.server import PrivateRedis
from hairem_core.home.tools import ToolLink
from hairem_core.hotplug.bundle import Bundle
from hairem_core.hotplug.control import AgentControl
from hairem_core.hotplug.forkserver import Forkserver
from hairem_core.hotplug.host import AgentHost
from hairem_core.hotplug.loader import PluginLoader, Vetter
from hairem_core.hotplug.log import AgentLog
from hairem_core.hotplug.provider import Provider
from hairem_core.hotplug.registry import AgentRegistry, AgentState
from hairem_core.hotplug.requirements import RequirementInstaller
from hairem_core.hotplug.sandbox import SandboxSpec, agent_uid
from hairem_core.hotplug.secrets import SecretStore
from hairem_core.hotplug.services import AgentServices, Models
from hairem_core.hotplug.snapshot import SnapshotStore, give_to_group
from hairem_core.llm.gateway import ModelGateway
from hairem_core.memory.dream.telling import DreamTeller
from hairem_core.memory.errors import UpgradeFailed
from hairem_core.memory.service import MemoryService

_LOGGER = logging.getLogger(__name__)
FIRST_CLIENT = "home-assistant"
COMMAND_CLIENT = "hairem-command"
APP_CLIENT = "home-assistant-app"


class Core:
    """Everything that runs in H-Core's own process. Use it as an async context manager."""

    def __init__(
        self,
        config: SystemConfig,
        data: DataFolder,
        *,
        root: Path,
        models: Models | None = None,
        gatekeeper: Vetter | None = None,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
        ingress: Ingress | None = None,
    ) -> None:
        """`models` serves the agents instead of the models that `config` names; `gatekeeper` looks
        at bundles instead of the usual one. `secrets` are, by agent id and name, what one agent
        gets before all else. `ingress` is there where H-Core is a Home Assistant app.
        """
        self._config = config
        self._data = data
        self._root = root
        self._stack = AsyncExitStack()
        self._started = time.monotonic()
        self._private_redis: PrivateRedis | None = None
        self._gatekeeper = gatekeeper
        self._secrets = SecretStore(root / config.agents.secrets_file, os.environ, given=secrets)
        self._ingress = ingress
        self._gateway: ModelGateway | None = None
        if models is None:
            models = self._gateway = ModelGateway(config.llm, redact=self._secrets.redact)
        self._models = models
        self._logs: defaultdict[str, AgentLog] = defaultdict(AgentLog)
        self.registry = AgentRegistry()
        self.new_token: str | None = None
        """The first client's token, at the first start only: it is nowhere else in clear."""
        self.app_token: str | None = None
        """The token of the Home Assistant whose app this is; None where it is none."""
        self.address = ""
        """`host:port` of the bridge."""

    async def __aenter__(self) -> Self:
        """Start everything. Raises HairemError; what was started by then is stopped."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        config, data, stack = self._config, self._data, self._stack
        data.lock()
        stack.callback(data.unlock)
        hide = self._secrets.log_filter()
        for handler in logging.getLogger().handlers:
            handler.addFilter(hide)
            stack.callback(handler.removeFilter, hide)
        # The port first: it is what a second H-Core on this machine trips over.
        listener = listen(config.api.host, config.api.port)
        stack.callback(listener.close)
        # What takes longest first: the models' library needs seconds, in a thread of its own.
        if gateway := self._gateway:
            stack.push_async_callback(gateway.close)
            warm_up = asyncio.create_task(gateway.warm_up(), name="llm warm-up")
            stack.push_async_callback(_cancel, warm_up)
        self._forkserver = Forkserver(time_zone=config.memory.dream.time_zone)
        await self._forkserver.start()
        stack.push_async_callback(self._forkserver.stop)
        self.bus = await self._open_bus()
        try:
            await self._open_memory()
        except UpgradeFailed as err:
            if (before := data.last_version()) is not None:
                err.hint = f"{err.hint} It was hAIrem {before}, this is {__version__}."
            raise
        data.note_version(__version__)
        self._backup = self._make_backup()
        self._home = ToolLink(self.bus)
        await self._home.start()
        stack.push_async_callback(self._home.stop)

        tokens = self._open_tokens()
        turns = Turns(
            self.bus,
            self.registry,
            agent_timeout=config.agents.turn_timeout,
            language=config.house.language,
            paused=self._backup.paused,
        )
        self._open_agents()
        context = BridgeContext(
            server_id=data.server_id(),
            name=config.house.name,
            version=__version__,
            tokens=tokens,
            registry=self.registry,
            control=self.control,
            turns=turns,
            memory=self._remembering,
            dreams=Dreams(self._remembering.dreamer, config.house.language),
        )
        self._server_id = context.server_id
        stack.push_async_callback(self._loader.stop)
        await self._loader.start()
        await self._serve(listener, context)
        stack.push_async_callback(_end_turns, turns)
        # First of all: who waits to write would else be cut off.
        stack.push_async_callback(self._backup.close)

    async def _open_bus(self) -> Bus:
        url = self._config.redis.url
        if url is None:
            self._private_redis = PrivateRedis(self._data.redis)
            self._stack.push_async_callback(self._private_redis.stop)
            await self._private_redis.start()
            url = self._private_redis.url
        client = create_client(url)
        limits = self._config.bus
        bus = Bus(
            client,
            live=create_client(url, retries=0),
            max_hops=limits.max_hops,
            max_deliveries=limits.max_deliveries,
            journal_length=limits.journal_length,
        )
        self._stack.push_async_callback(bus.close)
        self._redis_version = await check_server(client)
        return bus

    async def _open_memory(self) -> None:
        """Open memory and let it work; it is there before the first agent."""
        config, gateway = self._config, self._gateway
        self._remembering = await MemoryService.open(
            self._data.path,
            config.memory,
            language=config.house.language,
            identify=self._agent_uuid,
            embedder=gateway.embedder if gateway else None,
            model=gateway,
            publish=DreamTeller(self.bus),
            traces=Eraser(self.bus.redis, is_private=self._private_redis is not None),
        )
        self._stack.push_async_callback(self._remembering.close)
        await self._remembering.start()
        self.memory = self._remembering.store

    def _make_backup(self) -> Backup:
        parts: dict[str, Part] = {}
        if self._private_redis is not None:
            parts["redis-server"] = self._private_redis
        return Backup(parts | {"memory": self._remembering})

    def _agent_uuid(self, agent_id: str) -> UUID | None:
        record = self.registry.get(agent_id)
        return record.uuid if record else None

    def _open_tokens(self) -> TokenStore:
        tokens = TokenStore(self._data.tokens)
        if self._ingress is not None:
            self.app_token = _kept_token(tokens, APP_CLIENT, self._data.app_token)
        elif not tokens.records():
            self.new_token = tokens.create(FIRST_CLIENT)
        _kept_token(tokens, COMMAND_CLIENT, self._data.command_token)
        return tokens

    def _open_agents(self) -> None:
        config, data = self._config.agents, self._data
        data.open_to_agents()
        self._loader = PluginLoader(
            # One folder in two spellings would be two owners of each id.
            list(dict.fromkeys(Path(normpath(self._root / each)) for each in config.folders)),
            snapshots=SnapshotStore(data.bundles),
            create_host=self._create_host,
            registry=self.registry,
            bus=self.bus,
            provider=Provider(
                RequirementInstaller(data.path, index=config.package_index),
                self._secrets,
                config.settings,
            ),
            config=config,
            logs=self._logs,
            gatekeeper=self._gatekeeper,
            prepare=_hand_over,
        )
        self.control = AgentControl(
            self._loader,
            self.registry,
            self._logs,
            disabled_file=data.path / "disabled.json",
            removed=data.path / "removed",
        )

    def _create_host(self, agent_id: str) -> AgentHost:
        return AgentHost(
            agent_id,
            bus=self.bus,
            create_services=self._create_services,
            create_spec=self._create_spec,
            forkserver=self._forkserver,
            registry=self.registry,
            config=self._config.agents,
            log=self._logs[agent_id],
            redact=self._secrets.redact,
        )

    def _create_services(self, bundle: Bundle) -> AgentServices:
        return AgentServices(
            bundle,
            bus=self.bus,
            models=self._models,
            memory=self.memory,
            home=self._home,
            limits=self._config.memory,
            agent_limits=self._config.agents.limits,
            secrets=self._secrets,
            paused=self._backup.paused,
        )

    def _create_spec(self, bundle: Bundle) -> SandboxSpec:
        return SandboxSpec.of(
            bundle,
            working_folder=self._data.path / "agents" / bundle.agent_id,
            limits=self._config.agents.limits,
            denied_ports=self._house_ports(),
        )

    def _house_ports(self) -> list[int]:
        """Return the TCP ports of H-Core's own servers, which are no agent's business."""
        memory = self._config.memory.url
        urls = [self._config.redis.url, memory.get_secret_value() if memory else None]
        usual = {"redis": 6379, "rediss": 6379, "ws": 80, "wss": 443}
        ports = [url.port or usual.get(url.scheme) for url in map(urlsplit, filter(None, urls))]
        return [port for port in ports if port is not None]

    async def _serve(self, listener: socket.socket, context: BridgeContext) -> None:
        self.address = address_of(listener)
        page = None
        if self._ingress is not None:
            port = int(listener.getsockname()[1])
            page = ingress_router(self._ingress, self.registry, self.health, port=port)
        server = await WebServer.start(
            create_app(context, self.health, self._backup, page), listener
        )
        self._stack.push_async_callback(server.stop)
        write_private(self._data.address, self.address + "\n")
        self._stack.callback(self._data.address.unlink, missing_ok=True)

    def agent_pid(self, agent_id: str) -> int | None:
        """Return the process id of a live agent, else None."""
        host = self._loader.hosts.get(agent_id)
        return host.pid if host else None

    @property
    def forkserver_pid(self) -> int | None:
        """The process id of the agents' forkserver."""
        return self._forkserver.pid

    @property
    def redis_pid(self) -> int | None:
        """The process id of the private redis-server, None where there is none."""
        return self._private_redis.pid if self._private_redis else None

    async def health(self) -> dict[str, Any]:
        """Return how everything is: `status` is "up" when a person can be answered."""
        redis: dict[str, Any] = {"status": "up", "version": self._redis_version}
        try:
            async with asyncio.timeout(2):
                await check_server(self.bus.redis)
        except (BusError, TimeoutError) as err:
            redis = {"status": "down", "error": str(err) or "does not answer"}
        records = self.registry.records()
        states = {record.id: record.state.value for record in records}
        live = any(record.state is AgentState.LIVE for record in records)
        return {
            "status": "up" if redis["status"] == "up" else "down",
            "version": __version__,
            "server_id": self._server_id,
            "held": self._backup.is_held,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "parts": {
                "redis": redis,
                "memory": await self._remembering.describe(),
                "llm": self._gateway.describe() if self._gateway else {"status": "up"},
                "agents": {"status": "up" if live else "down", "states": states},
            },
        }


def _hand_over(bundle: Bundle) -> None:
    """Let an agent's own user, where it has one, read its snapshot, and no other agent's."""
    if os.geteuid() == 0:
        give_to_group(bundle.folder, agent_uid(bundle.agent_id))


def _kept_token(tokens: TokenStore, client: str, file: Path) -> str:
    """Return a client's token that is kept in clear in `file`; a new one if it is not valid."""
    kept = file.read_text().strip() if file.exists() else ""
    if tokens.verify(kept) != client:
        with suppress(HairemError):
            tokens.revoke(client)
        kept = tokens.create(client)
        write_private(file, kept + "\n")
    return kept


async def _end_turns(turns: Turns) -> None:
    turns.fail_all("stopping", "H-Core is stopping")
    # Their last frames leave before the connections close.
    await asyncio.sleep(0.05)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
