"""`hairem up` where Home Assistant's Supervisor started it: H-Core as an app."""

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hairem_core.cli.places import code_root
from hairem_core.cli.up import Role, give_up_root, listening, run_core, say, set_level, stop_event
from hairem_core.config.system import Language, load_config
from hairem_core.config.yaml_file import ConfigError
from hairem_core.data import default_data
from hairem_core.errors import HairemError
from hairem_core.supervisor.app import PORT, AppPlaces, SupervisedApp
from hairem_core.supervisor.options import AppOptions, apply, read_options

if TYPE_CHECKING:
    from hairem_core.api.ingress import Ingress
    from hairem_core.core import Core

_LOGGER = logging.getLogger(__name__)
_USER = "10001:10001"
"""Whom the image knows as `hairem`."""


class AppStart:
    """The start of the app, from its options to H-Core, or to a page that says what is wrong."""

    def __init__(
        self,
        token: str,
        data: Path | None,
        config: Path | None,
        host: str | None,
        port: int | None,
        role: Role,
        *,
        has_level: bool,
    ) -> None:
        """What is None is as apps have it; `has_level` keeps the options from changing the log."""
        self._places = _places()
        self._data = (data or default_data()).absolute()
        self._config = config or self._places.system_yaml
        # Ingress and Home Assistant come from outside the container.
        self._host = host or "0.0.0.0"
        self._port = PORT if port is None else port
        self._role = role
        self._has_level = has_level
        self._app = SupervisedApp(token, self._places, self._data)

    def run(self) -> None:
        """Run until a signal comes. Raises HairemError."""
        give_up_root(
            os.environ.get("HAIREM_RUN_AS", _USER),
            self._data,
            # The user's agents too: removing one moves its folder.
            [self._places.options.parent, self._places.folder],
        )
        asyncio.run(self._run())

    async def _run(self) -> None:
        language: Language = "en"
        try:
            options = read_options(self._places.options)
            language = options.language
            config = load_config(self._config)
        except ConfigError as err:
            await self._explain(err, language)
            return
        if not self._has_level:
            set_level(options.log_level)
        self._make_agents_folder(options)
        config = apply(options, config, folder=self._places.folder, shipped=_shipped())
        prepared = await self._app.prepare(options, config)
        await run_core(
            listening(prepared.config, self._host, self._port),
            self._data,
            self._places.folder,
            self._role,
            secrets=prepared.secrets,
            ingress=self._ingress(options.language),
            beside=self._stay_in_touch,
            model_hint="Set chat_model in the app's options.",
        )

    async def _stay_in_touch(self, core: Core) -> None:
        assert core.app_token is not None
        port = int(core.address.rpartition(":")[2])
        await self._app.stay_in_touch(port, core.app_token)

    async def _explain(self, err: ConfigError, language: Language) -> None:
        """Stay, and say what is wrong: a restart would not help."""
        from hairem_core.api.ingress import create_misconfigured_app
        from hairem_core.api.server import WebServer, address_of, listen

        stop = stop_event()
        for line in str(err).splitlines():
            _LOGGER.error("%s", line)
        listener = listen(self._host, self._port)
        app = create_misconfigured_app(self._ingress(language), err.problems)
        server = await WebServer.start(app, listener)
        say(
            f"hAIrem waits on {address_of(listener)}: its options are wrong. Change them in Home "
            "Assistant, save, and restart the app."
        )
        await stop.wait()
        say("Stopping")
        await server.stop()

    def _ingress(self, language: Language) -> Ingress:
        from hairem_core.api import ingress

        return ingress.Ingress(
            trusted=self._places.ingress, language=language, status=self._app.status
        )

    def _make_agents_folder(self, options: AppOptions) -> None:
        """Make the folder for the user's own agents: an empty place says where they go."""
        folder = self._places.folder / (options.agents_folder or "agents")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            _LOGGER.warning("%s cannot be made: %s", folder, err.strerror)


def _places() -> AppPlaces:
    try:
        return AppPlaces.of(os.environ)
    except ValueError as err:
        raise HairemError(str(err), where="HAIREM_INGRESS_ADDRESS") from err


def _shipped() -> Path:
    """Return the folder of the agents that come with H-Core."""
    named = os.environ.get("HAIREM_AGENTS")
    return Path(named) if named else code_root() / "agents"
