"""Answers without a model, in unusual ways."""

import functools

from hairem_core.sdk import BaseAgent, Message, MessageType, Topic


def logged(method):
    """Log each call."""

    @functools.wraps(method)
    async def call(self, *args):
        self.ctx.logger.info("%s", method.__name__)
        return await method(self, *args)

    return call


class Agent(BaseAgent):
    def __init__(self, *args, **kwargs):
        BaseAgent.__init__(self, *args, **kwargs)
        self.count = 0

    @logged
    def setup(self):
        """The decorator makes it `async`."""
        return self._begin()

    async def _begin(self):
        self.count = 1

    async def on_message(self, /, *messages: Message):
        for message in messages:
            if message.header.type is MessageType.RAW:
                await self.ctx.bus.answer(message, topic=Topic.NARRATIVE_TEXT, content="Yes.")
