"""A container's life: healthy, stopped, killed, and its orphans."""

import asyncio
import json
from pathlib import Path

import psutil

from tests.support.bus import until
from tests.support.container import UNPRIVILEGED, Container, podman
from tests.support.core import Client, write_agent

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


async def _ask(container: Container, token: str, text: str, agent: str = "renarde") -> str:
    async with Client.connect(container.address, token) as client:
        last = (await client.turn(agent, text))[-1]
        assert last["kind"] == "done", last
        answer: str = last["text"]
        return answer


async def _states(container: Container) -> dict[str, str]:
    listed = await container.hairem("agents", "--json")
    assert listed.code == 0, listed.err
    return {each["id"]: each["state"] for each in json.loads(listed.out)}


async def test_stopped_it_ends_in_time_and_knows_all_when_it_is_back(
    unprivileged: Container,
) -> None:
    async with unprivileged as container:
        token = await container.token()
        await _ask(container, token, "Remember that the spare key is under the red pot")
        # After 5 seconds it would be killed, and the code another.
        assert await container.stop(seconds=5) == 0
        assert container.child.output.rstrip().endswith("Stopping")
        await container.start()
        assert "under the red pot" in await _ask(container, token, "Where is the spare key?")


async def test_stopped_while_it_answers(unprivileged: Container) -> None:
    """What was acknowledged is kept, however many speak while it is stopped."""
    async with unprivileged as container:
        token = await container.token()
        said: list[str] = []

        async def talk(number: int) -> None:
            for count in range(100):
                fact = f"Remember that locker {number}{count:02} holds parcel {number}{count:02}"
                async with Client.connect(container.address, token) as client:
                    if (await client.turn("renarde", fact))[-1]["kind"] == "done":
                        said.append(f"{number}{count:02}")

        talking = [asyncio.create_task(talk(number)) for number in (1, 2)]
        await until(lambda: len(said) >= 4)
        code = await container.stop(seconds=5)
        await asyncio.gather(*talking, return_exceptions=True)
        assert code == 0
        await container.start()
        for number in said:
            answer = await _ask(container, token, f"What does locker {number} hold?")
            assert f"parcel {number}" in answer, (number, said)


async def test_killed_it_knows_all_when_it_is_back(unprivileged: Container) -> None:
    async with unprivileged as container:
        token = await container.token()
        await _ask(container, token, "Remember that the spare key is under the red pot")
        await container.kill()
        await container.start()
        assert "under the red pot" in await _ask(container, token, "Where is the spare key?")
        assert await container.stop() == 0


async def test_h_core_killed_alone_ends_the_container(unprivileged: Container) -> None:
    """Docker, Kubernetes and the Supervisor start a container again that has ended."""
    async with unprivileged as container:
        core = next(
            each for each in await container.processes() if each.name() in ("hairem", "python3")
        )
        core.kill()
        assert await container.child.wait(timeout=20) == 137


async def test_it_turns_healthy_and_unhealthy(unprivileged: Container) -> None:
    async with unprivileged as container:
        check = ("healthcheck", "run", container.name)
        assert (await asyncio.to_thread(podman, *check)).code == 0
        state = (await container.inspect())["State"]
        assert state.get("Health", state.get("Healthcheck"))["Status"] == "healthy"
        # H-Core hangs: it is there, and answers nobody.
        core = next(
            each for each in await container.processes() if each.name() in ("hairem", "python3")
        )
        core.suspend()
        try:
            assert (await asyncio.to_thread(podman, *check)).code != 0
        finally:
            core.resume()
        assert (await asyncio.to_thread(podman, *check)).code == 0


async def test_orphans_are_reaped(data: Path, tmp_path: Path) -> None:
    bundles = tmp_path / "bundles"
    write_agent(bundles, "parent", PARENT, permissions="[processes]")
    config = tmp_path / "system.yaml"
    config.write_text("agents:\n  folders: [/bundles]\n")
    options = [*UNPRIVILEGED, f"--volume={bundles}:/bundles:ro"]
    async with Container(data, tmp_path / "log", options=options, config=config) as container:
        token = await container.token()
        async with asyncio.timeout(20):
            while (await _states(container)).get("parent") != "live":
                await asyncio.sleep(0.1)
        first = (await container.processes())[0]
        assert await _ask(container, token, "Go", agent="parent") == "started"
        orphan = next(
            each for each in await container.processes() if "1.125" in " ".join(each.cmdline())
        )
        await until(lambda: not orphan.is_running())
        left = [each for each in await container.processes() if _is_zombie(each)]
        assert left == []
        assert first.is_running()
        assert await container.stop() == 0


async def test_number_1_reaps_what_falls_to_it(unprivileged: Container) -> None:
    async with unprivileged as container:
        await container.execute("sh", "-c", "(sleep 1.25 &)")
        first, *others = await container.processes()
        orphan = next(each for each in others if "1.25" in " ".join(each.cmdline()))
        assert orphan.ppid() == first.pid
        await until(lambda: not orphan.is_running())
        assert not any(_is_zombie(each) for each in await container.processes())


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
