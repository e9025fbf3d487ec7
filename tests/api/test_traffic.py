"""Everything that really travels fits the schemas that are published."""

import asyncio
import json
from typing import Any

import jsonschema

from hairem_core.core import Core
from hairem_core.hlink import keys
from tests.api.test_bridge import TURN_ON
from tests.support.bus import until
from tests.support.core import ROOT, Client

SCHEMA = json.loads((ROOT / "docs" / "schemas" / "h-link.json").read_text())


async def test_a_turn_with_a_tool_on_the_bus(core: Core, client: Client) -> None:
    heard: list[dict[str, Any]] = []
    pubsub = core.bus.redis.pubsub(ignore_subscribe_messages=True)
    await pubsub.psubscribe("hlink:live:*")

    async def listen() -> None:
        while True:
            if event := await pubsub.get_message(timeout=None):
                heard.append(json.loads(event["data"]))

    listening = asyncio.create_task(listen())
    await client.turn("electra", "turn on the lamp", language="en", tools=[TURN_ON])
    await until(lambda: heard and heard[-1]["header"]["type"] == "SUBJECTIVE")
    listening.cancel()
    await pubsub.aclose()  # type: ignore[no-untyped-call]
    entries: Any = await core.bus.redis.xrange(keys.JOURNAL)
    journal = [json.loads(fields[b"m"]) for _, fields in entries]
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for message in [*heard, *journal]:
        validator.validate(message)
    kinds = [
        (each["header"]["topic"], each["header"]["type"], each["header"]["sender"])
        for each in journal
    ]
    assert kinds == [
        ("user.utterance", "RAW", "user:house"),
        ("tool.call", "STREAM", "agent:electra"),
        ("tool.receipt", "STREAM", "home:assist"),
        ("narrative.text", "SUBJECTIVE", "agent:electra"),
    ]
    pieces = [each for each in heard if each["header"]["topic"] == "narrative.text"]
    assert {each["header"]["type"] for each in pieces} == {"STREAM", "SUBJECTIVE"}
    turn = journal[0]["header"]["msg_id"]
    assert {each["header"]["parent_id"] for each in [*heard, *journal[1:]]} == {turn}
