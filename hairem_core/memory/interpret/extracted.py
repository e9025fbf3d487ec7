"""What is given to an extractor, and what it gives back."""

from dataclasses import dataclass, field
from datetime import datetime

from hairem_core.memory.fragment import RelationKind
from hairem_core.memory.interpret.entities import Mention


@dataclass(frozen=True, kw_only=True)
class Said:
    """One thing that a person said."""

    text: str
    speaker: str
    """Address: `user:<id>`."""
    speaker_name: str | None = None
    language: str | None = None
    """As the client told it, such as `fr-CH`."""
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Link:
    """What is said of two entities, by their keys."""

    kind: RelationKind
    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class ExtractedFact:
    """Something that holds of a subject, in the words in which it was told."""

    content: str
    subject: str
    """Key of an entity: see `entity_key`."""
    slot: str | None
    """What it says of the subject. Of one subject and slot one fact holds at a time; None: any
    number may.
    """
    value: str
    """What it says, in the form in which two are compared: see `value_of`."""
    importance: float = 0.5
    confidence: float = 0.9
    about: tuple[str, ...] = ()
    relations: tuple[Link, ...] = ()
    entities: tuple[Mention, ...] = ()
    retracts: bool = False
    """It says that something holds no more, and nothing of what holds instead."""
    corrects: bool = False
    """It was said in the place of what was told before, even where several may hold."""
    spoken_value: str = ""
    """The value as it was said; empty where it is no part of `content`."""


@dataclass(frozen=True, kw_only=True)
class Antecedent:
    """The fact that was told last: what a correction such as "no, it's green" speaks of."""

    content: str
    subject: str
    slot: str
    spoken_value: str
    importance: float = 0.5
    about: tuple[str, ...] = field(default=())
