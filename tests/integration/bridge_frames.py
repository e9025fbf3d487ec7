"""What a client may say to H-Core, as docs/bridge.md has it: for the in-test server."""

from typing import Annotated, Any, Literal, Self

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


class Unsubscribe(_Command):
    type: Literal["unsubscribe"]
    subscription: int


class User(_Frame):
    id: str
    name: str


class Device(_Frame):
    id: str
    name: str
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


type Command = Ping | Subscribe | Unsubscribe | Converse | ToolResults | Cancel

AUTH: TypeAdapter[Auth] = TypeAdapter(Auth)
COMMAND: TypeAdapter[Command] = TypeAdapter(
    Annotated[
        Ping | Subscribe | Unsubscribe | Converse | ToolResults | Cancel,
        Field(discriminator="type"),
    ]
)
