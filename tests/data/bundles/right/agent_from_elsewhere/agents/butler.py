"""The agent itself."""

from typing import Protocol, override

import hairem_core.sdk as h


class Polite(Protocol):
    """Says please."""


class House[T](h.BaseAgent):
    """Keeps a T."""

    def __init__(self, ctx: h.AgentContext, kept: T | None = None) -> None:
        super().__init__(ctx)
        self.kept = kept


class Butler(House[str], Polite):
    """A butler."""

    @override
    async def on_utterance(self, message: h.Message, *extra: object, loud: bool = False) -> None:
        await super().on_utterance(message)

    @h.tool
    async def bow(self, depth: int = 3, *, slowly: bool = True) -> str:
        """Bow."""
        return "-" * depth
