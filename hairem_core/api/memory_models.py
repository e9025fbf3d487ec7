"""What goes over `/api/memory`, as `docs/memory.md` describes it."""

import re
from dataclasses import fields
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hairem_core.api.limits import LONGEST_AGENT_ID, LONGEST_NAME, LONGEST_QUESTION
from hairem_core.memory.chain import Break
from hairem_core.memory.dream.digest import Digest
from hairem_core.memory.forget.report import Plan, Receipt
from hairem_core.memory.forget.selector import Selector
from hairem_core.memory.fragment import Kind, RelationKind, Visibility
from hairem_core.memory.portable.reader import Problem
from hairem_core.memory.portable.report import ImportReport, Tally
from hairem_core.memory.soundness import Witness
from hairem_core.sdk.message import Timestamp
from hairem_core.sdk.recollection import Why

MOST_RESULTS = 100
MOST_NODES = 1_000
"""Entities, and relations, in one answer about the graph."""

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _written_out(value: object) -> object:
    # Pydantic takes numbers too, and texts that are numbers: seconds or milliseconds since 1970.
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("write a moment with its zone, as in 2026-05-01T14:00:00+02:00 (RFC 3339)")
    return value


type Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
type AgentName = Annotated[str, Field(min_length=1, max_length=LONGEST_AGENT_ID)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SearchQuery(_Model):
    """What is searched for, and where."""

    q: str = Field(min_length=1, max_length=LONGEST_QUESTION)
    agent: AgentName | None = None
    """Id of the agent whose memory it is; None: every agent's."""
    limit: int = Field(default=10, ge=1, le=MOST_RESULTS)
    kind: list[Kind] = Field(default_factory=list)
    about: str | None = Field(default=None, min_length=1, max_length=LONGEST_NAME)
    """Name or key of someone or something that must be named."""
    since: Moment | None = None
    """Said then or later."""
    until: Moment | None = None
    """Said then or before."""
    as_of: Moment | None = None
    """What was held then, archived or not, and not what holds now."""
    archived: bool = False
    """Also what has faded into the archive."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError("`since` is after `until`")
        return self


class GraphQuery(_Model):
    """Which part of the graph."""

    agent: AgentName | None = None
    about: str | None = Field(default=None, min_length=1, max_length=LONGEST_NAME)
    limit: int = Field(default=100, ge=1, le=MOST_NODES)


class ExportQuery(_Model):
    """What is exported."""

    agent: AgentName | None = None
    """Id of the agent whose memory it is; None: everything."""


class ImportAnswer(_Model):
    """What came of an import."""

    lines: int
    unreadable: int
    """Lines of no kind: damaged, or after the end."""
    added: int
    """How much was not here before."""
    whole: bool
    """Whether everything in the file could be read and taken in."""
    tallies: dict[str, Tally]
    """By kind of line."""
    chain: Literal["none", "kept", "appended"]
    """What became of the events: all have the places that they had, or they are at the end of the
    chain that was here.
    """
    chain_break: Break | None
    """Where the chain does not hold after it."""
    notes: list[str]
    problems: list[Problem]
    """The first of them."""
    problem_count: int

    @classmethod
    def of(cls, report: ImportReport) -> Self:
        """Return a report as it is told."""
        values = {field.name: getattr(report, field.name) for field in fields(report)}
        return cls(**values, added=report.added, whole=report.is_whole)


class FragmentShown(_Model):
    """One fragment, whole."""

    id: UUID
    agent: str
    """Id of the agent whose it is; its UUID where it never had an id here."""
    kind: Kind
    content: str
    at: Timestamp
    visibility: Visibility
    speaker: str | None
    speaker_name: str | None
    language: str | None
    conversation_id: str | None
    subject: str | None
    slot: str | None
    about: tuple[str, ...]
    importance: float
    confidence: float
    pinned: bool
    uses: int
    last_used: Timestamp
    strength: float
    """What fading has left of it by now, from 1 down to 0."""
    valid_from: Timestamp
    valid_to: Timestamp | None
    replaces_id: UUID | None
    replaced_by: UUID | None
    derived_from: tuple[UUID, ...]
    sources: tuple[UUID, ...]
    archived: bool


class FragmentFound(FragmentShown):
    """One fragment that fits what was searched for."""

    score: float
    why: Why


class SearchAnswer(_Model):
    """What was found, best first."""

    results: list[FragmentFound]
    archive_error: str | None = None
    """Why the archive is left out although it was asked for."""


class HistoryAnswer(_Model):
    """A chain of replacements, the oldest first."""

    fragments: list[FragmentShown]


class EntityShown(_Model):
    """Someone or something that an agent knows of."""

    agent: str
    key: str
    name: str
    kind: Literal["person", "place", "thing"]
    mentions: int
    last_at: Timestamp


class RelationShown(_Model):
    """What an agent knows of two entities."""

    agent: str
    kind: RelationKind
    source: str
    target: str
    weight: float
    last_at: Timestamp
    derived_from: tuple[UUID, ...]


class GraphAnswer(_Model):
    """Entities, those named most first, and what is known between them, the weightiest first."""

    entities: list[EntityShown]
    relations: list[RelationShown]


class VerifyAnswer(_Model):
    """Whether the chain of events is whole, and else the first place where it is not."""

    whole: bool
    checked: int | None = None
    """Events; None where it is broken."""
    erased: int | None = None
    """Of these, those whose content was dropped on purpose."""
    anchor: Witness = "none"
    number: int | None = None
    """Of the first event that is wrong."""
    msg_id: UUID | None = None
    what: str | None = None


class StatsAnswer(_Model):
    """Figures, by part."""

    memory: dict[str, Any]
    agents: dict[str, dict[str, int]]
    """By id: fragments of each kind, how many hold, how many are shared."""
    archive: dict[str, Any]


class ForgetOrder(_Model):
    """What is to be forgotten: everything for which all holds that is given."""

    subject: str | None = Field(default=None, max_length=LONGEST_NAME)
    person: str | None = Field(default=None, max_length=LONGEST_NAME)
    agent: AgentName | None = None
    fragment: UUID | None = None
    since: Moment | None = None
    until: Moment | None = None
    dry_run: bool = Field(default=True, strict=True)
    """Only tell what would be erased. Nothing but false erases: not 0, and not "no"."""

    @property
    def selector(self) -> Selector:
        """What is selected. Raises ValidationError where that is nothing, or makes no sense."""
        return Selector(**self.model_dump(exclude={"dry_run"}))


class ForgetAnswer(_Model):
    """What would be erased, or what was."""

    plan: Plan | None = None
    receipt: Receipt | None = None
    text: str
    """The same in words, in the language of the house."""


class DreamError(_Model):
    """Why the last dream that was asked for broke off."""

    code: str
    message: str


class DreamAnswer(_Model):
    """What the dreamer does, and what its last dream did."""

    status: dict[str, Any]
    error: DreamError | None
    digest: Digest | None
    """Of the last dream that was dreamt to its end."""
    text: str | None
    """The digest in words, in the language of the house."""


class DreamStarted(_Model):
    """A dream is under way."""

    joined: bool
    """Whether it was under way before."""
