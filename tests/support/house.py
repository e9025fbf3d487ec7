"""A whole house: a real Home Assistant, a real H-Core, and the integration between them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.support.core_process import CoreProcess
from tests.support.home_assistant import KITCHEN_LIGHT, HomeAssistant

AGENTS = ("electra", "renarde")
LIVING_ROOM_LIGHT = "light.living_room_light"


class House:
    """Starts both, adds the core to Home Assistant through its config flow, exposes the lights.

    The integration's token is made as a person would make it, with `hairem token new`.
    `bundles` is a folder of agent bundles, and `names` the ids of the agents in them from the
    start; unless given, they are those that ship.
    """

    def __init__(
        self,
        folder: Path,
        *,
        model_base: str | None = None,
        environment: dict[str, str] | None = None,
        password: str = "correct horse battery staple",
        username: str = "anna",
        extra_config: str = "",
        port: int | None = None,
        bundles: Path | None = None,
        names: Sequence[str] = AGENTS,
    ) -> None:
        self.core = CoreProcess(
            folder,
            model_base=model_base,
            environment=environment,
            extra_config=f"agents:\n  folders: [{bundles}]\n" if bundles else "",
        )
        self.home = HomeAssistant(folder / "home-assistant", extra_config=extra_config, port=port)
        self.token = ""
        self.agents: dict[str, str] = {}
        """The conversation entity of each agent, by the agent's id."""
        self._names = names
        self._username, self._password = username, password
        self._pipelines: dict[tuple[str, str], str] = {}

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.TaskGroup() as starting:
                starting.create_task(self._start_core())
                starting.create_task(self._start_home())
            await self._join()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop everything that runs."""
        async with asyncio.TaskGroup() as stopping:
            stopping.create_task(self.home.stop())
            stopping.create_task(self.core.stop())

    async def pipeline(self, agent: str, language: str = "en") -> str:
        """Return the id of the Assist pipeline that speaks to `agent` in `language`."""
        key = (agent, language)
        if key not in self._pipelines:
            self._pipelines[key] = await self.home.create_pipeline(
                f"{agent.capitalize()} ({language})", self.agents[agent], language
            )
        return self._pipelines[key]

    async def wait_until_away(self) -> None:
        """Return once Home Assistant shows every agent as unavailable. Raises TimeoutError."""
        for entity in self.agents.values():
            await self.home.wait_for_state(entity, "unavailable")

    async def wait_until_back(self) -> None:
        """Return once Home Assistant shows every agent as available. Raises TimeoutError."""
        for entity in self.agents.values():
            await self.home.wait_for_state(entity, not_in=("unavailable", None))

    async def _start_core(self) -> None:
        await self.core.start()
        self.token = await asyncio.to_thread(self.core.token, "living-house")
        await self.core.wait_for_agents(self.token, *self._names)

    async def _start_home(self) -> None:
        await self.home.start()
        await self.home.onboard(
            name=self._username.capitalize(), username=self._username, password=self._password
        )

    async def _join(self) -> None:
        await self.home.add_core(host=self.core.host, port=self.core.port, token=self.token)
        self.agents = await self.home.agent_entities(*self._names)
        await self.home.expose(KITCHEN_LIGHT, LIVING_ROOM_LIGHT)
        await self.wait_until_back()
