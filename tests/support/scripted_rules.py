"""What the scripted model is asked (`Turn`), what it does (`Answer`), and the rules in between."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML

type Fault = Literal[
    "hang_first",
    "hang_mid",
    "drop_mid",
    "error_mid",
    "http_401",
    "http_404",
    "http_429",
    "http_500",
    "bad_sse",
    "bad_arguments",
    "empty",
]


@dataclass(frozen=True, kw_only=True)
class ToolReply:
    """What came back from one tool call: the call's name and arguments, and the result's text."""

    name: str
    arguments: dict[str, Any]
    content: str


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A request as the rules see it, whichever protocol it came by."""

    model: str
    system: str
    user: str
    """The last user message."""
    earlier: list[str]
    """The user messages before it, oldest first."""
    tools: dict[str, dict[str, Any]]
    """JSON Schema of each tool's arguments, by name."""
    tool_replies: list[ToolReply]
    """Results that came after the last user message."""

    def tool(self, name: str) -> str | None:
        """Return the full name of the offered tool called `name`, a namespace aside, or None."""
        for offered in self.tools:
            if offered == name or offered.endswith(f"__{name}"):
                return offered
        return None


@dataclass(kw_only=True)
class Answer:
    """What the scripted model does with one request. Delays are in seconds."""

    chunks: Sequence[str] = ()
    thinking: str = ""
    tool_calls: Sequence[tuple[str, dict[str, Any]]] = ()
    delay_first: float | None = None
    delay_chunk: float | None = None
    fault: Fault | None = None
    fault_after: int = 1
    """How many chunks come before a fault in mid-answer."""
    finish_reason: str | None = None


def words(text: str) -> list[str]:
    """Return `text` cut into chunks of one word each, as a model's tokens would come."""
    return re.findall(r"\S+\s*|\s+", text)


class ToolCallSpec(BaseModel):
    """A tool call that a rule makes. `{group}` in a string argument is filled from `match`."""

    model_config = ConfigDict(extra="forbid")

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Rule(BaseModel):
    """When (all that is given must hold) and what.

    `match` is searched in the last user text, case-insensitively; its named groups fill `{group}`
    in `reply` and in tool arguments. `times` limits how often the rule applies.
    """

    model_config = ConfigDict(extra="forbid")

    match: str | None = None
    model: str | None = None
    """A regular expression searched in the model's name."""
    after_tool: bool | None = None
    """True: only when tool results came after the user's text; False: only when none did."""
    times: PositiveInt | None = None

    reply: str | list[str] = ""
    thinking: str = ""
    tool_call: ToolCallSpec | list[ToolCallSpec] | None = None
    delay_first: NonNegativeFloat | None = None
    delay_chunk: NonNegativeFloat | None = None
    fault: Fault | None = None
    fault_after: NonNegativeInt = 1
    finish_reason: str | None = None

    used: int = Field(default=0, exclude=True)

    @field_validator("match", "model")
    @classmethod
    def _regex(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as err:
                raise ValueError(f"{value!r} is not a regular expression: {err}") from err
        return value

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.reply or self.tool_call or self.fault or self.thinking):
            raise ValueError("a rule needs a reply, a tool_call or a fault")
        if self.fault == "bad_arguments" and self.tool_call is None:
            raise ValueError("the fault bad_arguments needs a tool_call to spoil")
        return self

    def apply(self, turn: Turn) -> Answer | None:
        """Return what this rule does with `turn`, or None when it does not apply."""
        if self.times is not None and self.used >= self.times:
            return None
        if self.after_tool is not None and self.after_tool != bool(turn.tool_replies):
            return None
        if self.model is not None and not re.search(self.model, turn.model):
            return None
        found: re.Match[str] | None = None
        if self.match is not None:
            found = re.search(self.match, turn.user, re.IGNORECASE)
            if found is None:
                return None
        self.used += 1
        groups = {key: value or "" for key, value in found.groupdict().items()} if found else {}
        calls = self.tool_call or []
        return Answer(
            chunks=[
                _fill(chunk, groups)
                for chunk in (words(self.reply) if isinstance(self.reply, str) else self.reply)
            ],
            thinking=self.thinking,
            tool_calls=[
                (turn.tool(call.name) or call.name, _fill_all(call.arguments, groups))
                for call in (calls if isinstance(calls, list) else [calls])
            ],
            delay_first=self.delay_first,
            delay_chunk=self.delay_chunk,
            fault=self.fault,
            fault_after=self.fault_after,
            finish_reason=self.finish_reason,
        )


type Scene = Callable[[Turn], Answer]


@dataclass
class Script:
    """Rules in order; the first that applies decides, else the scene does."""

    scene: Scene
    rules: list[Rule] = field(default_factory=list)

    def answer(self, turn: Turn) -> Answer:
        """Return what to do with `turn`."""
        for rule in self.rules:
            if (answer := rule.apply(turn)) is not None:
                return answer
        return self.scene(turn)


class _ScriptFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: list[Rule]


def load_rules(path: Path) -> list[Rule]:
    """Return the rules in a YAML file, `rules: [...]`.

    Raises OSError, ruamel.yaml.error.YAMLError or pydantic.ValidationError.
    """
    return _ScriptFile.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8"))).rules


def _fill(text: str, groups: dict[str, str]) -> str:
    for key, value in groups.items():
        text = text.replace(f"{{{key}}}", value)
    return text


def _fill_all(node: Any, groups: dict[str, str]) -> Any:
    if isinstance(node, str):
        return _fill(node, groups)
    if isinstance(node, dict):
        return {key: _fill_all(value, groups) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill_all(value, groups) for value in node]
    return node
