"""Two agents on two versions of one library: a whole H-Core, two bundles, real processes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hairem_core.core import Core
from tests.hotplug.helpers import HEAD, ask, from_test
from tests.support.bus import until
from tests.support.core import running_core, write_agent
from tests.support.package_index import PackageIndex

TELLS_ITS_VERSION = (
    HEAD
    + """
import colour

class Agent(BaseAgent):
    async def on_message(self, message):
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content=colour.VERSION)
"""
)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with PackageIndex() as index:
        index.add("colour", "1.0")
        index.add("colour", "2.0")
        index.add("paint", requires=["colour<2"])
        yield index


def write_requiring(agents: Path, agent_id: str, requirements: str) -> Path:
    folder = write_agent(agents, agent_id, TELLS_ITS_VERSION)
    (folder / "requirements.txt").write_text(requirements)
    return folder


async def version_told_by(core: Core, agent_id: str) -> str:
    return (await ask(core, from_test(agent_id)))[0].payload.content


async def test_two_agents_on_two_versions_of_one_library(
    agents: Path, tmp_path: Path, index: PackageIndex
) -> None:
    write_requiring(agents, "older", "paint\n")
    write_requiring(agents, "newer", "colour>=2\n")
    async with running_core(
        tmp_path, agents=agents, agents_config={"package_index": index.url}
    ) as core:
        assert await version_told_by(core, "older") == "1.0"
        assert await version_told_by(core, "newer") == "2.0"


async def test_a_live_agent_changes_to_another_version(
    agents: Path, tmp_path: Path, index: PackageIndex
) -> None:
    older = write_requiring(agents, "older", "colour==1.0\n")
    write_requiring(agents, "newer", "colour==2.0\n")
    async with running_core(
        tmp_path, agents=agents, agents_config={"package_index": index.url}
    ) as core:
        assert await version_told_by(core, "older") == "1.0"
        (older / "requirements.txt").write_text("colour==2.0\npaint==1.0\n")
        await until(lambda: core.registry["older"].findings)
        (finding,) = core.registry["older"].findings
        assert finding.file == "requirements.txt"
        assert "all versions of paint depend on colour<2" in finding.what
        assert core.registry["older"].state == "live"
        assert await version_told_by(core, "older") == "1.0"
        (older / "requirements.txt").write_text("colour==2.0\n")
        await until(lambda: core.registry["older"].generation == 2)
        assert core.registry["older"].findings == ()
        assert await version_told_by(core, "older") == "2.0"
        assert await version_told_by(core, "newer") == "2.0"
