"""Receipts of an agent's own tools, through a whole H-Core."""

import json
from pathlib import Path
from typing import Any

from hairem_core.hlink import keys
from tests.support.core import Client, running_core, write_agent
from tests.support.scripted_model import Rule, ScriptedModel
from tests.support.scripted_rules import ToolCallSpec

LOGIC = '''
from hairem_core.sdk import BaseAgent, ToolError, tool


class Agent(BaseAgent):
    @tool
    async def add_item(self, item: str) -> list[str]:
        """Put something on the list."""
        if item == "poison":
            raise ToolError("not here")
        return [item]
'''


async def test_what_a_tool_did_is_in_the_journal_and_does_not_disturb_the_turn(
    tmp_path: Path,
) -> None:
    write_agent(tmp_path / "agents", "barkeep", LOGIC)
    rules = [
        rule
        for item in ("tea", "poison")
        for rule in (
            Rule(
                match=item,
                after_tool=False,
                tool_call=ToolCallSpec(name="add_item", arguments={"item": item}),
            ),
            Rule(match=item, after_tool=True, reply="Very well."),
        )
    ]
    async with ScriptedModel(rules) as model:
        chat = {"model": "openai/test", "api_base": model.openai_base, "api_key": "none"}
        config: dict[str, Any] = {"agents": tmp_path / "agents", "llm": {"chat": chat}}
        async with running_core(tmp_path, **config) as core:
            assert core.new_token
            async with Client.connect(core.address, core.new_token) as client:
                await client.receive()
                for item in ("tea", "poison"):
                    events = await client.turn("barkeep", f"we need {item}")
                    assert events[-1]["text"] == "Very well."
                    assert {event["kind"] for event in events} == {"delta", "done"}
            entries: Any = await core.bus.redis.xrange(keys.JOURNAL)
    journal = [json.loads(entry[b"m"]) for _, entry in entries]
    receipts = [each for each in journal if each["header"]["topic"] == "tool.receipt"]
    assert [
        (each["header"]["sender"], each["header"]["recipient"], each["header"]["type"])
        for each in receipts
    ] == [("agent:barkeep", "user:house", "RAW")] * 2
    results = [result for each in receipts for result in each["payload"]["data"]["results"]]
    assert [(each["name"], each["data"], each["error"]) for each in results] == [
        ("add_item", ["tea"], None),
        ("add_item", None, "not here"),
    ]
