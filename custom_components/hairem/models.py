"""The bridge's frames as Home Assistant's side sees them, validated: see docs/bridge.md.

Unknown fields are refused, as the protocol asks of both sides: a field that is silently dropped
would be a promise silently broken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import probatio

from .const import PERMISSIONS_HOME
from .errors import InvalidFrame

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerInfo:
    """What H-Core says of itself before anyone has identified themselves."""

    server_id: str
    name: str
    version: str
    schema_version: int
    min_schema_version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that H-Core found in an agent's bundle."""

    step: str
    rule: str
    file: str
    """Relative to the bundle; empty for the bundle as a whole."""
    line: int | None
    what: str
    hint: str
    severity: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """One agent of the crew."""

    id: str
    uuid: str
    name: str
    description: Mapping[str, str]
    version: str
    languages: tuple[str, ...]
    permissions: tuple[str, ...]
    state: str
    reason: str | None
    generation: int
    restarts: int
    enabled: bool
    folder_hash: str | None
    running_hash: str | None
    drift: bool
    findings: tuple[Finding, ...]
    progress: str | None
    last_error: str | None

    @property
    def is_live(self) -> bool:
        """Return whether it can be spoken to."""
        return self.state == "live"

    @property
    def is_settled(self) -> bool:
        """Return whether it stays as it is until someone, or something, does something."""
        is_being_replaced = self.drift and not self.errors
        return self.state in {"stopped", "rejected", "quarantined"} or (
            self.is_live and not is_being_replaced
        )

    @property
    def is_established(self) -> bool:
        """Return whether it is known to work: a bundle may never become an agent."""
        return self.state in {"live", "draining", "stopped"}

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Return what keeps its bundle, as it lies in its folder, from becoming the agent."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def may_use_tools(self) -> bool:
        """Return whether its manifest lets it use tools of the house, to read or to act.

        Which ones is H-Core's to decide, call by call.
        """
        return not PERMISSIONS_HOME.isdisjoint(self.permissions)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All agents there are."""

    agents: Mapping[str, Agent]


@dataclass(frozen=True, slots=True)
class Changed:
    """An agent is new, or something about it is."""

    agent: Agent


@dataclass(frozen=True, slots=True)
class Removed:
    """An agent is gone."""

    agent_id: str


type AgentsEvent = Snapshot | Changed | Removed


@dataclass(frozen=True, slots=True)
class Delta:
    """Words of an answer."""

    content: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """A model's reasoning, not to be spoken."""

    content: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolCall:
    """A tool that Home Assistant is asked to run."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """The turn waits until all of these are answered."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The whole answer; last of its turn."""

    text: str
    continue_conversation: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """There is no (further) answer; last of its turn."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Someone gave the turn up; last of its turn."""


type TurnEvent = Delta | Thinking | ToolCalls | Done | Failed | Cancelled


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolResult:
    """What came of a tool call: `data`, or an `error` in words."""

    id: str
    name: str
    data: Any = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ConverseRequest:
    """What a person said, and what H-Core needs to know to answer."""

    agent_id: str
    text: str
    conversation_id: str | None = None
    language: str | None = None
    user: dict[str, str] | None = None
    device: dict[str, str] | None = None
    history: list[dict[str, str]] | None = None
    instructions: str | None = None
    tools: list[dict[str, Any]] = field(default_factory=list)

    def as_fields(self) -> dict[str, Any]:
        """Return the fields of a `converse` command, without those that are not known."""
        optional = {
            "conversation_id": self.conversation_id,
            "language": self.language,
            "user": self.user,
            "device": self.device,
            "history": self.history,
            "instructions": self.instructions,
        }
        fields: dict[str, Any] = {"agent_id": self.agent_id, "text": self.text}
        fields |= {name: value for name, value in optional.items() if value is not None}
        if self.tools:
            fields["tools"] = self.tools
        return fields


def _schema(fields: dict[str, Any]) -> probatio.Schema:
    return probatio.Schema({probatio.Required(name): value for name, value in fields.items()})


_ERROR = _schema({"code": str, "message": str})
_FINDING = _schema(
    {
        "step": str,
        "rule": str,
        "file": str,
        "line": probatio.Any(int, None),
        "what": str,
        "hint": str,
        "severity": str,
    }
)
_AGENT = _schema(
    {
        "id": str,
        "uuid": str,
        "name": str,
        "description": {str: str},
        "version": str,
        "languages": [str],
        "permissions": [str],
        "state": str,
        "reason": probatio.Any(str, None),
        "generation": int,
        "restarts": int,
        "enabled": bool,
        "folder_hash": probatio.Any(str, None),
        "running_hash": probatio.Any(str, None),
        "drift": bool,
        "findings": [_FINDING],
        "progress": probatio.Any(str, None),
        "last_error": probatio.Any(str, None),
    }
)
# The one frame that a client of every version must be able to read, so as to learn that the
# versions do not fit: what a later one adds to it is passed over.
_HELLO = _schema(
    {
        "type": "hello",
        "server_id": str,
        "name": str,
        "version": str,
        "schema_version": int,
        "min_schema_version": int,
    }
).extend({}, extra=probatio.REMOVE_EXTRA)
_AUTH_OK = _schema({"type": "auth_ok", "client_name": str})
_AUTH_FAILED = _schema({"type": "auth_failed", "error": _ERROR})
_SUCCESS = _schema({"id": int, "type": "result", "success": True, "result": dict})
_FAILURE = _schema({"id": int, "type": "result", "success": False, "error": _ERROR})
_EVENT = _schema({"id": int, "type": "event", "event": dict})
_AGENTS_EVENTS = {
    "snapshot": _schema({"kind": "snapshot", "agents": [_AGENT]}),
    "changed": _schema({"kind": "changed", "agent": _AGENT}),
    "removed": _schema({"kind": "removed", "agent_id": str}),
}
_TURN_EVENTS = {
    "delta": _schema({"kind": "delta", "content": str}),
    "thinking": _schema({"kind": "thinking", "content": str}),
    "tool_calls": _schema(
        {
            "kind": "tool_calls",
            "tool_calls": probatio.All(
                [_schema({"id": str, "name": str, "arguments": dict})], probatio.Length(min=1)
            ),
        }
    ),
    "done": _schema({"kind": "done", "text": str, "continue_conversation": bool}),
    "failed": _schema({"kind": "failed", "error": _ERROR}),
    "cancelled": _schema({"kind": "cancelled"}),
}


def _validated(schema: probatio.Schema | None, frame: object) -> dict[str, Any]:
    """Return `frame` if it is what `schema` says. Raises InvalidFrame."""
    if schema is None:
        raise InvalidFrame(f"H-Core sent a frame of no known kind: {_shortened(frame)}")
    try:
        validated: dict[str, Any] = schema(frame)
    except probatio.Invalid as err:
        raise InvalidFrame(f"H-Core sent a wrong frame: {err}: {_shortened(frame)}") from err
    return validated


def _shortened(frame: object) -> str:
    text = repr(frame)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _agent(data: Mapping[str, Any]) -> Agent:
    return Agent(
        **{
            **data,
            "languages": tuple(data["languages"]),
            "permissions": tuple(data["permissions"]),
            "findings": tuple(Finding(**finding) for finding in data["findings"]),
        }
    )


def parse_hello(frame: object) -> ServerInfo:
    """Return what the server says of itself. Raises InvalidFrame."""
    hello = _validated(_HELLO, frame)
    del hello["type"]
    return ServerInfo(**hello)


def parse_auth(frame: object) -> tuple[str, str] | None:
    """Return None if the server took the token, else its error's code and words.

    Raises InvalidFrame.
    """
    if isinstance(frame, dict) and frame.get("type") == "auth_ok":
        _validated(_AUTH_OK, frame)
        return None
    error = _validated(_AUTH_FAILED, frame)["error"]
    return error["code"], error["message"]


def parse_frame(frame: object) -> dict[str, Any]:
    """Return a result or an event, its outer fields checked. Raises InvalidFrame."""
    if isinstance(frame, dict) and frame.get("type") == "result":
        return _validated(_SUCCESS if frame.get("success") is True else _FAILURE, frame)
    return _validated(_EVENT, frame)


def parse_agents_event(event: Mapping[str, Any]) -> AgentsEvent:
    """Return an event of an agents subscription. Raises InvalidFrame."""
    data = _validated(_AGENTS_EVENTS.get(str(event.get("kind"))), event)
    match data["kind"]:
        case "snapshot":
            agents = map(_agent, data["agents"])
            return Snapshot({agent.id: agent for agent in agents})
        case "changed":
            return Changed(_agent(data["agent"]))
        case _:
            return Removed(data["agent_id"])


def parse_turn_event(event: Mapping[str, Any]) -> TurnEvent:
    """Return an event of a turn. Raises InvalidFrame."""
    data = _validated(_TURN_EVENTS.get(str(event.get("kind"))), event)
    match data["kind"]:
        case "delta":
            return Delta(data["content"])
        case "thinking":
            return Thinking(data["content"])
        case "tool_calls":
            return ToolCalls(tuple(ToolCall(**call) for call in data["tool_calls"]))
        case "done":
            return Done(text=data["text"], continue_conversation=data["continue_conversation"])
        case "failed":
            return Failed(**data["error"])
        case _:
            return Cancelled()
