"""H-Core as a Home Assistant app: what it is told at its start, and what it tells."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from hairem_core.config.system import SystemConfig
from hairem_core.errors import HairemError
from hairem_core.supervisor import mysql
from hairem_core.supervisor.client import (
    DEFAULT_BASE,
    MySqlService,
    SupervisorClient,
    SupervisorError,
)
from hairem_core.supervisor.options import AppOptions

_LOGGER = logging.getLogger(__name__)
PORT = 8127
"""Where an app listens: the Supervisor leads ingress there."""
_SUPERVISOR = IPv4Address("172.30.32.2")
_ELECTRA = "electra"
_ELECTRAS_SECRET = "HA_TOKEN"  # noqa: S105 - a name
_MYSQL_SECONDS = 3.0
"""How long the start waits to be told of MariaDB."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0

type NoticeCode = Literal[
    "supervisor_away", "not_announced", "mariadb_away", "mariadb_gone", "mariadb_unused",
    "mariadb_left",
]  # fmt: skip

_ARCHIVE_WORDS: dict[mysql.ArchiveNotice, str] = {
    "mariadb_gone": (
        "MariaDB holds what is archived, and no app offers it now: archived memories are out of "
        "reach. Start its app, or switch use_mariadb off to begin a new archive."
    ),
    "mariadb_unused": (
        "Memories are archived in a file already, so that goes on; MariaDB is not used."
    ),
    "mariadb_left": ("use_mariadb is off: what is archived in MariaDB stays there, out of reach."),
}


@dataclass(frozen=True, kw_only=True)
class AppPlaces:
    """Where an app finds what belongs to it. Only tests have it otherwise."""

    supervisor: str = DEFAULT_BASE
    options: Path = Path("/data/options.json")
    folder: Path = Path("/config")
    """The app's configuration folder: the user's agents, `system.yaml`, `secrets.yaml`."""
    ingress: IPv4Address | IPv6Address = _SUPERVISOR
    """Whence the Supervisor's requests come."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """Return the usual places, or those that the environment names. Raises ValueError."""
        found: dict[str, Any] = {}
        if supervisor := environ.get("HAIREM_SUPERVISOR"):
            found["supervisor"] = supervisor
        if options := environ.get("HAIREM_APP_OPTIONS"):
            found["options"] = Path(options)
        if folder := environ.get("HAIREM_APP_CONFIG"):
            found["folder"] = Path(folder)
        if ingress := environ.get("HAIREM_INGRESS_ADDRESS"):
            found["ingress"] = ip_address(ingress)
        return cls(**found)

    @property
    def system_yaml(self) -> Path | None:
        """The user's `system.yaml`, None where there is none."""
        path = self.folder / "system.yaml"
        return path if path.is_file() else None


@dataclass(kw_only=True)
class AppStatus:
    """How things are with the Supervisor, for the page."""

    hostname: str | None = None
    port_outside: int | None = None
    """The machine's port that leads to the bridge; None where it is closed."""
    is_announced: bool = False
    notices: dict[NoticeCode, str] = field(default_factory=dict)
    """What the user should know, with the words of the one who said so."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What H-Core is started with."""

    config: SystemConfig
    secrets: dict[str, dict[str, str]]
    """By agent id and name: what this agent gets and no other."""


class SupervisedApp:
    """Speaks with the Supervisor, before H-Core starts and while it runs."""

    def __init__(self, token: str, places: AppPlaces, data: Path) -> None:
        """`data` is H-Core's data folder."""
        self._token = token
        self._places = places
        self._data = data
        self._service: MySqlService | None = None
        self._started = datetime.now(UTC)
        self.status = AppStatus()

    async def prepare(self, options: AppOptions, config: SystemConfig) -> Prepared:
        """Return what H-Core starts with: the archive's place, Electra's way to Home Assistant.

        A Supervisor or a MariaDB that is away is told in the log and in `status`, and no more.
        """
        if config.memory.archive_url is None:
            config = await self._with_archive(options, config)
        return self._with_electra(config)

    async def stay_in_touch(self, port: int, token: str) -> None:
        """Have Home Assistant discover H-Core, and MariaDB made ready, as soon as that can be.

        `port` is the bridge's, `token` opens it. Returns when there is nothing left to do.
        """
        announce = self._persist(lambda: self._announce(port, token), self._not_announced)
        if self._service is None:
            await announce
        else:
            service = self._service
            database = self._persist(lambda: self._make_database(service), self._mariadb_away)
            await asyncio.gather(announce, database)

    async def _with_archive(self, options: AppOptions, config: SystemConfig) -> SystemConfig:
        kept = self._data / "mariadb.json"
        used = mysql.remembered(kept)
        place = mysql.choose_place(
            wanted=options.use_mariadb,
            offered=await self._offered() if options.use_mariadb else None,
            used=used,
            file_is_used=used is None and mysql.holds_fragments(self._data / "archive.sqlite3"),
        )
        if place.notice is not None:
            self.status.notices[place.notice] = ""
            _LOGGER.warning("%s", _ARCHIVE_WORDS[place.notice])
        if place.service is None:
            return config
        self._service = place.service
        mysql.remember(kept, place.service)
        try:
            await self._make_database(place.service)
        except mysql.MariaDbError as err:
            self._mariadb_away(err)
        memory = config.memory.model_copy(update={"archive_url": mysql.archive_url(place.service)})
        return config.model_copy(update={"memory": memory})

    async def _offered(self) -> MySqlService | None:
        try:
            async with self._client(timeout=_MYSQL_SECONDS) as client:
                return await client.mysql()
        except SupervisorError as err:
            _LOGGER.warning("Whether there is a MariaDB is not known: %s", err)
            return None

    def _with_electra(self, config: SystemConfig) -> Prepared:
        settings = config.agents.settings
        hers = settings.get(_ELECTRA, {})
        if "ha_url" in hers:
            # Another Home Assistant is none of the Supervisor's, and must not get its token.
            return Prepared(config=config, secrets={})
        parts = urlsplit(self._places.supervisor)
        scheme = "wss" if parts.scheme == "https" else "ws"
        url = f"{scheme}://{parts.netloc}/core/websocket"
        update = {"settings": {**settings, _ELECTRA: {**hers, "ha_url": url}}}
        agents = config.agents.model_copy(update=update)
        return Prepared(
            config=config.model_copy(update={"agents": agents}),
            secrets={_ELECTRA: {_ELECTRAS_SECRET: self._token}},
        )

    async def _persist(
        self, step: Callable[[], Awaitable[None]], failed: Callable[[HairemError], None]
    ) -> None:
        """Take a step again and again, until it succeeds."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await step()
            except (SupervisorError, mysql.MariaDbError) as err:
                failed(err)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return

    async def _announce(self, port: int, token: str) -> None:
        async with self._client() as client:
            info = await client.info()
            self.status.hostname = info.hostname
            self.status.port_outside = info.port_outside(port)
            await client.announce(info.hostname, port, token, self._started)
        self.status.is_announced = True
        self.status.notices.pop("supervisor_away", None)
        self.status.notices.pop("not_announced", None)
        _LOGGER.info(
            "Home Assistant was told where to find this H-Core: %s:%s", info.hostname, port
        )

    def _not_announced(self, err: HairemError) -> None:
        is_refusal = isinstance(err, SupervisorError) and err.is_refusal
        code: NoticeCode = "not_announced" if is_refusal else "supervisor_away"
        other: NoticeCode = "supervisor_away" if is_refusal else "not_announced"
        self.status.notices.pop(other, None)
        self._tell(code, f"Home Assistant was not told of this H-Core yet: {err}")

    async def _make_database(self, service: MySqlService) -> None:
        await mysql.make_database(service)
        self.status.notices.pop("mariadb_away", None)

    def _mariadb_away(self, err: HairemError) -> None:
        self._tell("mariadb_away", str(err))

    def _tell(self, code: NoticeCode, words: str) -> None:
        """Say it once, however often it is found again."""
        if self.status.notices.get(code) != words:
            self.status.notices[code] = words
            _LOGGER.warning("%s", words)

    def _client(self, **options: Any) -> SupervisorClient:
        return SupervisorClient(self._token, self._places.supervisor, **options)
