"""`hairem up`: start H-Core, as a program or as a Home Assistant app, and stay until stopped."""

import asyncio
import logging
import os
import pwd
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Never

import typer

from hairem_core import __version__
from hairem_core.cli.options import ConfigOption, DataOption
from hairem_core.cli.output import complain, is_closed
from hairem_core.cli.places import find_places
from hairem_core.config.system import SystemConfig
from hairem_core.data import default_data
from hairem_core.errors import HairemError

if TYPE_CHECKING:
    from hairem_core.core import Core
    from hairem_core.data import DataFolder

_MODEL_HINT = "Set llm.chat.model in config/system.yaml, or HAIREM_CHAT_MODEL."


_PATIENCE = 10.0
"""Seconds for a command that looks into the memory to end."""
_POLL = 0.1


class Role(StrEnum):
    """Which part of hAIrem this process is."""

    ALL = "all"
    CORE = "core"


def up(
    data: DataOption = None,
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes any.")] = None,
    role: Annotated[
        Role, typer.Option(help="all starts a Redis of its own; core uses that of redis.url.")
    ] = Role.ALL,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error.", show_default="info")
    ] = None,
) -> None:
    """Start H-Core and stay until stopped."""
    # Until there is a loop that stops in order, there is nothing to put in order.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    from hairem_core.supervisor.credentials import take_token

    token = take_token()
    level = _level(log_level or "info")
    _set_up_logging(level)
    _allow_descriptors()
    if token is not None:
        from hairem_core.cli.up_app import AppStart

        AppStart(token, data, config, host, port, role, has_level=log_level is not None).run()
        return
    give_up_root(os.environ.get("HAIREM_RUN_AS"), data or default_data())
    places = find_places(data, config)
    loaded = places.load_config()
    asyncio.run(run_core(listening(loaded, host, port), places.data, places.root, role))


def listening(config: SystemConfig, host: str | None, port: int | None) -> SystemConfig:
    """Return `config` with the address that was given over its own."""
    given = {"host": host, "port": port}
    changes = {key: value for key, value in given.items() if value is not None}
    return config.model_copy(update={"api": config.api.model_copy(update=changes)})


def give_up_root(wanted: str | None, data: Path, others: Sequence[Path] = ()) -> None:
    """Become the user that is `wanted`, where this is root.

    The data folder, made if need be, is given to that user, and so are `others`. Raises
    PrivilegeError.
    """
    if os.geteuid() != 0 or not wanted or wanted == "root":
        _know_user(was_root=False)
        return
    from hairem_core.cli.privileges import RunAs, drop_privileges, hand_over

    user = RunAs.parse(wanted)
    with suppress(OSError):  # The data folder's own errors say more.
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    given = hand_over([data, *others], user)
    drop_privileges(user)
    _know_user(was_root=True)
    logging.getLogger(__name__).info(
        "No longer root: user %d, group %d; %d files changed hands", user.uid, user.gid, given
    )


async def run_core(
    config: SystemConfig,
    data: Path,
    root: Path,
    role: Role,
    *,
    model_hint: str = _MODEL_HINT,
    beside: Callable[[Core], Awaitable[None]] | None = None,
    **options: Any,
) -> None:
    """Run H-Core until a signal comes, and `beside` while it does.

    `options` are more of Core's; `model_hint` says how to name a model. Raises HairemError.
    """
    from hairem_core.core import FIRST_CLIENT, Core
    from hairem_core.data import DataFolder

    if role is Role.CORE and config.redis.url is None:
        raise HairemError(
            "role core has no Redis of its own",
            where="redis.url",
            hint="Name a Redis in system.yaml, or start with --role all.",
        )
    folder = DataFolder(data)
    await _take(folder)
    stop = stop_event()
    async with Core(config, folder, root=root, **options) as core:
        say(f"hAIrem {__version__} listens on {core.address}")
        if core.new_token:
            say(f"Token for {FIRST_CLIENT}, shown only now: {core.new_token}")
        if config.llm.chat is None:
            say(f"No language model is configured: the offline brain answers. {model_hint}")
        company = asyncio.ensure_future(beside(core)) if beside else None
        await stop.wait()
        say("Stopping")
        if company is not None:
            company.cancel()
            await asyncio.gather(company, return_exceptions=True)


async def _take(folder: DataFolder) -> None:
    """Take the data folder, once a command that has it for a moment ends. Raises DataFolderError.

    A signal ends it at once: nothing is started yet.
    """
    from hairem_core.data import InUse

    until: float | None = None
    while True:
        try:
            folder.lock()
            return
        except InUse as err:
            now = time.monotonic()
            if not err.is_brief or (until is not None and now > until):
                raise
            if until is None:
                until = now + _PATIENCE
                complain(f"{folder.path}: {err.what}; this goes on once that has ended")
        await asyncio.sleep(_POLL)


def stop_event() -> asyncio.Event:
    """Return what is set once somebody wants this process to end. Call it in the loop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def say(text: str) -> None:
    """Tell who started this, and went away if standard output is closed."""
    if not is_closed():
        print(text, flush=True)


def set_level(name: str) -> None:
    """Have the log say as much as `name` asks for. Raises HairemError."""
    level = _level(name)
    logging.getLogger().setLevel(level)
    for noisy in ("alembic", "httpx", "httpcore", "LiteLLM", "uvicorn", "websockets"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))


def _know_user(*, was_root: bool) -> None:
    """Name this user and its home to libraries that ask; Kubernetes runs users without a name."""
    try:
        user = pwd.getpwuid(os.getuid())
        name, home = user.pw_name, user.pw_dir
    except KeyError:
        name, home = "hairem", tempfile.gettempdir()
    if was_root:
        # Root's own is closed to it now.
        os.environ["HOME"] = home
    os.environ.setdefault("USER", name)


def _leave(number: int, frame: FrameType | None) -> Never:
    sys.exit(0)


def _level(name: str) -> int:
    level = logging.getLevelNamesMapping().get(name.upper())
    if level is None:
        raise HairemError(f"{name!r} is no log level", where="--log-level", hint="Use info.")
    return level


def _allow_descriptors() -> None:
    """Take as many descriptors as this user may have: an agent costs six of them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _set_up_logging(level: int) -> None:
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    set_level(logging.getLevelName(level))
