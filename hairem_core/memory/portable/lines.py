"""The lines of an export: JSON objects, the first a header, the last a trailer.

`line` says which kind of thing each is. Times are RFC 3339 in UTC, hashes hexadecimal, vectors
Base64 (little-endian float16). What a thing does not have is left out.
"""

import base64
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
)

from hairem_core.memory.chain import BODY, HEADER
from hairem_core.memory.fragment import Embedding, Fragment, RelationKind

FORMAT = "hairem-memory"
VERSION = 1
LONGEST_LINE = 64 * 2**20
"""Bytes. The longest thing that an agent can keep is far shorter."""
_MOST = 2**53


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character, which the store cannot keep")
    return text


def _unhex(text: object) -> object:
    return bytes.fromhex(text) if isinstance(text, str) else text


def _unbase64(text: object) -> object:
    return base64.b64decode(text, validate=True) if isinstance(text, str) else text


def _are_halves(vector: bytes) -> bytes:
    if not vector or len(vector) % 2:
        raise ValueError(f"is no vector of float16: it has {len(vector)} bytes")
    return vector


type Text = Annotated[str, AfterValidator(_no_nul)]
type Hex = Annotated[bytes, BeforeValidator(_unhex), PlainSerializer(bytes.hex, return_type=str)]
type Base64 = Annotated[
    bytes,
    BeforeValidator(_unbase64),
    PlainSerializer(lambda each: base64.b64encode(each).decode(), return_type=str),
]
type Count = Annotated[int, Field(ge=0, le=_MOST)]
type Share = Annotated[float, Field(ge=0, le=1)]


def _plausible(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 9000:
        raise ValueError("is not between the years 1900 and 9000")
    return moment


type Moment = Annotated[AwareDatetime, AfterValidator(_plausible)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    def to_bytes(self) -> bytes:
        """Return it as a line."""
        return self.model_dump_json(exclude_none=True).encode() + b"\n"


class Scope(_Line):
    """Whose memory it is, where it is not everybody's."""

    id: Text
    uuid: UUID
    """One of its UUIDs: lines of `agent` tell them all."""


class HeaderLine(_Line):
    """The first line."""

    line: Literal["header"] = "header"
    format: Literal["hairem-memory"] = "hairem-memory"
    version: Literal[1] = 1
    hairem: Text
    """Version of the program that made it."""
    made_at: Moment
    agent: Scope | None = None
    """One agent's alone; None: everything."""
    interpreted: Count = 0
    """Number of the last event of which facts had been made."""


class EventLine(_Line):
    """One event, in the order of the chain; see `docs/memory.md` for its hashes."""

    line: Literal["event"] = "event"
    id: UUID
    number: Annotated[int, Field(ge=1, le=_MOST)]
    agents: list[Text]
    at: Moment
    sender: Text | None = None
    speaker_name: Text | None = None
    recipient: Text | None = None
    type: Text
    topic: Text
    priority: Text
    conversation_id: Text | None = None
    parent_id: UUID | None = None
    hops: Count
    speech: bool
    content: Text | None = None
    data: Text | None = None
    confidence: float | None = None
    importance: float | None = None
    pose_hint: Text | None = None
    salt: Hex | None = None
    body_hash: Hex
    hash: Hex
    erased_by: Annotated[int, Field(ge=1, le=_MOST)] | None = None
    previous: Hex | None = None
    """Hash of the event before, by which this one is known to be whole, whatever became of that
    line; None of the first event.
    """

    def row(self) -> dict[str, Any]:
        """Return it as a row of `raw_event`, with the bare `msg_id`."""
        names = (*HEADER, *BODY, "salt", "body_hash", "hash", "erased_by")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


class Vector(_Line):
    """An embedding."""

    model: Text
    vector: Annotated[Base64, AfterValidator(_are_halves)]


class FragmentLine(_Line):
    """One fragment, in the order in which they were first stored; `archived` in its own."""

    line: Literal["fragment", "archived"]
    id: UUID
    agent: UUID
    kind: Literal["episode", "fact", "note", "synthesis"]
    content: Text
    at: Moment
    visibility: Literal["private", "shared"]
    speaker: Text | None = None
    speaker_name: Text | None = None
    language: Text | None = None
    conversation_id: Text | None = None
    subject: Text | None = None
    slot: Text | None = None
    about: tuple[Text, ...] = ()
    importance: Share
    confidence: Share
    pinned: bool
    uses: Count
    last_used: Moment
    valid_from: Moment
    valid_to: Moment | None = None
    replaces_id: UUID | None = None
    replaced_by: UUID | None = None
    derived_from: tuple[UUID, ...] = ()
    sources: tuple[UUID, ...] = ()
    embedding: Vector | None = None

    @staticmethod
    def of(
        fragment: Fragment,
        embedding: Embedding | None,
        line: Literal["fragment", "archived"] = "fragment",
    ) -> FragmentLine:
        """Return the line of a fragment."""
        vector = None
        if embedding is not None:
            vector = Vector.model_construct(model=embedding.model, vector=embedding.vector)
        values = {name: getattr(fragment, name) for name in _OF_FRAGMENT}
        return FragmentLine.model_construct(line=line, embedding=vector, **values)

    def fragment(self) -> Fragment:
        """Return the fragment; it has no numbers yet."""
        return Fragment(**{name: getattr(self, name) for name in _OF_FRAGMENT})

    def vector(self) -> Embedding | None:
        """Return its embedding."""
        if self.embedding is None:
            return None
        return Embedding(
            fragment_id=self.id, model=self.embedding.model, vector=self.embedding.vector
        )


_OF_FRAGMENT = tuple(each.name for each in fields(Fragment) if each.name not in ("seq", "rev"))


class EntityLine(_Line):
    """What an agent knows of someone or something."""

    line: Literal["entity"] = "entity"
    agent: UUID
    key: Text
    name: Text
    kind: Text
    mentions: Count
    last_at: Moment


class RelationLine(_Line):
    """What an agent knows of two of them."""

    line: Literal["relation"] = "relation"
    agent: UUID
    source: Text
    kind: RelationKind
    target: Text
    weight: Annotated[float, Field(ge=0)]
    last_at: Moment
    derived_from: tuple[UUID, ...] = ()


class AgentLine(_Line):
    """An agent's UUID and the id that it had last."""

    line: Literal["agent"] = "agent"
    id: UUID
    name: Text


class StateLine(_Line):
    """What an agent keeps for itself."""

    line: Literal["state"] = "state"
    agent: Text
    key: Text
    value: Text
    """JSON text."""


class DreamLine(_Line):
    """A dream that was dreamt to its end."""

    line: Literal["dream"] = "dream"
    id: UUID
    started_at: Moment
    finished_at: Moment | None = None
    progress: Text
    digest: Text | None = None


class EndLine(_Line):
    """The last line."""

    line: Literal["end"] = "end"
    counts: dict[str, int]
    """How many lines of each kind there are."""
    number: Count
    """Of the last event of the chain that it was made from, with its hash."""
    hash: Hex | None = None
    sha256: Hex
    """Of all bytes before this line."""


type Line = Annotated[
    HeaderLine
    | EventLine
    | FragmentLine
    | EntityLine
    | RelationLine
    | AgentLine
    | StateLine
    | DreamLine
    | EndLine,
    Field(discriminator="line"),
]
LINES: TypeAdapter[Line] = TypeAdapter(Line)
