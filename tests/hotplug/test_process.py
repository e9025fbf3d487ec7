"""The host's end of one agent process, by itself."""

import asyncio
from pathlib import Path

from hairem_core.config.system import AgentLimits, AgentsConfig
from hairem_core.hotplug.bundle import read_bundle
from hairem_core.hotplug.forkserver import Forkserver
from hairem_core.hotplug.log import AgentLog
from hairem_core.hotplug.output import AgentOutput
from hairem_core.hotplug.process import AgentProcess
from hairem_core.hotplug.sandbox import SandboxSpec
from tests.hotplug.helpers import COUNTER
from tests.support.core import write_agent


async def test_it_comes_to_its_end_though_nobody_waits_for_it_any_more(
    forkserver: Forkserver, agents: Path, tmp_path: Path
) -> None:
    write_agent(agents, "counter", COUNTER)
    bundle = read_bundle(agents / "counter")
    process = AgentProcess(
        bundle,
        services=None,  # type: ignore[arg-type]  # it asks for none
        config=AgentsConfig(),
        output=AgentOutput("counter", AgentLog(), kb_per_second=64),
    )
    spec = SandboxSpec.of(bundle, working_folder=tmp_path / "home", limits=AgentLimits())
    await process.start(forkserver, spec)
    ending = asyncio.create_task(process.abort())
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait_for(process.ended, 5)
