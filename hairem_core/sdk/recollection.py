"""What an agent gets back from memory."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from hairem_core.sdk.message import Timestamp


class Recollection(BaseModel):
    """One thing that was said, as memory holds it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_id: UUID
    at: Timestamp
    speaker: str
    """Address of who said it: `user:<id>` or `agent:<id>`."""
    speaker_name: str | None = None
    """What that person is called, where it is known."""
    role: Literal["user", "assistant"]
    """`assistant` where the agent that remembers said it itself."""
    content: str
    score: float | None = None
    """How well it matches what was asked for, higher is better; None where nothing was asked."""
