"""Electra: lights, heating and energy."""

from hairem_core.sdk import BaseAgent, Message, ToolError, Topic, tool

_KEPT_NOTES = 5


class Agent(BaseAgent):
    """Acts in the house, does sums about energy, reads the notes others leave her."""

    async def on_message(self, message: Message) -> None:
        """Keep a note from another agent; everything else as usual."""
        if message.header.topic is not Topic.AGENT_NOTE:
            await super().on_message(message)
            return
        sender = message.header.sender.partition(":")[2]
        notes = await self.ctx.state.get("notes", [])
        notes.append(f"{sender}: {message.payload.content}")
        await self.ctx.state.set("notes", notes[-_KEPT_NOTES:])

    async def instructions(self, message: Message) -> str:
        """Return the notes that wait for her, oldest first."""
        notes = await self.ctx.state.get("notes", [])
        return "Notes left for you by the crew:\n" + "\n".join(notes) if notes else ""

    @tool
    async def energy_cost(
        self, watts: float, hours: float, price_per_kwh: float
    ) -> dict[str, float]:
        """Return the energy in kWh, and its cost, of a power in watts over a time in hours."""
        if watts < 0 or hours < 0 or price_per_kwh < 0:
            raise ToolError("power, time and price cannot be negative")
        energy = watts * hours / 1000
        return {"kwh": round(energy, 3), "cost": round(energy * price_per_kwh, 2)}
