"""What a tool's outcome is to an agent."""

from typing import Any

import pytest
from homeassistant.components import conversation
from homeassistant.helpers import llm

from custom_components.hairem.convert import format_history, format_tool_result
from custom_components.hairem.models import ToolResult


@pytest.mark.parametrize(
    ("data", "failed", "expected"),
    [
        ({"lamp": "on"}, False, {"data": {"lamp": "on"}}),
        ({"error": "not one of ours"}, False, {"data": {"error": "not one of ours"}}),
        ({"error": "Oh"}, True, {"error": "Oh"}),
        ({"error": "Oh", "error_text": "It broke."}, True, {"error": "Oh: It broke."}),
        ({"why": "It broke."}, True, {"error": '{"why":"It broke."}'}),
    ],
)
def test_tool_results(data: dict[str, Any], failed: bool, expected: dict[str, Any]) -> None:
    content = conversation.ToolResultContent(
        agent_id="conversation.renarde",
        tool_call_id="1",
        tool_name="tool",
        result=llm.ToolResult(data=data, error=failed),
    )
    assert format_tool_result(content) == ToolResult(id="1", name="tool", **expected)


def test_history_is_what_was_said() -> None:
    assert format_history(
        [
            conversation.UserContent(content="Hello"),
            conversation.AssistantContent(agent_id="a", content=None, thinking_content="Hm"),
            conversation.ToolResultContent(
                agent_id="a", tool_call_id="1", tool_name="t", result=llm.ToolResult(data={})
            ),
            conversation.AssistantContent(agent_id="a", content="Hi"),
        ]
    ) == [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
