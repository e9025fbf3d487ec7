"""What Dream needs of others, as it sees them; `core.py` hands them over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from hairem_core.errors import HairemError
from hairem_core.memory.fragment import Fragment
from hairem_core.sdk.chat import ChatRequest, ModelRole

type Reason = Literal["night", "idle", "asked"]
"""`night`: its hour came. `idle`: one that was missed or broken off is made up."""
type Step = Literal["interpret", "decay", "merge", "synthesis", "archive", "verify", "digest"]
STEPS: tuple[Step, ...] = (
    "interpret",
    "decay",
    "merge",
    "synthesis",
    "archive",
    "verify",
    "digest",
)


class DreamStopped(HairemError):
    """A dream was ended before it was done; the next one goes on where it was."""

    code = "dream_stopped"


class Interpreter(Protocol):
    """Makes facts of what was said."""

    async def settle(self) -> None:
        """Return once everything that was recorded is interpreted."""
        ...


class Mover(Protocol):
    """Moves fragments to the archive: they are in one of both places, never in none."""

    @property
    def problem(self) -> str | None:
        """Why the archive could not be reached the last time; None while it can."""
        ...

    async def archive(self, fragments: Sequence[Fragment]) -> int:
        """Move fragments, and return how many went."""
        ...

    async def reconcile(self) -> int:
        """Remove from the archive what is in the store as well, and return how much that was."""
        ...


class Anchor(Protocol):
    """The end of the chain of events, as it was when it was last verified."""

    @property
    def number(self) -> int:
        """Of the event."""
        ...

    @property
    def hash(self) -> bytes:
        """Of the event."""
        ...


class Witness(Protocol):
    """Keeps anchors of the chain of events away from it: the archive."""

    async def anchor(self, number: int, digest: bytes, at: datetime, /) -> None:
        """Note that the chain was whole up to an event. Raises AnchorRefused."""
        ...

    async def last_anchor(self) -> Anchor | None:
        """Return the one with the highest number."""
        ...


class LanguageModel(Protocol):
    """The models of the house."""

    def has_model(self, agent_id: str, role: ModelRole, /) -> bool:
        """Return whether an agent has a model of a role."""
        ...

    async def complete(self, agent_id: str, request: ChatRequest, /) -> str:
        """Return a model's whole answer. Raises HairemError."""
        ...


@dataclass(frozen=True, kw_only=True)
class DreamProgress:
    """How far a dream is."""

    dream_id: UUID
    reason: Reason
    state: Literal["running", "done", "stopped", "failed"]
    step: Step
    fraction: float
    """Of the whole dream, from 0 to 1; it never goes back."""
    done: int = 0
    """Of this step."""
    total: int = 0
    """Of this step; 0 while it is not known."""


type Publish = Callable[[DreamProgress], None]
