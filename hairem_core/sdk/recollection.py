"""What an agent gets back from memory."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from hairem_core.sdk.message import Timestamp

type MemoryKind = Literal["episode", "fact", "note", "synthesis"]
"""`episode`: something said, as it was said. `fact`: something that holds until it is replaced.
`note`: what the agent chose to remember. `synthesis`: what the night made of several.
"""


ANSWERS = "[tells what is asked]"
"""What stands behind a line of a prompt that tells just what was asked for: see `Why.is_answer`."""
ENDED = "[holds no more]"
"""What stands behind a line of a prompt that was so once: see `Recollection.valid_to`."""


class Why(BaseModel):
    """Why something was recalled: the parts of its score, each from 0 to 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: float
    """How well its words match, and those of what was said around it."""
    meaning: float
    """How near its meaning is, and that of what was said around it; 0 without an embedding."""
    strength: float
    """What fading has left of it."""
    is_answer: bool = False
    """Whether it tells just what was asked for of the person asked about."""


class Recollection(BaseModel):
    """One thing that an agent holds in memory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fragment_id: UUID
    """What it is known by in memory: `ctx.memory.forget`, `ctx.memory.history`."""
    event_id: UUID | None = None
    """The `msg_id` of the message that it comes from; None where there is not just one."""
    at: Timestamp
    speaker: str | None = None
    """Address of who said it: `user:<id>` or `agent:<id>`; None where nobody did."""
    speaker_name: str | None = None
    """What that person is called, where it is known."""
    role: Literal["user", "assistant"]
    """`assistant` where the agent that remembers said or thought it itself."""
    content: str
    kind: MemoryKind = "episode"
    subject: str | None = None
    """Of whom or what it says something, where that is known."""
    importance: float = 0.5
    confidence: float = 1.0
    is_shared: bool = False
    is_archived: bool = False
    valid_from: Timestamp | None = None
    valid_to: Timestamp | None = None
    """When it ceased to hold; None: it holds."""
    replaces_id: UUID | None = None
    score: float | None = None
    """How well it matches what was asked for, higher is better; None where nothing was asked."""
    why: Why | None = None
