"""Where an agent is tested: a folder that is gone afterwards, and a whole H-Core in it."""

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ruamel.yaml import YAML

from hairem_core.config.system import AgentsConfig, ApiConfig, BusConfig, SystemConfig
from hairem_core.core import Core
from hairem_core.data import DataFolder
from hairem_core.hotplug.bundle import Manifest, find_manifest, read_manifest
from hairem_core.testing.harness import AgentTestError, AgentUnderTest
from hairem_core.testing.model import ScriptedModel


@asynccontextmanager
async def running_agent(
    bundle: Path,
    *,
    config: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    agents: AgentsConfig | None = None,
) -> AsyncIterator[AgentUnderTest]:
    """Yield the agent of a copy of `bundle`, live, in an H-Core with a data folder of its own.

    `config` is laid over the manifest's, `secrets` are given to it; a secret without a value gets
    a made-up one. `agents` are the limits. Raises AgentTestError, HairemError.
    """
    manifest = read_manifest(bundle)
    with tempfile.TemporaryDirectory(prefix="hairem-test-") as name:
        place = Path(name)
        _prepare(place, bundle, manifest.id, config or {})
        system = SystemConfig(
            api=ApiConfig(port=0),
            # What fails once in a test has failed.
            bus=BusConfig(max_deliveries=1),
            agents=(agents or AgentsConfig()).model_copy(
                update={"folders": [Path("agents")], "secrets_file": Path("secrets.yaml")}
            ),
        )
        model = ScriptedModel()
        with _environment(manifest, secrets or {}):
            async with Core(system, DataFolder(place / "data"), root=place, models=model) as core:
                agent = AgentUnderTest(core, manifest.id, model)
                await agent.wait_until_live()
                yield agent


def find_bundle(path: Path) -> Path:
    """Return the bundle that a test file belongs to. Raises AgentTestError."""
    for folder in path.resolve().parents:
        if find_manifest(folder) is not None:
            return folder
    raise AgentTestError(
        "this test belongs to no bundle: no folder above it has a manifest.yaml",
        where=str(path),
        hint="Put it into the bundle's folder tests/.",
    )


def make_importable(bundle: Path) -> None:
    """Let tests import the bundle's modules as its process does: `hairem_agents.<id>.rules`.

    Raises HairemError when the manifest cannot be read.
    """
    name = f"hairem_agents.{read_manifest(bundle).id}"
    for package, path in (("hairem_agents", []), (name, [str(bundle)])):
        module = ModuleType(package)
        module.__path__ = path
        sys.modules[package] = module


def _prepare(place: Path, bundle: Path, agent_id: str, config: Mapping[str, Any]) -> None:
    # An agent may run as another user, who must get as far as its own folder.
    place.chmod(0o711)
    target = place / "agents" / agent_id
    shutil.copytree(bundle, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    if not config:
        return
    path = find_manifest(target)
    assert path is not None
    yaml = YAML(typ="rt")
    content = yaml.load(path)
    content["config"] = {**(content.get("config") or {}), **config}
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)


@contextmanager
def _environment(manifest: Manifest, secrets: Mapping[str, str]) -> Iterator[None]:
    """Give the agent's secrets to H-Core where it looks first: in the environment."""
    if unknown := sorted(set(secrets) - set(manifest.secrets)):
        raise AgentTestError(
            f"{', '.join(unknown)}: the manifest has no such secret",
            hint="List it under `secrets:`.",
        )
    given = {
        f"{manifest.id}_{name}".upper(): secrets.get(name, f"test-{name.lower()}")
        for name in manifest.secrets
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
