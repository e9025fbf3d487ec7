"""What an author's code rests on: the names, their signatures, and what importing them costs."""

import inspect
import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from enum import EnumType
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import hairem_core
import hairem_core.sdk as sdk

ROOT = Path(__file__).parents[2]
NEEDED = ("pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection")
"""pydantic, and what it needs itself."""

NAMES = [
    "CREW", "AgentContext", "AgentError", "BaseAgent", "ChatMessage", "ChatRequest", "Delta",
    "Device", "Header", "Message", "MessageType", "Metadata", "Payload", "PermissionDenied",
    "Persona", "Priority", "Recollection", "RemoteError", "SecretMissing", "ToolCall",
    "ToolDefinitionError", "ToolError", "ToolResult", "ToolSpec", "Toolbox", "Topic", "Turn",
    "Utterance", "tool",
]  # fmt: skip

SIGNATURES = {
    "BaseAgent": "(ctx: AgentContext) -> None",
    "BaseAgent.setup": "(self) -> None",
    "BaseAgent.teardown": "(self) -> None",
    "BaseAgent.on_message": "(self, message: Message) -> None",
    "BaseAgent.on_utterance": "(self, message: Message) -> None",
    "BaseAgent.instructions": "(self, message: Message) -> str",
    "Turn": "(ctx: AgentContext, message: Message, *, toolbox: Toolbox) -> None",
    "Turn.run": "(self, *, extra_instructions: str = '') -> str",
    "Turn.prompt": "(self, extra_instructions: str = '') -> list[ChatMessage]",
    "Toolbox": "(owner: object) -> None",
    "Toolbox.call": "(self, call: ToolCall) -> ToolResult",
    "tool": "(method: Any = None, *, timeout: float = 30.0) -> Any",
    "Message.answer": (
        "(self, *, sender: str, type: MessageType, topic: Topic, recipient: str | None = None, "
        "content: str = '', data: dict[str, Any] | None = None, metadata: Metadata | None = None, "
        "priority: Priority | None = None) -> Message"
    ),
    "Persona.language_for": "(self, wanted: str | None) -> str",
    "Persona.prompt": "(self, language: str) -> str",
    "AgentError": "(what: str, *, where: str | None = None, hint: str | None = None) -> None",
    "ToolError": "(what: str, *, where: str | None = None, hint: str | None = None) -> None",
    "RemoteError": "(code: str, what: str) -> None",
}
CONTEXT = {
    "bus.publish": (
        "(self, recipient: str, *, topic: Topic, type: MessageType = MessageType.SUBJECTIVE, "
        "content: str = '', data: dict[str, Any] | None = None, metadata: Metadata | None = None, "
        "priority: Priority = Priority.P2, conversation_id: str | None = None) -> UUID"
    ),
    "bus.answer": (
        "(self, message: Message, *, topic: Topic, type: MessageType = MessageType.SUBJECTIVE, "
        "content: str = '', data: dict[str, Any] | None = None, metadata: Metadata | None = None"
        ") -> UUID"
    ),
    "memory.recent": (
        "(self, *, conversation_id: str | None = None, limit: int | None = None) "
        "-> list[Recollection]"
    ),
    "memory.forget": "(self, fragment_id: UUID) -> None",
    "memory.history": "(self, fragment_id: UUID) -> list[Recollection]",
    "memory.recall": (
        "(self, query: str, *, limit: int | None = None, exclude: Collection[UUID] = (), "
        "shared: bool = False, kinds: Collection[MemoryKind] = (), about: str | None = None, "
        "since: datetime.datetime | None = None, until: datetime.datetime | None = None, "
        "as_of: datetime.datetime | None = None, include_archived: bool = False) "
        "-> list[Recollection]"
    ),
    "memory.remember": (
        "(self, content: str, *, about: str | None = None, importance: float = 0.7, "
        "confidence: float = 1.0, shared: bool = False, pinned: bool = False, "
        "replaces: UUID | None = None) -> Recollection"
    ),
    "llm.stream": "(self, request: ChatRequest) -> AsyncGenerator[Delta]",
    "ha.call_tools": ("(self, message: Message, calls: Sequence[ToolCall]) -> list[ToolResult]"),
    "visual.pose": "(self, name: str) -> UUID",
    "state.get": "(self, key: str, default: Any = None) -> Any",
    "state.set": "(self, key: str, value: Any) -> None",
}
ATTRIBUTES = {
    "agent_id", "persona", "bus", "memory", "llm", "ha", "visual", "state", "logger", "spawn_task",
    "config", "secrets", "folder",
}  # fmt: skip


def signature(of: Any) -> str:
    """Return a signature as its author reads it: names without the modules they are from."""
    text = str(inspect.signature(of))
    text = re.sub(r"<(\w+\.\w+): '[^']*'>", r"\1", text)
    return re.sub(r"\b(?:\w+\.)+(?=[A-Z])(?!P\d|SUBJECTIVE)", "", text)


def test_the_names_are_those_that_were_published() -> None:
    assert sorted(sdk.__all__) == sorted(NAMES)
    assert all(hasattr(sdk, name) for name in NAMES)


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_signature_is_as_published(name: str) -> None:
    first, _, rest = name.partition(".")
    found = getattr(sdk, first)
    assert signature(getattr(found, rest) if rest else found) == SIGNATURES[name]


def test_ctx_is_as_published() -> None:
    parts = {each.name: each.type for each in fields(sdk.AgentContext)}
    assert {*parts, "agent_id"} == ATTRIBUTES
    found = {
        f"{part}.{name}": signature(method)
        for part, kind in parts.items()
        if part in {path.partition(".")[0] for path in CONTEXT}
        for name, method in vars(kind).items()
        if inspect.isfunction(method) and not name.startswith("_")
    }
    assert found == CONTEXT


def test_whoever_type_checks_an_agent_sees_the_types() -> None:
    assert (Path(hairem_core.__file__).parent / "py.typed").exists()


def test_every_public_name_is_in_its_reference() -> None:
    page = (ROOT / "docs" / "sdk.md").read_text()
    wanted: set[str] = set(sdk.__all__)
    for name in sdk.__all__:
        found = getattr(sdk, name)
        if isinstance(found, EnumType):
            wanted |= {str(member) for member in list[Any](found)}
        elif isinstance(found, type) and issubclass(found, BaseModel):
            wanted |= set(found.model_fields)
        elif isinstance(found, type) and not issubclass(found, Exception):
            public = {each for each in vars(found) if not each.startswith("_")}
            wanted |= public
    wanted |= ATTRIBUTES | {path.partition(".")[2] for path in CONTEXT}
    missing = {name for name in wanted if not re.search(rf"\b{re.escape(name)}\b", page)}
    assert missing == set()


def test_every_error_of_the_reference_has_its_code() -> None:
    page = (ROOT / "docs" / "sdk.md").read_text()
    for name in sdk.__all__:
        found = getattr(sdk, name)
        if isinstance(found, type) and issubclass(found, sdk.AgentError):
            assert f"| `{name}` | `{found.code}`" in page or name == "RemoteError"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a folder with pydantic, what it needs, and hairem_core: nothing of H-Core's else."""
    for name in NEEDED:
        found = distribution(name)
        tops = {file.parts[0] for file in found.files or [] if file.parts[0] != ".."}
        for top in tops - {"__pycache__"}:
            (tmp_path / top).symlink_to(Path(str(found.locate_file(top))))
    (tmp_path / "hairem_core").symlink_to(ROOT / "hairem_core")
    return tmp_path


def run_bare(folder: Path, code: str) -> Any:
    """Return what `code` prints as JSON, run by an interpreter that finds only `folder`."""
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-B",
            "-c",
            f"import sys; sys.path.append({str(folder)!r})\n{code}",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_agent_with_tools_needs_nothing_but_pydantic(bare: Path) -> None:
    code = """
import asyncio, importlib.util, json
from typing import Literal
from hairem_core.sdk import *

class Agent(BaseAgent):
    @tool(timeout=5)
    async def add_item(self, item: str, where: Literal["list", "shelf"] = "list") -> list[str]:
        '''Put one thing somewhere.

        Args:
            item: What to put there
        '''
        return [where, item]

agent = Agent(None)
call = ToolCall(id="1", name="add_item", arguments={"item": "tea"})
result = asyncio.run(agent.toolbox.call(call))
absent = [name for name in ("redis", "ruamel", "litellm", "fastapi", "typer")
          if importlib.util.find_spec(name) is None]
print(json.dumps([agent.toolbox.specs[0].description, result.data, len(absent)]))
"""
    assert run_bare(bare, code) == ["Put one thing somewhere.", ["list", "tea"], 5]


def test_importing_it_brings_nothing_of_others_along() -> None:
    code = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
import hairem_core.sdk
tops = {{name.partition(".")[0] for name in sys.modules}}
ours = sorted(name for name in sys.modules if name.startswith("hairem_core."))
print(json.dumps([sorted(tops - set(sys.stdlib_module_names)), ours]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    tops, ours = json.loads(done.stdout)
    allowed = {name.replace("-", "_") for name in NEEDED} | {"hairem_core", "__main__"}
    assert [top for top in tops if top not in allowed and not top.startswith("_")] == []
    assert [name for name in ours if not name.startswith("hairem_core.sdk")] == [
        "hairem_core.errors"
    ]
