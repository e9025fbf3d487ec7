"""The frames of the bridge, as `docs/bridge.md` describes them."""

import json
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from hairem_core.hotplug.registry import AgentState
from hairem_core.hotplug.report import Severity, Step
from hairem_core.memory.dream.digest import Digest
from hairem_core.memory.dream.parts import Reason
from hairem_core.memory.dream.parts import Step as DreamStep
from hairem_core.sdk.chat import ToolCall, ToolResult, ToolSpec
from hairem_core.sdk.message import Timestamp
from hairem_core.sdk.utterance import Device

SCHEMA_VERSION = 1
MIN_SCHEMA_VERSION = 1
LONGEST_TEXT = 16_384
"""Characters of one utterance."""


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ErrorBody(_Frame):
    """What went wrong: a code for programs, words for people."""

    code: str
    message: str


class Hello(_Frame):
    """The server's first frame."""

    type: Literal["hello"] = "hello"
    server_id: str
    name: str
    version: str
    schema_version: int = SCHEMA_VERSION
    min_schema_version: int = MIN_SCHEMA_VERSION


class Auth(_Frame):
    """The client's first frame."""

    type: Literal["auth"]
    token: str
    schema_version: int
    client: str = Field(default="", max_length=128)


class AuthOk(_Frame):
    """The client is known."""

    type: Literal["auth_ok"] = "auth_ok"
    client_name: str


class AuthFailed(_Frame):
    """The client is not let in; the connection closes."""

    type: Literal["auth_failed"] = "auth_failed"
    error: ErrorBody


class _Command(_Frame):
    id: int = Field(gt=0, strict=True)


class Envelope(BaseModel):
    """What can be read of a command that is otherwise wrong."""

    model_config = ConfigDict(extra="ignore")

    id: int = Field(gt=0, strict=True)


class Ping(_Command):
    """Ask for a sign of life."""

    type: Literal["ping"]


class AgentsSubscribe(_Command):
    """Ask for all agents, then every change."""

    type: Literal["agents/subscribe"]


class AgentOrder(_Command):
    """Start, stop, start anew or remove an agent.

    The result comes when it is done, which may take as long as an agent takes to start.
    """

    type: Literal["agents/enable", "agents/disable", "agents/reload", "agents/remove"]
    agent_id: str


class AgentsLogs(_Command):
    """Ask for the last lines of an agent's log, then every line."""

    type: Literal["agents/logs"]
    agent_id: str
    lines: int = Field(default=100, ge=0, le=500, strict=True)


class MemoryDream(_Command):
    """Dream now, or follow the dream that is under way. It goes on if the client leaves."""

    type: Literal["memory/dream"]


class Unsubscribe(_Command):
    """End a subscription."""

    type: Literal["unsubscribe"]
    subscription: int


class Speaker(_Frame):
    """Who speaks, as the client knows them."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}$")
    name: str | None = Field(default=None, max_length=128)


class HistoryMessage(_Frame):
    """One thing said before in this conversation."""

    role: Literal["user", "assistant"]
    content: str


class Converse(_Command):
    """Say something to an agent."""

    type: Literal["converse"]
    agent_id: str
    text: str = Field(max_length=LONGEST_TEXT)
    conversation_id: str | None = Field(default=None, min_length=1, max_length=128)
    language: str | None = Field(default=None, max_length=35)
    user: Speaker | None = None
    device: Device | None = None
    history: list[HistoryMessage] | None = None
    instructions: str | None = None
    tools: list[ToolSpec] = Field(default_factory=list)


class ToolResults(_Command):
    """What came of the tool calls of a turn."""

    type: Literal["tool_results"]
    turn: int
    results: list[ToolResult] = Field(min_length=1)


class Cancel(_Command):
    """Stop a turn."""

    type: Literal["cancel"]
    turn: int


class Success(_Frame):
    """A command was carried out."""

    id: int
    type: Literal["result"] = "result"
    success: Literal[True] = True
    result: dict[str, Any] = Field(default_factory=dict)


class Failure(_Frame):
    """A command was not carried out."""

    id: int
    type: Literal["result"] = "result"
    success: Literal[False] = False
    error: ErrorBody


class Finding(_Frame):
    """One thing that the Gatekeeper found in a bundle."""

    step: Step
    rule: str
    file: str
    line: int | None
    what: str
    hint: str
    severity: Severity


class Agent(_Frame):
    """An agent as clients see it."""

    id: str
    uuid: str
    name: str
    description: dict[str, str]
    version: str
    languages: list[str]
    permissions: list[str]
    state: AgentState
    reason: str | None
    generation: int
    restarts: int
    enabled: bool
    folder_hash: str | None
    running_hash: str | None
    drift: bool
    findings: list[Finding]
    progress: str | None
    last_error: str | None


class AgentsSnapshot(_Frame):
    """All agents there are."""

    kind: Literal["snapshot"] = "snapshot"
    agents: list[Agent]


class AgentChanged(_Frame):
    """An agent is new or has changed."""

    kind: Literal["changed"] = "changed"
    agent: Agent


class AgentRemoved(_Frame):
    """An agent is gone."""

    kind: Literal["removed"] = "removed"
    agent_id: str


class AgentLogLine(_Frame):
    """One line of an agent's log."""

    kind: Literal["log"] = "log"
    at: Timestamp
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    text: str


class TurnDelta(_Frame):
    """Words of the answer."""

    kind: Literal["delta"] = "delta"
    content: str


class TurnThinking(_Frame):
    """The model's reasoning."""

    kind: Literal["thinking"] = "thinking"
    content: str


class TurnToolCalls(_Frame):
    """Tools that the client must execute."""

    kind: Literal["tool_calls"] = "tool_calls"
    tool_calls: list[ToolCall]


class TurnDone(_Frame):
    """The whole answer."""

    kind: Literal["done"] = "done"
    text: str
    continue_conversation: bool


class TurnFailed(_Frame):
    """No further answer comes."""

    kind: Literal["failed"] = "failed"
    error: ErrorBody


class TurnCancelled(_Frame):
    """The turn was stopped."""

    kind: Literal["cancelled"] = "cancelled"


class DreamProgressed(_Frame):
    """How far a dream is."""

    kind: Literal["dream_progress"] = "dream_progress"
    dream_id: UUID
    reason: Reason
    step: DreamStep
    fraction: float
    done: int
    total: int


class DreamDone(_Frame):
    """A dream was dreamt to its end."""

    kind: Literal["dream_done"] = "dream_done"
    digest: Digest
    text: str


class DreamFailed(_Frame):
    """A dream broke off; the next one goes on where it was."""

    kind: Literal["dream_failed"] = "dream_failed"
    error: ErrorBody


type AnyEvent = Annotated[
    AgentsSnapshot
    | AgentChanged
    | AgentRemoved
    | AgentLogLine
    | DreamProgressed
    | DreamDone
    | DreamFailed
    | TurnDelta
    | TurnThinking
    | TurnToolCalls
    | TurnDone
    | TurnFailed
    | TurnCancelled,
    Field(discriminator="kind"),
]


class Event(_Frame):
    """Something that follows a command."""

    id: int
    type: Literal["event"] = "event"
    event: AnyEvent


type AnyCommand = Annotated[
    Ping
    | AgentsSubscribe
    | AgentOrder
    | AgentsLogs
    | MemoryDream
    | Unsubscribe
    | Converse
    | ToolResults
    | Cancel,
    Field(discriminator="type"),
]
type ClientFrame = Auth | AnyCommand
type ServerFrame = Hello | AuthOk | AuthFailed | Success | Failure | Event

AUTH: TypeAdapter[Auth] = TypeAdapter(Auth)
COMMAND: TypeAdapter[Any] = TypeAdapter(AnyCommand)


_NAMES = {
    "hairem_core__api__frames__Failure": "Failure",
    "hairem_core__hotplug__report__Step": "Step",
    "hairem_core__memory__dream__digest__Failure": "DreamStepFailure",
    "hairem_core__memory__dream__parts__Step": "DreamStep",
}
"""What two rooms call the same has the module's name in the schema, which is nobody's business."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of every frame: `client` and `server` under `$defs`."""
    refs, schema = TypeAdapter.json_schemas(
        [
            ("client", "validation", TypeAdapter(ClientFrame)),
            ("server", "serialization", TypeAdapter(ServerFrame)),
        ],
        title="The bridge protocol",
        description=f"Schema version {SCHEMA_VERSION}; see docs/bridge.md.",
    )
    schema["$defs"] |= {name: ref for (name, _), ref in refs.items()}
    written = json.dumps(schema)
    for long, short in _NAMES.items():
        written = written.replace(long, short)
    schema = json.loads(written)
    schema["$defs"] = dict(sorted(schema["$defs"].items()))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
