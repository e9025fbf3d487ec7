"""Electra: lights, heating and energy; she sees the house for herself and speaks up unasked."""

from typing import Any

from pydantic import ValidationError

from hairem_core.sdk import AgentError, BaseAgent, Message, ToolError, Topic, Utterance, tool

from .rules import Settings
from .senses import Senses

_KEPT_NOTES = 5


class Agent(BaseAgent):
    """Acts in the house, does sums about energy, watches, reads the notes others leave her."""

    async def setup(self) -> None:
        """Begin to watch the house, if she was given a token for it.

        Raises AgentError when the manifest's `config` cannot be used.
        """
        try:
            self.settings = Settings.model_validate(dict(self.ctx.config))
        except ValidationError as err:
            raise AgentError(_problems(err), where="manifest.yaml") from err
        self.senses: Senses | None = None
        if token := self.ctx.secrets.get("HA_TOKEN"):
            self.senses = Senses(self.ctx, self.settings, token)
            self.ctx.spawn_task(self.senses.run(), name="watch the house")
        else:
            self.ctx.logger.info(
                "Electra answers, but does not see the house for herself: set ELECTRA_HA_TOKEN to "
                "a long-lived access token of Home Assistant, and she will speak up unasked"
            )

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
        """Return the notes that wait for her, and what she said unasked, oldest first."""
        known: list[str] = []
        if notes := await self.ctx.state.get("notes", []):
            known.append("Notes left for you by the crew:\n" + "\n".join(notes))
        if self.senses is not None:
            language = self.ctx.persona.language_for(Utterance.of(message).language)
            known.append(await self.senses.said_lately(language))
            if self.senses.trouble:
                known.append(f"You cannot see the house for yourself: {self.senses.trouble}")
        return "\n".join(filter(None, known))

    @tool
    async def energy_cost(
        self, watts: float, hours: float, price_per_kwh: float
    ) -> dict[str, float]:
        """Return the energy in kWh, and its cost, of a power over a time.

        Args:
            watts: The power, in watts.
            hours: How long it is drawn, in hours.
            price_per_kwh: What one kWh costs, in the house's currency.
        """
        if watts < 0 or hours < 0 or price_per_kwh < 0:
            raise ToolError("power, time and price cannot be negative")
        energy = watts * hours / 1000
        return {"kwh": round(energy, 3), "cost": round(energy * price_per_kwh, 2)}

    @tool
    async def power_now(self) -> list[dict[str, Any]]:
        """Return what the power sensors of the house read at this moment, the highest first.

        A sensor may measure one device or the whole house: do not add them up.
        """
        if self.senses is None or not self.senses.home.is_connected:
            raise ToolError("the sensors cannot be read: there is no connection to Home Assistant")
        found = [
            (state.number, state)
            for state in self.senses.home.states.values()
            if state.device_class == "power" and state.number is not None
        ]
        return [
            {
                "name": state.name,
                "power": number,
                "unit": state.attributes.get("unit_of_measurement") or "W",
            }
            for number, state in sorted(found, key=lambda each: each[1].watts or 0, reverse=True)
        ][:10]


def _problems(err: ValidationError) -> str:
    return "; ".join(
        f"config.{'.'.join(str(part) for part in each['loc'])}: "
        f"{each['msg'].removeprefix('Value error, ')}"
        for each in err.errors(include_url=False)
    )
