"""A fragment: what one agent holds in memory of what happened."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

type Kind = Literal["episode", "fact", "note", "synthesis"]
"""`episode`: something said, as it was said. `fact`: something that holds of a subject until it is
replaced. `note`: what the agent chose to remember. `synthesis`: what Dream made of several.
"""
type Visibility = Literal["private", "shared"]
"""Whether only its own agent may ever recall it, or every agent with the permission."""
KINDS: tuple[Kind, ...] = ("episode", "fact", "note", "synthesis")


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """One thing that one agent holds in memory. What is valid has no `valid_to`."""

    id: UUID
    agent: UUID
    """Whose it is."""
    kind: Kind
    content: str
    at: datetime
    """When it was said, or came to be known."""
    visibility: Visibility = "private"
    speaker: str | None = None
    """Address of who said it; None where nobody did."""
    speaker_name: str | None = None
    language: str | None = None
    """As the client told it, such as `fr`."""
    conversation_id: str | None = None
    subject: str | None = None
    """Key of the entity of which a fact says something: see `entities.py`."""
    slot: str | None = None
    """What a fact says of its subject, such as `favourite colour`; of one subject and slot one fact
    is valid at a time. None: any number may be.
    """
    about: tuple[str, ...] = ()
    """Keys of all entities that are named."""
    importance: float = 0.5
    """From 0 (small talk) to 1; what matters fades more slowly."""
    confidence: float = 1.0
    """From 0 to 1: how sure the agent is that it is so."""
    pinned: bool = False
    """It does not fade and is not archived."""
    uses: int = 0
    """How often it was of use in an answer."""
    last_used: datetime
    """When it last was of use, else when it was made: fading counts from here."""
    valid_from: datetime
    valid_to: datetime | None = None
    replaces_id: UUID | None = None
    replaced_by: UUID | None = None
    derived_from: tuple[UUID, ...] = ()
    """`msg_id`s of the events that it comes from; for a synthesis, all its sources' events."""
    sources: tuple[UUID, ...] = ()
    """For a synthesis: the fragments that it was made of."""
    seq: int = 0
    """Its number among all fragments ever, from 1; given when it is stored."""
    rev: int = 0
    """Number of the commit that changed it last; given when it is stored."""

    @property
    def is_valid(self) -> bool:
        """Whether it still holds."""
        return self.valid_to is None

    def held_at(self, moment: datetime) -> bool:
        """Return whether it held at a moment."""
        ended = self.valid_to is not None and self.valid_to <= moment
        return self.valid_from <= moment and not ended

    def closed(self, at: datetime, replaced_by: UUID | None) -> Fragment:
        """Return it as it is once it no longer holds."""
        return replace(self, valid_to=max(at, self.valid_from), replaced_by=replaced_by)

    def used(self, at: datetime) -> Fragment:
        """Return it as it is after having been of use."""
        return replace(self, uses=self.uses + 1, last_used=max(at, self.last_used))


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """Where a fragment lies in the space of a model."""

    fragment_id: UUID
    model: str
    vector: bytes
    """Little-endian float16, of length 1 as a vector."""


@dataclass(frozen=True, kw_only=True)
class Entity:
    """Someone or something that an agent knows of. One row per agent and key."""

    agent: UUID
    key: str
    name: str
    """As it was last written."""
    kind: Literal["person", "place", "thing"] = "thing"
    mentions: int = 1
    last_at: datetime


@dataclass(frozen=True, kw_only=True)
class Relation:
    """What an agent knows of two entities. One row per agent, kind, source and target."""

    agent: UUID
    kind: RelationKind
    source: str
    target: str
    weight: float = 1.0
    """Grows by 1 each time that it is said or of use."""
    last_at: datetime
    derived_from: tuple[UUID, ...] = field(default=())
    """Fragments that say so."""


type RelationKind = Literal["knows", "about", "caused", "lives_in", "trusts"]


def fragment_id(agent: UUID, origin: UUID, part: str = "") -> UUID:
    """Return the id of what an agent makes of an event (or of other fragments).

    The same for the same, so that what is done twice after a crash is there once. `part` tells
    several apart.
    """
    return uuid5(agent, f"{origin}/{part}")
