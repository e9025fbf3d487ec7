"""Only what docs/bridge.md allows gets in."""

from typing import Any

import pytest

from custom_components.hairem.errors import InvalidFrame
from custom_components.hairem.models import (
    Agent,
    Cancelled,
    Changed,
    ConverseRequest,
    Delta,
    Done,
    Failed,
    Finding,
    Removed,
    Snapshot,
    Thinking,
    ToolCall,
    ToolCalls,
    parse_agents_event,
    parse_auth,
    parse_frame,
    parse_hello,
    parse_turn_event,
)
from tests.integration.bridge_server import BridgeServer, agent, finding

ERROR = {"code": "internal", "message": "Oh."}


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        ({"kind": "delta", "content": "Hi"}, Delta("Hi")),
        ({"kind": "thinking", "content": "Hm"}, Thinking("Hm")),
        (
            {"kind": "tool_calls", "tool_calls": [{"id": "1", "name": "t", "arguments": {"a": 1}}]},
            ToolCalls((ToolCall(id="1", name="t", arguments={"a": 1}),)),
        ),
        (
            {"kind": "done", "text": "Hi", "continue_conversation": True},
            Done(text="Hi", continue_conversation=True),
        ),
        ({"kind": "failed", "error": ERROR}, Failed(code="internal", message="Oh.")),
        ({"kind": "cancelled"}, Cancelled()),
    ],
)
def test_turn_events(frame: dict[str, Any], event: object) -> None:
    assert parse_turn_event(frame) == event


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"kind": "song"},
        {"kind": ["delta"]},
        {"kind": "delta"},
        {"kind": "delta", "content": 1},
        {"kind": "delta", "content": "Hi", "language": "en"},
        {"kind": "tool_calls", "tool_calls": []},
        {"kind": "tool_calls", "tool_calls": [{"id": "1", "name": "t", "arguments": "{}"}]},
        {"kind": "done", "text": "Hi"},
        {"kind": "failed", "error": "internal"},
        {"kind": "cancelled", "why": "because"},
    ],
)
def test_wrong_turn_events(frame: dict[str, Any]) -> None:
    with pytest.raises(InvalidFrame):
        parse_turn_event(frame)


def test_agents_events() -> None:
    snapshot = parse_agents_event({"kind": "snapshot", "agents": [agent("renarde")]})
    assert isinstance(snapshot, Snapshot)
    renarde = snapshot.agents["renarde"]
    assert isinstance(renarde, Agent)
    assert renarde.is_live
    assert renarde.may_use_tools
    assert renarde.is_established
    assert renarde.errors == ()
    changed = parse_agents_event(
        {
            "kind": "changed",
            "agent": agent("renarde", state="crashed", reason="It fell.", permissions=["llm"]),
        }
    )
    assert isinstance(changed, Changed)
    assert not changed.agent.is_live
    assert not changed.agent.may_use_tools
    told = parse_agents_event(
        {
            "kind": "changed",
            "agent": agent(
                "renarde",
                findings=[finding(), finding("a long name", severity="warning", line=None)],
                running_hash=None,
                progress="Installing requirements",
            ),
        }
    )
    assert isinstance(told, Changed)
    assert [found.severity for found in told.agent.findings] == ["error", "warning"]
    assert told.agent.errors == (
        Finding(
            step="manifest",
            rule="missing-key",
            file="manifest.yaml",
            line=3,
            what="the key `name` is missing",
            hint="Add it.",
            severity="error",
        ),
    )
    assert told.agent.progress == "Installing requirements"
    assert parse_agents_event({"kind": "removed", "agent_id": "x"}) == Removed("x")


@pytest.mark.parametrize(
    ("state", "is_settled", "is_established"),
    [
        ("discovered", False, False),
        ("vetting", False, False),
        ("starting", False, False),
        ("live", True, True),
        ("draining", False, True),
        ("stopped", True, True),
        ("rejected", True, False),
        ("quarantined", True, False),
        ("crashed", False, False),
    ],
)
def test_states(state: str, is_settled: bool, is_established: bool) -> None:
    changed = parse_agents_event({"kind": "changed", "agent": agent("renarde", state=state)})
    assert isinstance(changed, Changed)
    assert changed.agent.is_settled is is_settled
    assert changed.agent.is_established is is_established


@pytest.mark.parametrize(
    "frame",
    [
        {"kind": "snapshot"},
        {"kind": "snapshot", "agents": [{"id": "renarde"}]},
        {"kind": "changed", "agent": agent("renarde", mood="fine")},
        {"kind": "changed", "agent": agent("renarde", restarts="none")},
        {"kind": "changed", "agent": agent("renarde", enabled="yes")},
        {"kind": "changed", "agent": agent("renarde", findings=["It is wrong."])},
        {"kind": "changed", "agent": agent("renarde", findings=[finding(mood="fine")])},
        {"kind": "changed", "agent": agent("renarde", findings=[finding(line="3")])},
        {"kind": "delta", "content": "Hi"},
    ],
)
def test_wrong_agents_events(frame: dict[str, Any]) -> None:
    with pytest.raises(InvalidFrame):
        parse_agents_event(frame)


def test_a_hello_of_a_later_version_can_still_be_read() -> None:
    hello = {**BridgeServer().hello, "schema_version": 7, "features": ["song"]}
    assert parse_hello(hello).schema_version == 7


@pytest.mark.parametrize("frame", [None, [], {}, {"type": "hello"}, {"type": "auth_ok"}])
def test_wrong_hello(frame: object) -> None:
    with pytest.raises(InvalidFrame):
        parse_hello(frame)


def test_auth() -> None:
    assert parse_auth({"type": "auth_ok", "client_name": "home-assistant"}) is None
    assert parse_auth({"type": "auth_failed", "error": ERROR}) == ("internal", "Oh.")
    for wrong in (None, {"type": "auth_ok"}, {"type": "auth_failed"}):
        with pytest.raises(InvalidFrame):
            parse_auth(wrong)


@pytest.mark.parametrize(
    "frame",
    [
        {"id": 1, "type": "result", "success": True, "result": {}},
        {"id": 1, "type": "result", "success": False, "error": ERROR},
        {"id": 1, "type": "event", "event": {"kind": "cancelled"}},
    ],
)
def test_frames(frame: dict[str, Any]) -> None:
    assert parse_frame(frame) == frame


@pytest.mark.parametrize(
    "frame",
    [
        "result",
        {"id": 1, "type": "song"},
        {"id": 1, "type": "result", "success": True},
        {"id": 1, "type": "result", "success": True, "error": ERROR},
        {"id": 1, "type": "result", "success": False, "result": {}},
        {"id": "1", "type": "event", "event": {}},
    ],
)
def test_wrong_frames(frame: object) -> None:
    with pytest.raises(InvalidFrame, match=r"H-Core sent"):
        parse_frame(frame)


def test_what_is_not_known_is_not_sent() -> None:
    assert ConverseRequest(agent_id="renarde", text="Hi").as_fields() == {
        "agent_id": "renarde",
        "text": "Hi",
    }


def test_a_long_wrong_frame_is_told_short() -> None:
    with pytest.raises(InvalidFrame) as caught:
        parse_frame({"id": 1, "type": "song", "text": "la" * 10_000})
    assert len(str(caught.value)) < 1000
