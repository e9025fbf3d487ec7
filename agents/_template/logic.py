"""What this agent does beside talking: one tool, and one thing it does unasked."""

import asyncio

from hairem_core.sdk import CREW, BaseAgent, Message, ToolError, Topic, tool

_WORDS = {"en": "Do not forget: {things}.", "fr": "N'oubliez pas : {things}."}


class Agent(BaseAgent):
    """Keeps a list in `ctx.state`, so that it outlives this process."""

    async def setup(self) -> None:
        """Start what runs in the background; it begins when the agent is live."""
        self.ctx.spawn_task(self._remind(), name="remind")

    async def instructions(self, message: Message) -> str:
        """Return what the model should know beside the persona: the list as it is now."""
        return "To be remembered: " + (", ".join(await self._things()) or "nothing")

    @tool
    async def remember(self, thing: str) -> list[str]:
        """Remember one thing, and return all there are."""
        if not thing.strip():
            raise ToolError("there is nothing to remember: the thing has no name")
        things = [*await self._things(), thing.strip()]
        await self.ctx.state.set("things", things)
        return things

    async def _things(self) -> list[str]:
        things: list[str] = await self.ctx.state.get("things", [])
        return things

    async def _remind(self) -> None:
        while True:
            await asyncio.sleep(self.ctx.config["remind_every_seconds"])
            if things := await self._things():
                words = _WORDS[self.ctx.persona.languages[0]].format(things=", ".join(things))
                await self.ctx.bus.publish(CREW, topic=Topic.NARRATIVE_TEXT, content=words)
