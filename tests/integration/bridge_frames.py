"""What a client may say to H-Core, as docs/bridge.md has it: for the in-test server.

`offence` holds a frame against the schema that is published; the classes give tests something typed
to look at, and are stricter where the text of the page is.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Auth(_Frame):
    type: Literal["auth"]
    token: str
    schema_version: int
    client: str = Field(min_length=1)


class _Command(_Frame):
    id: int = Field(gt=0)


class Ping(_Command):
    type: Literal["ping"]


class Subscribe(_Command):
    type: Literal["agents/subscribe"]


class Reload(_Command):
    type: Literal["agents/reload"]
    agent_id: str


class Unsubscribe(_Command):
    type: Literal["unsubscribe"]
    subscription: int


class User(_Frame):
    id: str
    name: str | None = None


class Device(_Frame):
    id: str
    name: str | None = None
    area: str | None = None


class HistoryEntry(_Frame):
    role: Literal["user", "assistant"]
    content: str = Field(min_length=1)


class Parameters(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    type: Literal["object"]
    properties: dict[str, dict[str, Any]] = {}


class Tool(_Frame):
    name: str = Field(min_length=1, max_length=64)
    description: str = ""
    parameters: Parameters


class Converse(_Command):
    type: Literal["converse"]
    agent_id: str
    text: str
    conversation_id: str | None = None
    language: str | None = None
    user: User | None = None
    device: Device | None = None
    history: list[HistoryEntry] | None = None
    instructions: str | None = None
    tools: list[Tool] = []


class ToolResult(_Frame):
    id: str
    name: str
    data: Any
    error: str | None

    @model_validator(mode="after")
    def one_or_the_other(self) -> Self:
        if self.error is not None and self.data is not None:
            raise ValueError("a result has data, or an error")
        return self


class ToolResults(_Command):
    type: Literal["tool_results"]
    turn: int
    results: list[ToolResult] = Field(min_length=1)


class Cancel(_Command):
    type: Literal["cancel"]
    turn: int


type Command = Ping | Subscribe | Reload | Unsubscribe | Converse | ToolResults | Cancel

AUTH: TypeAdapter[Auth] = TypeAdapter(Auth)
COMMAND: TypeAdapter[Command] = TypeAdapter(
    Annotated[
        Ping | Subscribe | Reload | Unsubscribe | Converse | ToolResults | Cancel,
        Field(discriminator="type"),
    ]
)

_SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "schemas" / "bridge.json").read_text(encoding="utf-8")
)
_VALIDATORS = {
    side: Draft202012Validator({**_SCHEMA, "$ref": f"#/$defs/{side}"})
    for side in ("ClientFrame", "ServerFrame")
}


def offence(side: Literal["ClientFrame", "ServerFrame"], frame: object) -> str | None:
    """Return what the published schema has against a frame of that side, None if nothing."""
    errors = [error.message for error in _VALIDATORS[side].iter_errors(frame)]
    return f"{errors[0]}: {frame}" if errors else None
