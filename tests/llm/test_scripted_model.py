"""The double is strict: what a provider would refuse, it refuses; what it saw, it tells."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.scripted_model import Rule, ScriptedModel

USER = {"role": "user", "content": "Hello"}
CALL = {"id": "1", "type": "function", "function": {"name": "t", "arguments": "{}"}}
ASKED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
ANSWERED = {"role": "tool", "tool_call_id": "1", "content": "{}"}


def tool(**changes: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": "t", "parameters": {"type": "object"}} | changes,
    }


async def post(
    model: ScriptedModel, body: Any, path: str = "/v1/chat/completions"
) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.post(model.url + path, json=body) as got:
        return got.status, await got.json()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "JSON object"),
        ({"messages": [USER]}, "model"),
        ({"messages": []}, "too short"),
        ({"messages": [USER], "colour": "red"}, "Unrecognized request argument supplied: colour"),
        ({"messages": [USER], "temperature": 3}, "temperature"),
        ({"messages": [USER], "stream_options": {}}, "only allowed when 'stream'"),
        ({"messages": [USER], "tools": []}, "too short"),
        ({"messages": [{"role": "king", "content": "x"}]}, "not a role"),
        ({"messages": [{"role": "system", "content": "x", "name": "memory"}]}, "unexpected"),
        ({"messages": [USER, {"role": "system", "content": "x"}]}, "come first"),
        ({"messages": [{"role": "user", "content": None}]}, "content"),
        ({"messages": [USER, ANSWERED]}, "preceding"),
        ({"messages": [USER, ASKED, USER]}, "must be followed by tool messages"),
        ({"messages": [USER, ASKED]}, "no tool message responds"),
        ({"messages": [USER], "tools": [tool(name="no spaces")]}, "does not match"),
        ({"messages": [USER], "tools": [tool(), tool()]}, "twice"),
        ({"messages": [USER], "tools": [tool(parameters={"type": "array"})]}, "type 'object'"),
        (
            {"messages": [USER], "tools": [tool(parameters={"type": "object", "anyOf": []})]},
            "top level",
        ),
        (
            {"messages": [USER], "tools": [tool(parameters={"type": "object", "required": 1})]},
            "Invalid schema",
        ),
    ],
)
async def test_a_bad_request_is_refused(body: Any, words: str) -> None:
    if isinstance(body, dict) and words != "model":
        body = {"model": "m"} | body
    async with ScriptedModel() as model:
        status, answer = await post(model, body)
        assert status == 400
        assert words in answer["error"]["message"]
        assert model.requests[0].status == 400


async def test_a_whole_exchange_is_accepted() -> None:
    async with ScriptedModel() as model:
        body = {"model": "m", "messages": [USER, ASKED, ANSWERED], "tools": [tool()]}
        status, answer = await post(model, body)
        assert status == 200
        assert answer["choices"][0]["finish_reason"] == "stop"


async def test_ollama_streams_lines() -> None:
    async with ScriptedModel([Rule(match="hello", reply=["a", "b"])]) as model:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{model.url}/api/chat", json={"model": "m", "messages": [USER], "tools": []}
            ) as got,
        ):
            lines = [json.loads(line) async for line in got.content]
        assert [line["message"]["content"] for line in lines] == ["a", "b", ""]
        assert [line["done"] for line in lines] == [False, False, True]
        status, answer = await post(model, {"model": "m", "messages": "x"}, "/api/chat")
        assert (status, answer) == (400, {"error": "messages must be an array"})


async def test_rules_fill_what_was_matched() -> None:
    rule = Rule.model_validate(
        {
            "match": r"warm the (?P<room>\w+)",
            "tool_call": {"name": "t", "arguments": {"where": ["{room}"]}},
            "times": 1,
        }
    )
    async with ScriptedModel([rule]) as model:
        message = {"role": "user", "content": "Warm the attic"}
        body = {"model": "m", "messages": [message], "tools": [tool()]}
        _, answer = await post(model, body)
        (call,) = answer["choices"][0]["message"]["tool_calls"]
        assert json.loads(call["function"]["arguments"]) == {"where": ["attic"]}
        _, answer = await post(model, body)
        assert "tool_calls" not in answer["choices"][0]["message"]


async def test_it_runs_by_itself(tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("rules:\n  - match: hello\n    reply: From the file.\n")
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.support.scripted_model", "--script", str(script), "--api-key", "k"),
        cwd=Path(__file__).parents[2],
        env=os.environ,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        url = (await server.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession() as session:
            body = {"model": "m", "messages": [USER]}
            async with session.post(f"{url}/chat/completions", json=body) as got:
                assert got.status == 401
            headers = {"Authorization": "Bearer k"}
            async with session.post(
                f"{url}/v1/chat/completions", json=body, headers=headers
            ) as got:
                answer = await got.json()
            assert answer["choices"][0]["message"]["content"] == "From the file."
            async with session.get(f"{url}/_requests") as got:
                seen = await got.json()
        assert [each["status"] for each in seen] == [401, 200]
        assert seen[1]["body"] == body
        assert not seen[1]["cancelled"]
    finally:
        server.terminate()
        await server.wait()
