"""Renarde: host of the house, coordinator of the crew."""

from typing import Literal

from hairem_core.sdk import BaseAgent, MessageType, Priority, Topic, tool


class Agent(BaseAgent):
    """Answers people, and passes on what concerns another agent."""

    @tool
    async def leave_note(self, agent: Literal["electra", "alfred"], note: str) -> str:
        """Leave a short note for another agent of the crew, who reads it before its next answer.

        Args:
            agent: Electra for lights, heating and energy; Alfred for lists, reminders and guests.
            note: What they should know, in one sentence.
        """
        await self.ctx.bus.publish(
            f"agent:{agent}",
            topic=Topic.AGENT_NOTE,
            type=MessageType.SUBJECTIVE,
            content=note,
            priority=Priority.P2,
        )
        return f"note left for {agent}"
