"""`hairem doctor`: what is installed, reachable, misconfigured, and what to do about it."""

import asyncio
import importlib.util
import os
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hairem_core.cli.client import BridgeClient, get_json
from hairem_core.cli.places import NotRunning, Places
from hairem_core.config.system import SystemConfig
from hairem_core.errors import HairemError
from hairem_core.hlink.connection import check_server, create_client
from hairem_core.memory.address import EMBEDDED, without_credentials

type Status = Literal["ok", "note", "wrong"]
_LEAST_FREE = 500 * 1024 * 1024
"""Bytes below which the data folder's disk is called full."""

_ARCHIVE_SECONDS = 30.0
"""H-Core itself waits ten for the archive's server."""
_MEMORY_SECONDS = 60.0
"""How long it may take to open: the more is in it, the longer."""
_LOOK_SECONDS = 5.0
"""How long this command waits for it, where none runs."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    status: Status
    what: str
    how: str
    to_do: str = ""


async def examine(places: Places) -> list[Finding]:
    """Return what was found; `wrong` keeps the house from working, `note` does not."""
    findings = [_python(), _packages()]
    try:
        config = places.load_config()
    except HairemError as err:
        findings.append(Finding("wrong", "configuration", err.what, err.hint or ""))
        config = SystemConfig()
    else:
        findings.append(Finding("ok", "configuration", str(places.config_file or "defaults")))
    findings.append(_data_folder(places.data))
    findings += await _core(places, config)
    findings.append(await _redis(places, config))
    findings += await _memory(places, config)
    findings += _models(config)
    findings += await asyncio.to_thread(_bundles, places, config)
    return findings


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < (3, 14, 2):
        return Finding("wrong", "Python", version, "Use Python 3.14.2 or later.")
    return Finding("ok", "Python", version)


def _packages() -> Finding:
    needed = ("pydantic", "redis", "surrealdb", "tantivy", "litellm", "fastapi", "uvicorn")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        return Finding("wrong", "packages", f"missing: {', '.join(missing)}", "Run scripts/test.")
    return Finding("ok", "packages", "all there")


def _data_folder(path: Path) -> Finding:
    existing = path
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not os.access(existing, os.W_OK):
        return Finding("wrong", "data folder", f"{path} cannot be written", "Use --data.")
    free = shutil.disk_usage(existing).free
    if free < _LEAST_FREE:
        return Finding("wrong", "data folder", f"{free >> 20} MiB free at {path}", "Make room.")
    state = "there" if path.exists() else "made at the first start"
    return Finding("ok", "data folder", f"{path} ({state}, {free >> 30} GiB free)")


async def _core(places: Places, config: SystemConfig) -> list[Finding]:
    try:
        async with BridgeClient.connect(places) as client:
            await client.command("agents/subscribe")
            async for event in client.events():
                if event["kind"] == "snapshot":
                    return [
                        Finding("ok", "H-Core", f"running on {places.core_address()}"),
                        *(_agent(each) for each in event["agents"]),
                    ]
    except NotRunning as err:
        free = _port_is_free(config.api.host, config.api.port)
        if not free:
            address = f"{config.api.host}:{config.api.port}"
            return [
                Finding("wrong", "H-Core", f"not running, and {address} is taken", "Use --port.")
            ]
        return [Finding("note", "H-Core", err.what, err.hint or "")]
    except HairemError as err:
        return [Finding("wrong", "H-Core", str(err), "Restart `hairem up`.")]
    return [Finding("wrong", "H-Core", "hung up", "See its log.")]


def _agent(agent: dict[str, str]) -> Finding:
    healthy = agent["state"] == "live"
    how = agent["state"] + (f": {agent['reason']}" if agent["reason"] else "")
    return Finding("ok" if healthy else "wrong", f"agent {agent['id']}", how)


def _port_is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


async def _redis(places: Places, config: SystemConfig) -> Finding:
    try:
        client = create_client(places.redis_url(), retries=0)
    except NotRunning:
        return await _redis_binary()
    except HairemError as err:
        return Finding("wrong", "Redis", str(err))
    try:
        version = await check_server(client)
    except HairemError as err:
        return Finding("wrong", "Redis", err.what, err.hint or "")
    finally:
        await client.aclose()
    kind = "private" if config.redis.url is None else "configured"
    return Finding("ok", "Redis", f"{version}, {kind}")


async def _redis_binary() -> Finding:
    binary = shutil.which("redis-server")
    if binary is None:
        to_do = "apt install redis-server, or set redis.url."
        return Finding("wrong", "Redis", "redis-server is not installed", to_do)
    process = await asyncio.create_subprocess_exec(
        binary, "--version", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    words = dict(part.partition("=")[::2] for part in output.decode().split() if "=" in part)
    version = words.get("v", "unknown")
    if not version.partition(".")[0].isdigit() or int(version.partition(".")[0]) < 7:
        return Finding("wrong", "Redis", f"redis-server {version}", "Install 7.0 or later.")
    return Finding("ok", "Redis", f"redis-server {version}, started with H-Core")


async def _memory(places: Places, config: SystemConfig) -> list[Finding]:
    where = "embedded, in the data folder"
    if config.memory.url is not None:
        where = without_credentials(config.memory.url.get_secret_value())
    memory = Finding("ok", "memory", where)
    try:
        _, health = await asyncio.to_thread(get_json, places, "/api/health")
        part = health["parts"]["memory"]
    except NotRunning, KeyError:
        # Whether H-Core runs and answers, its own row says.
        return [
            await _memory_from_here(places, config, where),
            await _archive_from_here(places, config),
        ]
    if error := part.get("error"):
        memory = Finding("wrong", "memory", f"{where}; {error}", "Nothing is remembered meanwhile.")
    elif chain_error := part.get("chain_error"):
        how = f"{where}; the chain of events is broken: {chain_error}"
        memory = Finding("wrong", "memory", how, "Compare with a backup; see docs/memory.md.")
    return [memory, await _archive(places, config)]


async def _memory_from_here(places: Places, config: SystemConfig, where: str) -> Finding:
    """Look at memory, where no H-Core can be asked."""
    from hairem_core.memory.database import Database
    from hairem_core.memory.errors import MemoryInUse, MemoryUnavailable

    url = config.memory.url.get_secret_value() if config.memory.url is not None else None
    if url is None:
        folder = places.data / "memory"
        if not folder.is_dir():
            return Finding("ok", "memory", f"{where} (made at the first start)")
        url = f"{EMBEDDED}{folder}"
    try:
        async with asyncio.timeout(_MEMORY_SECONDS):
            await Database.look(url)
    except MemoryInUse as err:
        return Finding("note", "memory", f"{where}; {err.what}", err.hint or "")
    except MemoryUnavailable as err:
        return Finding("wrong", "memory", f"{where}; {err.what}", err.hint or "")
    except TimeoutError:
        how = f"{where}; not open within {_MEMORY_SECONDS:g} s"
        return Finding("note", "memory", how, "Start H-Core, and look again.")
    return Finding("ok", "memory", where)


async def _archive(places: Places, config: SystemConfig) -> Finding:
    try:
        _, stats = await asyncio.to_thread(get_json, places, "/api/memory/stats", _ARCHIVE_SECONDS)
        archive = stats["archive"]
    except NotRunning, KeyError:
        return await _archive_from_here(places, config)
    if archive["status"] != "up":
        return _archive_away(archive["error"], config)
    if archive["engine"] == "sqlite":
        # It answers as long as nobody asks for what is damaged.
        return await _archive_from_here(places, config, in_use=True)
    return Finding("ok", "archive", archive["where"])


async def _archive_from_here(
    places: Places, config: SystemConfig, *, in_use: bool = False
) -> Finding:
    """Look at the archive without asking H-Core, which may have it `in_use`."""
    from hairem_core.memory.archive.errors import ArchiveUnavailable
    from hairem_core.memory.archive.place import ArchivePlace

    try:
        place = ArchivePlace.of(config.memory, places.data)
        return Finding("ok", "archive", await place.look(_LOOK_SECONDS, in_use=in_use))
    except ArchiveUnavailable as err:
        return _archive_away(str(err), config)


def _archive_away(error: str, config: SystemConfig) -> Finding:
    url = config.memory.archive_url
    is_server = url is not None and url.get_secret_value().startswith("mysql")
    to_do = "Until it can be reached, nothing is exported, imported, forgotten or archived."
    # A server comes back by itself; a file does not.
    return Finding("note" if is_server else "wrong", "archive", f"away: {error}", to_do)


def _models(config: SystemConfig) -> list[Finding]:
    chat, embedding = config.llm.chat, config.llm.embedding
    if chat is None:
        to_do = "Set llm.chat.model in config/system.yaml, or HAIREM_CHAT_MODEL."
        findings = [Finding("note", "language model", "none: the offline brain answers", to_do)]
    else:
        names = [chat.model, *(each.model for each in chat.fallbacks)]
        findings = [Finding("ok", "language model", ", then ".join(names))]
    if embedding is None:
        to_do = "Set llm.embedding.model in config/system.yaml, or HAIREM_EMBEDDING_MODEL."
        return [*findings, Finding("note", "embedding model", "none: recall is lexical", to_do)]
    return [*findings, Finding("ok", "embedding model", embedding.model)]


def _bundles(places: Places, config: SystemConfig) -> list[Finding]:
    from hairem_core.hotplug.gatekeeper import check_folder
    from hairem_core.hotplug.slots import find_bundles

    roots = [places.root / folder for folder in config.agents.folders]
    findings = [
        Finding("wrong", "agents", f"{root} is not there", "See agents.folders.")
        for root in roots
        if not root.is_dir()
    ]
    owners: dict[str, Path] = {}
    for folder in find_bundles(roots):
        report = check_folder(folder)
        what = f"bundle {folder.name}"
        agent_id = report.agent_id
        if report.errors:
            more = f", and {len(report.errors) - 1} more" if len(report.errors) > 1 else ""
            to_do = f"See `hairem agent check {folder}`."
            findings.append(Finding("wrong", what, f"{report.errors[0]}{more}", to_do))
        elif agent_id and (first := owners.get(agent_id)):
            how = f"its id {agent_id} belongs to {first} already"
            findings.append(Finding("wrong", what, how, "Give it an id of its own."))
        elif report.findings:
            count = len(report.findings)
            how = f"is let in, with {count} warning{'s' if count > 1 else ''}"
            findings.append(Finding("note", what, how, f"See `hairem agent check {folder}`."))
        else:
            findings.append(Finding("ok", what, "is let in"))
        if agent_id and not report.errors:
            owners.setdefault(agent_id, folder)
    return findings
