"""What can go wrong with a model: each has its code, words to act on, and no secret in it."""

import logging
import traceback
from typing import Any

import pytest

from hairem_core.llm.errors import ModelError
from hairem_core.llm.gateway import ModelGateway
from hairem_core.sdk.chat import ToolSpec
from tests.llm.conftest import KEY, MakeGateway, ask, deltas, target, tools
from tests.support.scripted_errors import HTTP_FAULTS
from tests.support.scripted_model import Rule, ScriptedModel

CALL = {"name": "HassTurnOn", "arguments": {"name": "the lamp in the hall"}}


async def failure(gateway: ModelGateway, **changes: Any) -> tuple[ModelError, str]:
    """Return how the answer failed, and the words that came before."""
    said = ""
    try:
        async for delta in gateway.stream("renarde", ask("Hello", **changes)):
            said += delta.content or ""
    except ModelError as err:
        return err, said
    raise AssertionError(f"no failure, but {said!r}")


@pytest.mark.parametrize(
    ("rule", "code", "words", "before"),
    [
        ({"fault": "hang_first"}, "model_timeout", "did not begin to answer within 0.6 s", ""),
        ({"fault": "hang_mid", "fault_after": 0}, "model_timeout", "did not begin", ""),
        ({"fault": "hang_mid"}, "model_interrupted", "fell silent in mid-answer for 0.4 s", "a "),
        ({"fault": "drop_mid", "fault_after": 0}, "model_unreachable", "not completed", ""),
        ({"fault": "drop_mid"}, "model_interrupted", "broke off", "a "),
        ({"fault": "error_mid"}, "model_interrupted", "The server had an error", "a "),
        ({"fault": "bad_sse"}, "model_rubbish", "not the protocol", "a "),
        ({"fault": "bad_sse", "fault_after": 0}, "model_rubbish", "not the protocol", ""),
        ({"fault": "http_401"}, "model_refused", "HTTP 401", ""),
        ({"fault": "http_404"}, "model_refused", "HTTP 404", ""),
        ({"fault": "http_429"}, "model_refused", "quota", ""),
        ({"fault": "http_500"}, "model_unreachable", "HTTP 500", ""),
        ({"fault": "empty"}, "model_rubbish", "the answer is empty", ""),
        ({"reply": ["\n", "  "]}, "model_rubbish", "the answer is empty", ""),
        (
            {"thinking": "hm", "reply": "", "finish_reason": "length"},
            "model_rubbish",
            "max_tokens",
            "",
        ),
        ({"reply": "a b", "finish_reason": "content_filter"}, "model_interrupted", "filter", "a b"),
    ],
)
async def test_a_fault_has_its_code(
    make_gateway: MakeGateway,
    model: ScriptedModel,
    rule: dict[str, Any],
    code: str,
    words: str,
    before: str,
) -> None:
    # The first request of a process pays for imports, which must not count here.
    await deltas(await make_gateway(), ask("Hello"))
    model.requests.clear()
    # Only who waits in vain is to be given up soon, or a busy machine would count as silent.
    hangs = str(rule.get("fault")).startswith("hang")
    waits = {"first_token_timeout": 0.6, "stall_timeout": 0.4} if hangs else {}
    gateway = await make_gateway(**waits)
    model.script.rules.append(Rule.model_validate({"reply": "a b c"} | rule))
    err, said = await failure(gateway)
    assert err.code == code
    assert words in str(err)
    assert err.where == "openai/scripted"
    assert err.hint
    assert said == before
    assert gateway.describe()["status"] == "degraded"
    if "hang" in str(rule.get("fault")):
        await model.wait_for(lambda requests: requests[0].cancelled, timeout=1)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"tool_call": CALL, "fault": "bad_arguments"}, 'are not JSON: \'{"name": '),
        ({"tool_call": CALL, "fault": "bad_arguments", "finish_reason": "length"}, "max_tokens"),
        ({"tool_call": {"name": "HassFly"}}, "a tool that was not offered, 'HassFly'"),
    ],
)
async def test_a_call_that_cannot_be_made_is_rubbish(
    gateway: ModelGateway, model: ScriptedModel, rule: dict[str, Any], words: str
) -> None:
    model.script.rules.append(Rule.model_validate(rule))
    err, _ = await failure(gateway, tools=tools())
    assert err.code == "model_rubbish"
    assert words in str(err)


@pytest.mark.parametrize("base", ["http://127.0.0.1:9/v1", "http://no.such.host.invalid/v1"])
async def test_nobody_listens(make_gateway: MakeGateway, model: ScriptedModel, base: str) -> None:
    gateway = await make_gateway(chat=target(model, api_base=base))
    err, _ = await failure(gateway)
    assert err.code == "model_unreachable"
    assert "llm.chat.api_base" in str(err)


async def test_an_unknown_provider_is_refused(
    make_gateway: MakeGateway, model: ScriptedModel
) -> None:
    gateway = await make_gateway(chat={"model": "nonsense"})
    err, _ = await failure(gateway)
    assert err.code == "model_refused"
    assert "llm.chat.model" in str(err)


async def test_a_bad_request_is_refused_in_the_providers_words(
    gateway: ModelGateway, model: ScriptedModel
) -> None:
    tool = ToolSpec(name="t", parameters={"type": "object", "properties": {"x": {"type": "blue"}}})
    err, _ = await failure(gateway, tools=[tool])
    assert err.code == "model_refused"
    assert "Invalid schema" in str(err)


async def test_no_key_in_errors_logs_or_health(
    make_gateway: MakeGateway,
    model: ScriptedModel,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = "aa11bb22cc33-not-shaped-like-a-key"
    # A provider that repeats the key in its refusal, as some do.
    answer = (401, f"Incorrect API key provided: {other}", "invalid_api_key")
    monkeypatch.setitem(HTTP_FAULTS, "http_401", answer)
    gateway = await make_gateway(chat=target(model, api_key=other))
    with caplog.at_level(logging.DEBUG):
        err, _ = await failure(gateway)
    assert err.code == "model_refused"
    assert "***" in str(err)
    shown = "".join(traceback.format_exception(err)) + str(gateway.describe()) + caplog.text
    for secret in (other, KEY):
        assert secret not in shown


async def test_an_error_in_the_middle_of_two_turns_hurts_only_one(
    gateway: ModelGateway, model: ScriptedModel
) -> None:
    model.script.rules.append(Rule(match="bad", fault="drop_mid", reply="a b c"))
    with pytest.raises(ModelError):
        await deltas(gateway, ask("bad"))
    assert await deltas(gateway, ask("Hello"))
    assert gateway.describe()["status"] == "ok"
