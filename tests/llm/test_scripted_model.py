"""The double is strict: what a provider would refuse, it refuses; what it saw, it tells."""

import asyncio
import base64
import json
import os
import struct
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.scripted_embedding import bag_of_words
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


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "JSON object"),
        ({"input": "x", "model": ""}, "model"),
        ({}, "must not be empty"),
        ({"input": []}, "must not be empty"),
        ({"input": [""]}, "cannot be an empty string"),
        ({"input": ["x", 1]}, "a string or strings"),
        ({"input": ["x"] * 2049}, "2048"),
        ({"input": "x", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "x", "dimensions": 0}, "dimensions"),
        ({"input": "x", "truncate": True}, "Unrecognized request argument supplied: truncate"),
    ],
)
async def test_a_bad_request_for_embeddings_is_refused(body: Any, words: str) -> None:
    if isinstance(body, dict):
        body = {"model": "m"} | body
    async with ScriptedModel() as model:
        status, answer = await post(model, body, "/v1/embeddings")
        assert status == 400
        assert words in answer["error"]["message"]
        assert (model.requests[0].status, model.requests[0].kind) == (400, "embedding")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"input": ["x", None]}, "invalid input type"),
        ({"input": {"text": "x"}}, "invalid input type"),
        ({"model": "", "input": "x"}, "model"),
        ({"input": "x", "options": {"encoding_format": "base64"}}, "invalid option"),
    ],
)
async def test_ollama_refuses_what_it_cannot_embed(body: dict[str, Any], words: str) -> None:
    async with ScriptedModel() as model:
        status, answer = await post(model, {"model": "m"} | body, "/api/embed")
        assert status == 400
        assert words in answer["error"]
        assert await post(model, {"model": "m", "input": []}, "/api/embed") == (
            200,
            {"model": "m", "total_duration": 1, "load_duration": 0, "prompt_eval_count": 0,
             "embeddings": []},
        )  # fmt: skip


async def test_both_protocols_and_encodings_give_the_same_vectors() -> None:
    async with ScriptedModel() as model:
        texts = ["La lampe rouge", "the red lamp"]
        body = {"model": "m", "input": texts, "dimensions": 64}
        _, floats = await post(model, body, "/v1/embeddings")
        _, packed = await post(model, body | {"encoding_format": "base64"}, "/embeddings")
        _, ollama = await post(model, body, "/api/embed")
    vectors = [each["embedding"] for each in floats["data"]]
    assert vectors == ollama["embeddings"] == [bag_of_words(text, 64) for text in texts]
    for each, vector in zip(packed["data"], vectors, strict=True):
        unpacked = struct.unpack("<64f", base64.b64decode(each["embedding"]))
        assert unpacked == pytest.approx(vector)


def test_texts_that_share_words_are_near() -> None:
    def near(one: str, other: str) -> float:
        return sum(a * b for a, b in zip(bag_of_words(one), bag_of_words(other), strict=True))

    said = "J'ai rangé les clés de la voiture dans le tiroir"
    assert near(said, said) == pytest.approx(1)
    assert near("Où sont mes clés ?", said) > 0.3 > near("Il pleut beaucoup", said)
    assert near("kitchen lamps", "Lamp, kitchen!") > 0.4
    assert near("", "") == pytest.approx(1)


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
