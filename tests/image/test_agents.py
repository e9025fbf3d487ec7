"""Agents in the container: their sandboxes, their libraries, and what they leave behind."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.support.bus import until
from tests.support.container import UNPRIVILEGED, Container
from tests.support.core import Client, write_agent
from tests.support.package_index import PackageIndex

PARENT = """
import asyncio
from hairem_core.sdk import *

class Agent(BaseAgent):
    async def on_utterance(self, message):
        # The shell ends; what it started outlives it, and nobody waits for it.
        script = "sleep 1.125 </dev/null >/dev/null 2>&1 & "
        shell = await asyncio.create_subprocess_exec("/bin/sh", "-c", script)
        await shell.wait()
        await self.ctx.bus.answer(message, topic=Topic.NARRATIVE_TEXT, content="started")
"""
PAINTER = """
import colour
from hairem_core.sdk import *

class Agent(BaseAgent):
    async def on_utterance(self, message):
        text = f"{colour.VERSION} {colour.__cached__}"
        await self.ctx.bus.answer(message, topic=Topic.NARRATIVE_TEXT, content=text)
"""


class Crew:
    """A container whose agents are those of a folder."""

    def __init__(self, data: Path, folder: Path, settings: str = "", *options: str) -> None:
        self.bundles = folder / "bundles"
        self.bundles.mkdir()
        config = folder / "system.yaml"
        config.write_text(f"agents:\n  folders: [/bundles, agents]\n{settings}")
        self.container = Container(
            data,
            folder / "log",
            options=[*UNPRIVILEGED, f"--volume={self.bundles}:/bundles:ro", *options],
            config=config,
        )

    async def show(self, agent_id: str) -> dict[str, Any]:
        """Return what `hairem agent show` says of an agent, once it is live."""
        async with asyncio.timeout(30):
            while True:
                done = await self.container.hairem("agent", "show", agent_id, "--json")
                if done.code == 0 and (found := json.loads(done.out))["state"] == "live":
                    return dict(found)
                await asyncio.sleep(0.2)

    async def ask(self, agent_id: str) -> str:
        """Return an agent's answer."""
        token = await self.container.token()
        async with Client.connect(self.container.address, token) as client:
            last = (await client.turn(agent_id, "Go"))[-1]
        assert last["kind"] == "done", last
        return str(last["text"])


async def test_each_agent_is_in_its_sandbox(data: Path, tmp_path: Path) -> None:
    """No privilege is needed for it, and a container takes none of it away."""
    crew = Crew(data, tmp_path)
    async with crew.container:
        for agent_id in ("renarde", "electra", "alfred"):
            protections = (await crew.show(agent_id))["process"]["protections"]
            weak = {name: how for name, how in protections.items() if not how.startswith("active")}
            assert set(weak) == {"user"}, (agent_id, weak)


async def test_a_library_is_installed_beside_a_read_only_root(data: Path, tmp_path: Path) -> None:
    with PackageIndex() as index:
        index.add("colour", "2.0")
        settings = f"  package_index: {index.url}\n"
        crew = Crew(data, tmp_path, settings, "--env=NO_PROXY=127.0.0.1")
        bundle = write_agent(crew.bundles, "painter", PAINTER, permissions="[]")
        (bundle / "requirements.txt").write_text("colour>=2\n")
        async with crew.container as container:
            await crew.show("painter")
            version, cached = (await crew.ask("painter")).split()
            assert version == "2.0"
            assert cached.startswith("/data/hairem/deps/painter-")
            assert await container.stop() == 0


async def test_orphans_are_reaped(data: Path, tmp_path: Path) -> None:
    crew = Crew(data, tmp_path)
    write_agent(crew.bundles, "parent", PARENT, permissions="[processes]")
    async with crew.container as container:
        await crew.show("parent")
        assert await crew.ask("parent") == "started"
        orphan = next(
            each for each in await container.processes() if "1.125" in " ".join(each.cmdline())
        )
        await until(lambda: not orphan.is_running())
        assert await container.zombies() == []
        assert await container.stop() == 0
