"""A container's life: healthy, stopped, killed, and process 1 as the parent of orphans."""

import asyncio

from tests.support.bus import until
from tests.support.container import Container, podman
from tests.support.core import Client


async def _ask(container: Container, token: str, text: str, agent: str = "renarde") -> str:
    async with Client.connect(container.address, token) as client:
        last = (await client.turn(agent, text))[-1]
        assert last["kind"] == "done", last
        answer: str = last["text"]
        return answer


async def test_stopped_it_ends_in_time_and_knows_all_when_it_is_back(
    unprivileged: Container,
) -> None:
    async with unprivileged as container:
        token = await container.token()
        await _ask(container, token, "Remember that the spare key is under the red pot")
        # After 5 seconds it would be killed, and the code another.
        assert await container.stop(seconds=5) == 0
        assert "Stopping" in container.child.output.splitlines()
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


async def test_number_1_reaps_what_falls_to_it(unprivileged: Container) -> None:
    async with unprivileged as container:
        await container.execute("sh", "-c", "(sleep 1.25 &)")
        first, *others = await container.processes()
        orphan = next(each for each in others if "1.25" in " ".join(each.cmdline()))
        assert orphan.ppid() == first.pid
        await until(lambda: not orphan.is_running())
        assert await container.zombies() == []
