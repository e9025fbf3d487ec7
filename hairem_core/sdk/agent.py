"""The class that every agent is."""

from hairem_core.sdk.context import AgentContext
from hairem_core.sdk.message import Message, Topic
from hairem_core.sdk.tools import Toolbox
from hairem_core.sdk.turn import Turn


class BaseAgent:
    """An agent made of its persona. `logic.py` holds a class `Agent` derived from it.

    Handlers are `async def`; several may run at once, one per conversation.
    """

    def __init__(self, ctx: AgentContext) -> None:
        self.ctx = ctx
        self.toolbox = Toolbox(self)

    async def setup(self) -> None:
        """Run once before the first message; start background work here with `ctx.spawn_task`.

        What is spawned here begins when this returned and the agent is live. An exception keeps the
        agent from starting, and so does taking longer than `agents.start_timeout`.
        """

    async def teardown(self) -> None:
        """Run once after the last message, when the tasks of `ctx.spawn_task` have ended.

        `ctx` still works. It is cut after `agents.teardown_timeout`, and not run after a crash.
        """

    async def on_message(self, message: Message) -> None:
        """Handle one message: by itself, utterances go to `on_utterance`, the rest is ignored.

        One that returns is never delivered again; one that raises is, except for utterances.
        """
        if message.header.topic is Topic.USER_UTTERANCE:
            await self.on_utterance(message)

    async def on_utterance(self, message: Message) -> None:
        """Answer a person."""
        turn = Turn(self.ctx, message, toolbox=self.toolbox)
        await turn.run(extra_instructions=await self.instructions(message))

    async def instructions(self, message: Message) -> str:
        """Return what the model should know beside the persona for this message."""
        return ""
