"""An answer streams through LiteLLM: words, thoughts, tool calls, roles and fallbacks."""

import asyncio
import logging

import pytest

from hairem_core.llm.errors import ModelInterruptedError, ModelRefusedError, ModelUnreachableError
from hairem_core.llm.gateway import ModelGateway
from hairem_core.sdk.chat import ChatMessage, ToolCall, ToolSpec
from tests.llm.conftest import KEY, MakeGateway, ask, deltas, target, text_of, tools
from tests.support.bus import until
from tests.support.scripted_model import Rule, ScriptedModel


async def test_words_come_as_they_are_spoken(gateway: ModelGateway, model: ScriptedModel) -> None:
    model.script.rules.append(
        Rule(reply=["Good ", "evening", "."], fault="hang_mid", fault_after=2)
    )
    stream = gateway.stream("renarde", ask("Hello"))
    # The model has said no more than this, and will not.
    assert [(await anext(stream)).content for _ in range(2)] == ["Good ", "evening"]
    await stream.aclose()


async def test_an_answer_comes_in_the_pieces_that_it_was_made_of(
    gateway: ModelGateway, model: ScriptedModel
) -> None:
    model.script.rules.append(Rule(reply=["Good ", "evening", "."]))
    answer = await deltas(gateway, ask("Hello"))
    assert [delta.content for delta in answer] == ["Good ", "evening", "."]
    (request,) = model.requests
    assert request.authorization == f"Bearer {KEY}"
    assert request.body["model"] == "scripted"
    assert not request.cancelled


async def test_the_prompt_becomes_one_system_message(
    gateway: ModelGateway, model: ScriptedModel
) -> None:
    request = ask(
        "And now?",
        ChatMessage(role="system", name="persona", content="You are Renarde."),
        ChatMessage(role="user", content="Before"),
        ChatMessage(role="assistant", content="Yes"),
        ChatMessage(role="system", content="Be brief."),
        ChatMessage(role="system", name="memory", content="- user:anna: hello"),
    )
    await deltas(gateway, request)
    assert model.requests[0].body["messages"] == [
        {
            "role": "system",
            "content": "<persona>\nYou are Renarde.\n</persona>\n\nBe brief.\n\n"
            "<memory>\n- user:anna: hello\n</memory>",
        },
        {"role": "user", "content": "Before"},
        {"role": "assistant", "content": "Yes"},
        {"role": "user", "content": "And now?"},
    ]


async def test_a_tool_call_comes_whole_and_its_result_goes_back(
    gateway: ModelGateway, model: ScriptedModel
) -> None:
    request = ask("Turn on the kitchen light, please", tools=tools())
    answer = await deltas(gateway, request)
    (call,) = answer[-1].tool_calls or []
    assert call.name == "intent__HassTurnOn"
    assert call.arguments == {"name": "kitchen light"}
    assert call.id

    after = request.model_copy(
        update={
            "messages": [
                *request.messages,
                ChatMessage(role="assistant", tool_calls=[call]),
                ChatMessage(role="tool", tool_call_id=call.id, content='{"data": {}}'),
            ]
        }
    )
    assert text_of(await deltas(gateway, after)) == "Done: kitchen light is on."


async def test_words_before_several_calls(gateway: ModelGateway, model: ScriptedModel) -> None:
    calls = [{"name": "HassTurnOn", "arguments": {"name": name}} for name in ("one", "deux é")]
    model.script.rules.append(Rule.model_validate({"reply": ["At once."], "tool_call": calls}))
    answer = await deltas(gateway, ask("go", tools=tools()))
    assert text_of(answer) == "At once."
    found = answer[-1].tool_calls or []
    assert [each.arguments["name"] for each in found] == ["one", "deux é"]
    assert len({each.id for each in found}) == 2


async def test_a_call_without_arguments(gateway: ModelGateway, model: ScriptedModel) -> None:
    model.script.rules.append(Rule.model_validate({"tool_call": {"name": "now"}}))
    answer = await deltas(gateway, ask("time?", tools=[ToolSpec(name="now")]))
    assert [call.arguments for call in answer[-1].tool_calls or []] == [{}]


async def test_reasoning_is_thinking_and_not_speech(
    gateway: ModelGateway, model: ScriptedModel
) -> None:
    model.script.rules.append(Rule(thinking="They greet me.", reply="Hello"))
    answer = await deltas(gateway, ask("Hello"))
    assert [delta.thinking for delta in answer if delta.thinking] == ["They greet me."]
    assert text_of(answer) == "Hello"


async def test_roles_and_agents_have_models_of_their_own(
    make_gateway: MakeGateway, model: ScriptedModel
) -> None:
    gateway = await make_gateway(
        lite=target(model, "small", temperature=0.5, max_tokens=7),
        agents={"electra": {"chat": target(model, "hers")}},
    )
    await deltas(gateway, ask("x"), "renarde")
    await deltas(gateway, ask("x", role="lite"), "renarde")
    await deltas(gateway, ask("x"), "electra")
    await deltas(gateway, ask("x", role="lite"), "electra")
    assert [each.body["model"] for each in model.requests] == [
        "scripted",
        "small",
        "hers",
        "small",
    ]
    assert model.requests[1].body["temperature"] == 0.5
    assert model.requests[1].body["max_tokens"] == 7
    assert "temperature" not in model.requests[0].body
    assert gateway.describe("electra")["chat"] == "openai/hers"


async def test_without_a_lite_model_chat_serves(
    gateway: ModelGateway, model: ScriptedModel
) -> None:
    await deltas(gateway, ask("x", role="lite"))
    assert model.requests[0].body["model"] == "scripted"


async def test_a_fallback_answers_when_the_first_model_fails_before_a_word(
    make_gateway: MakeGateway, model: ScriptedModel
) -> None:
    gateway = await make_gateway(chat=target(model) | {"fallbacks": [target(model, "second")]})
    model.script.rules.append(Rule(model="^scripted$", fault="http_500"))
    assert "Renarde" in text_of(await deltas(gateway, ask("Hello")))
    assert [each.body["model"] for each in model.requests] == ["scripted", "second"]
    described = gateway.describe()
    assert described["status"] == "degraded"
    assert described["error"]["code"] == "model_unreachable"


async def test_no_fallback_after_the_first_word(
    make_gateway: MakeGateway, model: ScriptedModel
) -> None:
    gateway = await make_gateway(chat=target(model) | {"fallbacks": [target(model, "second")]})
    model.script.rules.append(Rule(model="^scripted$", fault="drop_mid", reply="one two"))
    stream = gateway.stream("renarde", ask("Hello"))
    assert (await anext(stream)).content == "one "
    with pytest.raises(ModelInterruptedError, match="broke off"):
        await anext(stream)
    assert len(model.requests) == 1


async def test_when_all_fail_the_first_error_is_told(
    make_gateway: MakeGateway, model: ScriptedModel
) -> None:
    gateway = await make_gateway(chat=target(model) | {"fallbacks": [target(model, "second")]})
    model.script.rules.append(Rule(model="^scripted$", fault="http_404"))
    model.script.rules.append(Rule(model="second", fault="http_500"))
    with pytest.raises(ModelRefusedError, match=r"HTTP 404.*fallbacks failed too: openai/second"):
        await deltas(gateway, ask("Hello"))


async def test_a_dead_server_is_left_alone_for_a_while(
    gateway: ModelGateway, model: ScriptedModel
) -> None:
    model.script.rules.append(Rule(fault="http_500", times=3))
    for _ in range(3):
        with pytest.raises(ModelUnreachableError):
            await deltas(gateway, ask("Hello"))
    with pytest.raises(ModelUnreachableError, match="left alone"):
        await deltas(gateway, ask("Hello"))
    assert len(model.requests) == 3
    assert gateway.describe()["breaker"] == "open"


async def test_closing_the_generator_closes_the_request(
    gateway: ModelGateway, model: ScriptedModel
) -> None:
    model.script.rules.append(Rule(reply=["word "] * 1000, delay_chunk=0.02))
    stream = gateway.stream("renarde", ask("Tell me everything"))
    assert (await anext(stream)).content == "word "
    await stream.aclose()
    await model.wait_for(lambda requests: requests[0].cancelled, timeout=1)
    assert gateway.describe("renarde")["usage"]["cancelled"] == 1


@pytest.mark.parametrize("fault", ["hang_first", "hang_mid"])
async def test_cancelling_the_task_closes_the_request(
    gateway: ModelGateway, model: ScriptedModel, fault: str
) -> None:
    model.script.rules.append(Rule.model_validate({"reply": "one two", "fault": fault}))
    task = asyncio.create_task(deltas(gateway, ask("Hello")))
    await model.wait_for(bool)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await model.wait_for(lambda requests: requests[0].cancelled, timeout=1)


async def test_usage_is_counted_for_each_agent(gateway: ModelGateway, model: ScriptedModel) -> None:
    model.script.rules.append(Rule(reply=["a", "b", "c"]))
    await deltas(gateway, ask("x"), "electra")
    await deltas(gateway, ask("x"), "electra")
    await deltas(gateway, ask("x"), "renarde")
    # The counts come after the answer, which does not wait for them.
    await until(lambda: gateway.describe("electra")["usage"]["completion_tokens"] == 6)
    usage = gateway.describe("electra")["usage"]
    assert (usage["requests"], usage["prompt_tokens"], usage["completion_tokens"]) == (2, 200, 6)
    assert gateway.describe()["usage"]["requests"] == 3


async def test_an_answer_cut_off_by_its_limit_is_logged(
    gateway: ModelGateway, model: ScriptedModel, caplog: pytest.LogCaptureFixture
) -> None:
    model.script.rules.append(Rule(reply="and then", finish_reason="length"))
    with caplog.at_level(logging.WARNING):
        assert text_of(await deltas(gateway, ask("x"))) == "and then"
    assert "cut off by max_tokens" in caplog.text


async def test_ollama_through_its_own_protocol(
    make_gateway: MakeGateway, model: ScriptedModel
) -> None:
    chat = {"model": "ollama_chat/scripted", "api_base": model.url, "api_key": KEY}
    gateway = await make_gateway(chat=chat)
    answer = await deltas(gateway, ask("Turn on the lamp", tools=tools()))
    assert [call.arguments for call in answer[-1].tool_calls or []] == [{"name": "lamp"}]
    call = ToolCall(id="1", name="intent__HassTurnOn", arguments={"name": "lamp"})
    request = ask("Turn on the lamp", tools=tools())
    request.messages.extend(
        [
            ChatMessage(role="assistant", tool_calls=[call]),
            ChatMessage(role="tool", tool_call_id="1", content='{"data": {}}'),
        ]
    )
    assert text_of(await deltas(gateway, request)) == "Done: lamp is on."
    assert {each.protocol for each in model.requests} == {"ollama"}


async def test_a_server_at_home_needs_no_key(
    monkeypatch: pytest.MonkeyPatch, make_gateway: MakeGateway
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with ScriptedModel() as keyless:
        gateway = await make_gateway(
            chat={"model": "openai/local", "api_base": keyless.openai_base}
        )
        assert text_of(await deltas(gateway, ask("Hello")))
